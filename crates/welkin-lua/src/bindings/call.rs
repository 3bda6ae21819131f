//! Calling: `skynet.call`, `rawcall`, `tracecall`, `welkin.call_within`, and the wait for an answer of their kind.

use mlua_sys as ffi;
use welkin_runtime::{Address, Message, Payload};

use super::send::{Target, deliver, pack_by_class, payload_arg, push_class, target, too_large};
use super::seri;
use crate::border::{LuaError, LuaResult};
use crate::state::State;
use crate::vm::VmPtr;
use crate::waits::{Wait, Woken};
use crate::{lua_continuation, lua_fn};

/// A day: nobody waits longer.
const DEADLINE_MS_MAX: i64 = 86_400_000;
/// A message type that is not known here.
pub const UNKNOWN: u8 = u8::MAX;

/// Posts a request and says under which session its answer comes.
fn request(
    vm: VmPtr,
    state: State,
    to: Target,
    kind: u8,
    payload: Option<Payload>,
) -> Result<i32, LuaError> {
    try_request(vm, to, state, kind, payload)?.ok_or_else(|| {
        LuaError::new(format!(
            "call to invalid address {}",
            address_text(state, to)
        ))
    })
}

/// As [`request`]; `None`: there is no such service.
fn try_request(
    vm: VmPtr,
    to: Target,
    state: State,
    kind: u8,
    payload: Option<Payload>,
) -> Result<Option<i32>, LuaError> {
    let Some(payload) = payload else {
        too_large(vm, to);
        return Err(LuaError::new("call failed: the message is too large"));
    };
    let session = vm.next_session();
    let message = Message {
        source: vm.address(),
        session,
        kind,
        payload,
    };
    Ok(deliver(vm, state, to, message).then_some(session))
}

fn address_text(state: State, to: Target) -> String {
    if state.type_of(1) == ffi::LUA_TNUMBER {
        return to.address().to_string();
    }
    String::from_utf8_lossy(state.text(1).unwrap_or_default()).into_owned()
}

/// A request that is on its way.
struct Sent {
    session: i32,
    wait: Wait,
    /// The answer is unpacked by a function of the program.
    custom: bool,
}

/// Sends the arguments of a call: address, protocol, values.
#[inline]
fn send_request(vm: VmPtr, state: State) -> Result<Sent, LuaError> {
    state.check_any(2);
    let kind = push_class(vm, state, 2)?;
    if vm.tracing_call() {
        let to = target(vm, state, 1)?;
        vm.trace_call(to.address(), b"call", state, 1);
    }
    let custom = !unpacks_natively(vm, state);
    let payload = pack_by_class(vm, state, 3)?;
    let to = target(vm, state, 1)?;
    let session = request(vm, state, to, kind, payload)?;
    let wait = Wait::Call(to.address(), kind);
    Ok(Sent {
        session,
        wait,
        custom,
    })
}

/// A call that fails after `ms` milliseconds. Its stack while it waits: address, protocol, whether the
/// answer is unpacked by the program, the tick of the deadline, `ms`.
fn call_before(vm: VmPtr, state: State, ms: u32) -> LuaResult {
    let sent = send_request(vm, state)?;
    let tick = vm.deadline_tick(ms);
    state.set_top(2);
    state.push_bool(sent.custom);
    state.push_int(tick);
    state.push_int(ms.into());
    let blocked = vm.block(state, sent.session, sent.wait, answered_in_time);
    if matches!(blocked, LuaError::Yield { .. }) {
        vm.begin_deadline(tick, sent.session);
    }
    Err(blocked)
}

lua_fn! {
    /// `skynet.call(addr, protocol, ...) -> ...`: blocks until the answer.
    fn call(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        if vm.call_timeout_ms != 0 {
            return call_before(vm, state, vm.call_timeout_ms);
        }
        let sent = send_request(vm, state)?;
        if sent.custom {
            // The continuation finds the protocol by its name.
            state.set_top(2);
        } else {
            state.set_top(0);
        }
        Err(vm.block(state, sent.session, sent.wait, answered))
    }

    /// `welkin.call_within(ms, addr, protocol, ...) -> ...`: `skynet.call` with a deadline.
    fn call_within(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let ms = state.check_int(1);
        if !(1..=DEADLINE_MS_MAX).contains(&ms) {
            return Err(LuaError::new(format!(
                "bad argument #1 to 'call_within': {ms} is no deadline, allowed are 1 to {DEADLINE_MS_MAX} milliseconds"
            )));
        }
        state.remove(1);
        call_before(vm, state, ms as u32)
    }

    /// `skynet.rawcall(addr, protocol, msg[, sz]) -> ptr, size`.
    fn rawcall(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let kind = push_class(vm, state, 2)?;
        state.pop(2);
        let to = target(vm, state, 1)?;
        if vm.tracing_call() {
            vm.trace_call(to.address(), b"call", state, 1);
        }
        let payload = payload_arg(state, 3)?;
        let Some(session) = try_request(vm, to, state, kind, payload)? else {
            return Err(LuaError::new("call to invalid address"));
        };
        state.set_top(0);
        Err(vm.block(state, session, Wait::Call(to.address(), kind), answered_raw))
    }

    /// `native.wait_session(session[, addr]) -> true, ptr, size or false`: as `rawcall` after sending.
    fn wait_session(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let session = state.check_int(1) as i32;
        let from = state.to_int(2).map_or(Address::NONE, |n| Address(n as u32));
        state.set_top(0);
        Err(vm.block(state, session, Wait::Call(from, UNKNOWN), answered_or_not))
    }
}

/// Whether the class on top of the stack unpacks by the built-in function.
#[inline]
fn unpacks_natively(vm: VmPtr, state: State) -> bool {
    vm.push_class_field(state, -1, vm.names.unpack);
    let builtin = state.is_fn(-1, seri::unpack);
    state.pop(1);
    builtin
}

/// The answer that just came, or the error that came instead.
#[inline]
fn take_answer(mut vm: VmPtr) -> Result<(usize, usize), LuaError> {
    if let Some(tag) = vm.tag() {
        vm.trace_line(&tag, "resume");
    }
    match std::mem::take(&mut vm.waits.woken) {
        Woken::Answered => Ok(vm.waits.answer),
        Woken::Failed | Woken::Break | Woken::TimedOut => Err(LuaError::new("call failed")),
    }
}

/// What is said when a call has run out of time.
fn late(vm: VmPtr, state: State) -> String {
    let to = target(vm, state, 1).map_or(Address::NONE, Target::address);
    // First, as making a number's text can raise, when nothing may be owned.
    let kind = state.text(2).unwrap_or_default();
    let name = vm.node.service_name(to).unwrap_or_else(|| "?".to_owned());
    format!(
        "call timeout: {} ms, {} {name}, message {}",
        state.to_int(5).unwrap_or(0),
        if to.is_none() {
            address_text(state, Target::Service(to))
        } else {
            to.to_string()
        },
        String::from_utf8_lossy(kind),
    )
}

/// The values of the answer that just came. With a protocol's name at index 2 they are unpacked by its
/// function, on an empty stack by ours.
#[inline]
fn unpack_answer(vm: VmPtr, state: State) -> LuaResult {
    let (ptr, len) = take_answer(vm)?;
    if state.top() == 0 {
        let bytes = if ptr == 0 {
            &[][..]
        } else {
            // SAFETY: the answer is the payload of the message in work, which lives until it is over.
            unsafe { std::slice::from_raw_parts(ptr as *const u8, len) }
        };
        // SAFETY: running inside the caller's coroutine.
        let unpacked = unsafe { seri::unpack_to_stack(state.ptr(), bytes) };
        return unpacked.map_err(|e| LuaError::new(e.to_string()));
    }
    push_class(vm, state, 2)?;
    vm.push_class_field(state, -1, vm.names.unpack);
    let base = state.top() - 1;
    state.push_light(ptr as *mut _);
    state.push_int(len as i64);
    state.call_k(2, ffi::LUA_MULTRET, base as isize, super::results_above);
    Ok(state.top() - base)
}

lua_continuation! {
    /// After `call`: unpacks the answer in the caller's own coroutine, so errors raise there.
    fn answered(call: &mut Call, _session: isize) -> LuaResult {
        unpack_answer(call.vm(), call.state)
    }

    /// After `call_before`.
    fn answered_in_time(call: &mut Call, session: isize) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        vm.end_deadline(state.to_int(4).unwrap_or(0), session as i32);
        if vm.waits.woken == Woken::TimedOut {
            // Takes it, and traces it.
            let _ = take_answer(vm);
            return Err(LuaError::new(late(vm, state)));
        }
        state.set_top(if state.to_bool(3) { 2 } else { 0 });
        unpack_answer(vm, state)
    }

    /// After `rawcall`.
    fn answered_raw(call: &mut Call, _session: isize) -> LuaResult {
        let (ptr, len) = take_answer(call.vm())?;
        call.state.push_light(ptr as *mut _);
        call.state.push_int(len as i64);
        Ok(2)
    }

    /// After `wait_session`.
    fn answered_or_not(call: &mut Call, _session: isize) -> LuaResult {
        let Ok((ptr, len)) = take_answer(call.vm()) else {
            call.state.push_bool(false);
            return Ok(1);
        };
        call.state.push_bool(true);
        call.state.push_light(ptr as *mut _);
        call.state.push_int(len as i64);
        Ok(3)
    }
}

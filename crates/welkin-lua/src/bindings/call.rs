//! Calling: `skynet.call`, `rawcall`, `tracecall`, and the wait for an answer of their kind.

use mlua_sys as ffi;
use welkin_runtime::{Address, Message, Payload};

use super::send::{Target, deliver, pack_by_class, payload_arg, push_class, target, too_large};
use super::seri;
use crate::border::LuaError;
use crate::state::State;
use crate::vm::VmPtr;
use crate::waits::{Wait, Woken};
use crate::{lua_continuation, lua_fn};

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

lua_fn! {
    /// `skynet.call(addr, protocol, ...) -> ...`: blocks until the answer.
    fn call(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.check_any(2);
        let kind = push_class(vm, state, 2)?;
        if vm.tracing_call() {
            let to = target(vm, state, 1)?;
            vm.trace_call(to.address(), b"call", state, 1);
        }
        let custom = !unpacks_natively(state);
        let payload = pack_by_class(state, 3)?;
        let to = target(vm, state, 1)?;
        let session = request(vm, state, to, kind, payload)?;
        if custom {
            // The continuation finds the protocol by its name.
            state.set_top(2);
        } else {
            state.set_top(0);
        }
        Err(vm.block(state, session, Wait::Call(to.address()), answered))
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
        Err(vm.block(state, session, Wait::Call(to.address()), answered_raw))
    }

    /// `native.wait_session(session[, addr]) -> true, ptr, size or false`: as `rawcall` after sending.
    fn wait_session(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let session = state.check_int(1) as i32;
        let from = state.to_int(2).map_or(Address::NONE, |n| Address(n as u32));
        state.set_top(0);
        Err(vm.block(state, session, Wait::Call(from), answered_or_not))
    }
}

/// Whether the class on top of the stack unpacks by the built-in function.
#[inline]
fn unpacks_natively(state: State) -> bool {
    state.raw_get_lit(-1, c"unpack");
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
        Woken::Failed | Woken::Break => Err(LuaError::new("call failed")),
    }
}

lua_continuation! {
    /// After `call`: unpacks the answer in the caller's own coroutine, so errors raise there.
    fn answered(call: &mut Call, _session: isize) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let (ptr, len) = take_answer(vm)?;
        if state.top() == 0 {
            // SAFETY: the answer is the payload of the message in work, which lives until it is over.
            let bytes = if ptr == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(ptr as *const u8, len) } };
            // SAFETY: running inside the caller's coroutine.
            let unpacked = unsafe { seri::unpack_to_stack(state.ptr(), bytes) };
            return unpacked.map_err(|e| LuaError::new(e.to_string()));
        }
        push_class(vm, state, 2)?;
        state.raw_get_lit(-1, c"unpack");
        let base = state.top() - 1;
        state.push_light(ptr as *mut _);
        state.push_int(len as i64);
        state.call_k(2, ffi::LUA_MULTRET, base as isize, super::results_above);
        Ok(state.top() - base)
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

//! A service's life: `start`, dispatch functions, callbacks, `exit`.

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_codec::seri::Writer;
use welkin_runtime::{Address, Flow, Message, Payload, kind};

use super::pointer;
use super::send::target;
use crate::border::{LuaError, LuaResult};
use crate::coroutines::Doing;
use crate::dispatch::Incoming;
use crate::state::State;
use crate::vm::{Mode, VmPtr};
use crate::waits::{Fork, Wait};
use crate::{lua_continuation, lua_fn};

lua_fn! {
    /// `skynet.start(f)`: messages are dispatched from now on; f runs as a later message.
    fn start(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        vm.mode = Mode::Native;
        state.set_top(1);
        state.push_closure(begin, 1);
        let index = vm.take_coroutine();
        vm.fill_coroutine(index, state, 1);
        let session = vm.next_session();
        vm.note_wait(session, index, Wait::Timer);
        vm.co(index).doing = Doing::Waiting(session);
        vm.cos.init = index;
        vm.node.timeout_with(&vm.slot, 0, session);
        Ok(0)
    }

    /// The coroutine of the start function: runs it and tells the launcher.
    fn begin(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.set_top(0);
        if vm.cold {
            // Functions of skynet.init, if any, come first.
            state.push_ref(vm.refs.skynet);
            state.get_field(-1, c"init_service");
            state.push_value(state.upvalue(1));
            state.call_k(1, 0, 0, super::results_above);
            return Ok(0);
        }
        state.push_fn(error_traceback);
        state.push_value(state.upvalue(1));
        let status = state.pcall_k(0, 0, 1, 0, begun);
        after_start(vm, state, status)
    }

    /// Error handler of the start function: text and traceback.
    fn error_traceback(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.set_top(1);
        state.push_tostring(1);
        // A NUL inside would cut the text; that is what skynet's own log lines do too.
        push_traceback(state, state, 1);
        Ok(1)
    }

    /// `describe(thread pointer, error object) -> text`: for errors that end a coroutine.
    fn describe_error(call: &mut Call) -> LuaResult {
        let state = call.state;
        let thread = state.to_userdata(1);
        state.push_tostring(2);
        // SAFETY: the dispatcher passes a live coroutine of this VM.
        let of = unsafe { State::new(thread.cast()) };
        push_traceback(state, of, 0);
        Ok(1)
    }

    /// A debug message: the module `skynet.debug`, loaded by the first, answers it.
    fn debug_request(call: &mut Call) -> LuaResult {
        let state = call.state;
        // What is asked of every service at once costs none of them a module.
        if let Some(asked) = state.string(3) && super::info::answer_figures(call.vm(), state, asked) {
            return Ok(0);
        }
        state.push_fn(crate::library_setup::require);
        state.push_lit(c"skynet.debug");
        state.call(1, 1);
        state.get_field(-1, c"dispatch");
        state.remove(-2);
        state.insert(1);
        let args = state.top() - 1;
        state.call_k(args, 0, 0, super::results_above);
        Ok(0)
    }

    /// `skynet.dispatch(name[, f]) -> previous`.
    fn dispatch(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let set = state.top() > 1;
        state.set_top(2);
        state.push_ref(vm.refs.proto);
        state.push_value(1);
        state.raw_get(-2);
        if state.type_of(-1) != ffi::LUA_TTABLE {
            super::skynet::fill_protocols(vm, state);
            state.push_ref(vm.refs.proto);
            state.push_value(1);
            state.raw_get(-2);
        }
        if state.type_of(-1) != ffi::LUA_TTABLE {
            if set {
                return Err(LuaError::new("attempt to index a nil value (local 'p')"));
            }
            return Ok(0);
        }
        state.raw_get_lit(-1, c"dispatch");
        if set {
            state.push_value(2);
            state.raw_set_lit(-3, c"dispatch");
        }
        Ok(1)
    }

    /// `skynet.register_protocol(class)`.
    fn register_protocol(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        state.check_type(1, ffi::LUA_TTABLE);
        state.set_top(1);
        super::skynet::fill_protocols(vm, state);
        state.push_ref(vm.refs.proto);
        state.get_field(1, c"name");
        state.get_field(1, c"id");
        let id = state.to_int(4).filter(|_| state.type_of(4) == ffi::LUA_TNUMBER);
        let free = |key: c_int| {
            state.push_value(key);
            let none = state.raw_get(2) == ffi::LUA_TNIL;
            state.pop(1);
            none
        };
        let valid = state.type_of(3) == ffi::LUA_TSTRING
            && id.is_some_and(|id| (0..=255).contains(&id))
            && free(3)
            && free(4);
        if !valid {
            return Err(LuaError::new("assertion failed!"));
        }
        state.get_field(1, c"trace");
        if state.type_of(-1) != ffi::LUA_TNIL {
            vm.tracing.switched = true;
        }
        state.pop(1);
        state.push_value(1);
        state.raw_set_i(2, id.unwrap_or(0));
        state.push_value(3);
        state.push_value(1);
        state.raw_set(2);
        Ok(0)
    }

    /// `skynet.dispatch_unknown_request(f) -> previous`.
    fn dispatch_unknown_request(call: &mut Call) -> LuaResult {
        let mut vm = call.vm();
        let previous = vm.refs.unknown_request;
        vm.refs.unknown_request = replace_handler(call.state, previous, unknown_request);
        Ok(1)
    }

    /// `skynet.dispatch_unknown_response(f) -> previous`.
    fn dispatch_unknown_response(call: &mut Call) -> LuaResult {
        let mut vm = call.vm();
        let previous = vm.refs.unknown_response;
        vm.refs.unknown_response = replace_handler(call.state, previous, unknown_response);
        Ok(1)
    }

    /// What unknown requests get by default: `(session, source, ptr, size, protocol)`.
    fn unknown_request(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let message = raw_message(state)?;
        let mut line = b"Unknown request (".to_vec();
        state.push_tostring(5);
        line.extend_from_slice(state.text(-1).unwrap_or_default());
        line.extend_from_slice(b"): ");
        line.extend_from_slice(message.bytes());
        vm.log(line);
        Err(unknown_session(&message))
    }

    /// What unknown responses get by default: `(session, source, ptr, size)`.
    fn unknown_response(call: &mut Call) -> LuaResult {
        let message = raw_message(call.state)?;
        let mut line = b"Response message : ".to_vec();
        line.extend_from_slice(message.bytes());
        call.vm().log(line);
        Err(unknown_session(&message))
    }

    /// `skynet.dispatch_message(type, ptr, size, session, source)`: one message and what follows.
    fn dispatch_message(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let (ptr, len) = pointer::message(state, 2)?;
        let message = Incoming {
            kind: state.check_int(1) as u8,
            ptr,
            len,
            session: state.to_int(4).unwrap_or(0) as i32,
            source: Address(state.to_int(5).unwrap_or(0) as u32),
        };
        let flow = vm.dispatch(&message, Some(state));
        dispatched(vm, flow)
    }

    /// `core.callback(f[, forward])`: the program dispatches for itself.
    fn callback(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        state.check_type(1, ffi::LUA_TFUNCTION);
        let forward = state.to_bool(2);
        state.set_top(1);
        if let Mode::Callback { function, .. } = vm.mode {
            state.drop_ref(function);
        }
        vm.mode = Mode::Callback { function: state.make_ref(), forward };
        Ok(0)
    }

    /// `skynet.exit()`: never returns.
    fn exit(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        leave(vm);
        let running = vm.running();
        if running.is_none() || !state.is_yieldable() {
            return Ok(0);
        }
        vm.suspending = true;
        Err(LuaError::Yield { values: 0, context: 0, then: super::results_above })
    }

    /// `skynet.term(address)`: as if that service had ended.
    fn term(call: &mut Call) -> LuaResult {
        let to = target(call.vm(), call.state, 1)?;
        call.vm().service_down(to.address());
        Ok(0)
    }
}

lua_continuation! {
    /// The start function blocked and has ended now.
    fn begun(call: &mut Call, _context: isize) -> LuaResult {
        // With an error handler, an error leaves its text behind the handler.
        let status = if call.state.top() > 1 { ffi::LUA_ERRRUN } else { ffi::LUA_OK };
        after_start(call.vm(), call.state, status)
    }

    /// A message given to `dispatch_message` was preempted and goes on.
    fn dispatch_on(call: &mut Call, _context: isize) -> LuaResult {
        let vm = call.vm();
        let flow = vm.go_on(Some(call.state));
        dispatched(vm, flow)
    }
}

/// The message described by `(session, source, ptr, size)`.
fn raw_message(state: State) -> Result<Incoming, LuaError> {
    let (session, source) = (state.check_int(1), state.check_int(2));
    let (ptr, len) = pointer::message(state, 3)?;
    Ok(Incoming {
        kind: 0,
        session: session as i32,
        source: Address(source as u32),
        ptr,
        len,
    })
}

fn unknown_session(message: &Incoming) -> LuaError {
    LuaError::plain(format!(
        "Unknown session : {} from {:x}",
        message.session, message.source.0
    ))
}

fn dispatched(mut vm: VmPtr, flow: Flow) -> LuaResult {
    if flow == Flow::Preempted {
        // Everything below can yield, or the hook would not have; so this thread gives way too.
        vm.preempted = true;
        return Err(LuaError::Yield {
            values: 0,
            context: 0,
            then: dispatch_on,
        });
    }
    Ok(0)
}

fn push_traceback(state: State, of: State, level: c_int) {
    let text = state.text(-1).unwrap_or_default();
    // Lua ends its strings with a NUL, so the text can be read as a C string.
    let message = std::ffi::CStr::from_bytes_until_nul(
        // SAFETY: Lua keeps a NUL behind every string.
        unsafe { std::slice::from_raw_parts(text.as_ptr(), text.len() + 1) },
    )
    .ok();
    state.push_traceback(of, message, level);
}

fn replace_handler(state: State, previous: c_int, default: ffi::lua_CFunction) -> c_int {
    state.set_top(1);
    let fresh = if state.type_of(1) == ffi::LUA_TNIL {
        0
    } else {
        state.make_ref()
    };
    if previous == 0 {
        state.push_fn(default);
    } else {
        state.push_ref(previous);
        state.drop_ref(previous);
    }
    fresh
}

/// After the start function: the launcher learns how it went.
fn after_start(mut vm: VmPtr, state: State, status: c_int) -> LuaResult {
    vm.cos.init = crate::coroutines::NONE;
    if matches!(status, ffi::LUA_OK | ffi::LUA_YIELD) {
        tell_launcher(vm, |packed| word(packed, "LAUNCHOK"));
        return Ok(0);
    }
    let mut line = b"init service failed: ".to_vec();
    line.extend_from_slice(state.text(-1).unwrap_or_default());
    vm.log(line);
    tell_launcher(vm, |packed| word(packed, "ERROR"));
    state.push_fn(exit);
    state.call_k(0, 0, 0, super::results_above);
    Ok(0)
}

/// A `lua` message to `.launcher`; `pack` writes its values.
fn tell_launcher(vm: VmPtr, pack: impl FnOnce(&mut Writer<'_, Vec<u8>>)) {
    let Some(launcher) = vm.node.name_query(b"launcher") else {
        return;
    };
    let mut packed = Vec::new();
    pack(&mut Writer::new(&mut packed));
    let message = Message {
        source: vm.address(),
        session: 0,
        kind: kind::LUA,
        payload: Payload::copy_from(&packed),
    };
    // A node without launcher has nobody to tell.
    let _ = vm.node.post(launcher, message);
}

/// Packs one word; the words are short, so the format has room for them.
fn word(packed: &mut Writer<'_, Vec<u8>>, word: &str) {
    let _ = packed.string(word.as_bytes());
}

/// Ends the service. What it owes to others goes out in the order programs rely on, and after its end,
/// so that whoever is woken by it finds no such service any more.
fn leave(mut vm: VmPtr) {
    for fork in std::mem::take(&mut vm.waits.forks) {
        if let Fork::Coroutine(index) = fork {
            vm.discard(index);
        }
    }
    let mut owed = std::mem::take(&mut vm.unread);
    let all = vm.cos.all.len() as u32;
    for index in 0..all {
        let doing = vm.co(index).doing;
        if doing != Doing::Nothing {
            owed.extend(vm.withdraw_request(index));
        }
    }
    let mut called: Vec<Address> = vm
        .waits
        .sessions
        .values()
        .filter_map(|w| match w.wait {
            Wait::Call(to, _) if !to.is_none() => Some(to),
            _ => None,
        })
        .collect();
    called.sort_unstable();
    called.dedup();
    for index in 0..all {
        if matches!(vm.co(index).doing, Doing::Waiting(_)) {
            vm.discard(index);
        }
    }
    let mut open: Vec<_> = std::mem::take(&mut vm.responses).into_iter().collect();
    open.sort_unstable_by_key(|(key, _)| *key);
    owed.extend(open.iter().map(|(_, open)| (open.source, open.session)));

    let address = vm.address();
    tell_launcher(vm, |packed| {
        word(packed, "REMOVE");
        packed.integer(i64::from(address.0));
        packed.boolean(false);
    });
    vm.dying = true;
    vm.node.command(&vm.slot, b"EXIT", None);
    for (source, session) in owed {
        vm.answer_error(source, session);
    }
    for to in called {
        let down = Message {
            source: address,
            session: 0,
            kind: kind::ERROR,
            payload: Payload::empty(),
        };
        // One that is gone needs no word.
        let _ = vm.node.post(to, down);
    }
}

//! Who waits for what: `skynet.task`, and what the cold half of `skynet` asks of the waits.

use std::ffi::c_int;

use mlua_sys as ffi;

use crate::coroutines::{Doing, NONE};
use crate::lua_fn;
use crate::state::State;
use crate::trace::Tag;
use crate::vm::VmPtr;
use crate::waits::{Wait, Waiter};

lua_fn! {
    /// `skynet.task([what])`: count, one traceback, a table of all, or a thread's session.
    fn task(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        state.set_top(1);
        match state.type_of(1) {
            ffi::LUA_TNIL => {
                state.push_int(count(vm) as i64);
            },
            ffi::LUA_TTABLE => {
                fill(vm, state);
                return Ok(0);
            }
            ffi::LUA_TNUMBER => {
                let session = state.to_int(1).unwrap_or(0) as i32;
                vm.materialize_timers();
                let waiter = vm.waits.sessions.get(&session).copied();
                match waiter {
                    Some(waiter) if waiter.wait != Wait::Deadline => push_entry(vm, state, waiter),
                    _ => state.push_lit(c"No session"),
                }
            }
            ffi::LUA_TSTRING if state.string(1) == Some(b"init") => {
                if vm.cos.init == NONE {
                    return Ok(0);
                }
                let thread = { let init = vm.cos.init; vm.co(init).state };
                state.push_traceback(thread, None, 0);
            }
            ffi::LUA_TTHREAD => {
                let index = state.to_thread(1).and_then(|t| vm.find_thread(t));
                let Some(index) = index else { return Ok(0) };
                let Doing::Waiting(session) = vm.co(index).doing else { return Ok(0) };
                state.push_int(session.into());
            }
            _ => return Ok(0),
        }
        Ok(1)
    }

    /// `native.forget(session)`: nobody waits any more, a late answer is dropped in silence.
    fn forget(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let session = state.check_int(1) as i32;
        vm.note_wait(session, NONE, Wait::Broken);
        Ok(0)
    }

    /// `native.sessions() -> {[session] = thread or "BREAK"}`.
    fn sessions(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.create_table(0, vm.waits.sessions.len() as c_int);
        for (session, waiter) in all(vm) {
            if waiter.wait == Wait::Broken {
                state.push_lit(c"BREAK");
            } else {
                vm.push_thread(state, waiter.coroutine);
            }
            state.raw_set_i(-2, session.into());
        }
        Ok(1)
    }

    /// `native.tag([co]) -> text, false or nil`.
    fn tag(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        let index = state.to_thread(1).and_then(|t| vm.find_thread(t)).or(vm.running());
        let Some(index) = index else { return Ok(0) };
        match &vm.co(index).tag {
            Tag::None => state.push_nil(),
            Tag::Off => state.push_bool(false),
            Tag::On(tag) => state.push_bytes(tag),
        }
        Ok(1)
    }

    /// `native.fresh_tag() -> text`: the next tag of this service.
    fn fresh_tag(call: &mut Call) -> LuaResult {
        let tag = call.vm().fresh_tag();
        super::info::push_owned(call.state, tag.into_vec());
        Ok(1)
    }

    /// `native.set_tag(tag)` of the running coroutine.
    fn set_tag(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        let Some(index) = vm.running() else { return Ok(0) };
        let tag = match state.string(1) {
            Some(text) => Tag::On(text.into()),
            None if state.type_of(1) == ffi::LUA_TBOOLEAN => Tag::Off,
            None => Tag::None,
        };
        vm.co(index).tag = tag;
        Ok(0)
    }

    /// `native.trace_proto(name, flag)`: from now on requests look at their protocol's switch.
    fn trace_proto(call: &mut Call) -> LuaResult {
        call.vm().tracing.switched = true;
        Ok(0)
    }

    /// `native.init_thread(co or nil)`: the coroutine that runs the start function.
    fn init_thread(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        vm.cos.init = state.to_thread(1).and_then(|t| vm.find_thread(t)).unwrap_or(NONE);
        Ok(0)
    }
}

/// How many sessions somebody waits for.
pub fn count(vm: VmPtr) -> usize {
    let sessions = vm.waits.sessions.values();
    let waiting = sessions.filter(|w| !matches!(w.wait, Wait::Broken | Wait::Deadline));
    waiting.count()
}

/// A copy of the table, as making Lua values can start finalizers that open sessions.
fn all(vm: VmPtr) -> Vec<(i32, Waiter)> {
    vm.materialize_timers();
    let seen = vm
        .waits
        .sessions
        .iter()
        .filter(|(_, w)| w.coroutine != NONE);
    let mut all: Vec<_> = seen.map(|(s, w)| (*s, *w)).collect();
    all.sort_unstable_by_key(|(session, _)| *session);
    all
}

fn push_entry(mut vm: VmPtr, state: State, waiter: Waiter) {
    if waiter.wait == Wait::Broken {
        state.push_lit(c"BREAK");
        return;
    }
    let thread = vm.co(waiter.coroutine).state;
    state.push_traceback(thread, None, 0);
}

/// Fills the table at index 1: `thread: 0x... session: n` -> traceback.
fn fill(vm: VmPtr, state: State) {
    for (session, waiter) in all(vm) {
        if waiter.wait == Wait::Broken {
            state.push_lit(c"BREAK");
        } else {
            vm.push_thread(state, waiter.coroutine);
            state.push_tostring(-1);
            state.remove(-2);
        }
        state.push_lit(c" session: ");
        state.push_int(session.into());
        state.concat(3);
        push_entry(vm, state, waiter);
        state.raw_set(1);
    }
}

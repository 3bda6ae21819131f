//! The native half of the module `welkin` (`lualib/welkin.lua`): calls with a deadline, and who waits
//! for whom. What concerns the node's end is in `hooks.rs`.

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_runtime::{Address, kind};

use super::call;
use super::skynet::Entry;
use crate::lua_fn;
use crate::state::State;
use crate::vm::VmPtr;
use crate::waits::Wait;

/// Of the program, as `welkin --version` says it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const FUNCTIONS: &[Entry] = &[
    (c"call_within", call::call_within),
    (c"open_calls", open_calls),
    (c"services", services),
];

/// Types that have a name without a class of the program.
const KINDS: &[(u8, &std::ffi::CStr)] = &[
    (kind::TEXT, c"text"),
    (kind::RESPONSE, c"response"),
    (kind::MULTICAST, c"multicast"),
    (kind::CLIENT, c"client"),
    (kind::SYSTEM, c"system"),
    (kind::HARBOR, c"harbor"),
    (kind::SOCKET, c"socket"),
    (kind::ERROR, c"error"),
    (kind::QUEUE, c"queue"),
    (kind::DEBUG, c"debug"),
    (kind::LUA, c"lua"),
    (kind::SNAX, c"snax"),
    (kind::TRACE, c"trace"),
];

lua_fn! {
    /// Opens `welkin.native`.
    fn open(call: &mut Call) -> LuaResult {
        super::push_functions(call.state, FUNCTIONS);
        for (name, function) in super::hooks::FUNCTIONS {
            call.state.push_fn(*function);
            call.state.raw_set_lit(-2, name);
        }
        call.state.push_bytes(VERSION.as_bytes());
        call.state.raw_set_lit(-2, c"version");
        Ok(1)
    }

    /// `native.open_calls() -> {{to=, proto=, session=, ms=, traceback=}, ...}`: the calls of this
    /// service that wait for an answer, by session.
    fn open_calls(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        let count = push_sessions(vm, state);
        for at in 1..=count {
            state.raw_get_i(1, at);
            let session = state.to_int(-1).unwrap_or(0) as i32;
            state.pop(1);
            // Making Lua values runs finalizers, which may end calls.
            let waiter = vm.waits.sessions.get(&session).copied();
            let Some((waiter, Wait::Call(to, kind))) = waiter.map(|w| (w, w.wait)) else {
                state.push_bool(false);
                state.raw_set_i(1, at);
                continue;
            };
            state.create_table(0, 5);
            state.push_int(to.0.into());
            state.raw_set_lit(-2, c"to");
            push_kind(vm, state, kind);
            state.raw_set_lit(-2, c"proto");
            state.push_int(session.into());
            state.raw_set_lit(-2, c"session");
            state.push_int(waiter.age_ms());
            state.raw_set_lit(-2, c"ms");
            let thread = vm.co(waiter.coroutine).state;
            state.push_traceback(thread, None, 0);
            state.raw_set_lit(-2, c"traceback");
            state.raw_set_i(1, at);
        }
        Ok(1)
    }

    /// `native.services() -> {address, ...}`: the Lua services of this node, ascending.
    fn services(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let room = vm.node.services().len() + 16;
        state.set_top(0);
        state.create_table(room as c_int, 0);
        let lua = |address: &Address| {
            let slot = vm.node.slot(*address);
            slot.is_some_and(|slot| slot.control().is_some_and(|c| !c.name().is_empty()))
        };
        // In the room made above, so that nothing is allocated while the list is held.
        let all = vm.node.services();
        for (at, address) in all.iter().copied().filter(lua).take(room).enumerate() {
            state.push_int(address.0.into());
            state.raw_set_i(1, at as i64 + 1);
        }
        Ok(1)
    }
}

/// Replaces the stack by a table of the sessions of open calls, ascending; their number.
fn push_sessions(vm: VmPtr, state: State) -> i64 {
    state.set_top(0);
    let open = |vm: VmPtr| {
        let sessions = vm.waits.sessions.iter();
        let calls = sessions.filter(|(_, w)| matches!(w.wait, Wait::Call(..)));
        calls.map(|(session, _)| *session).collect::<Vec<i32>>()
    };
    let room = open(vm).len() + 16;
    state.create_table(room as c_int, 0);
    let mut all = open(vm);
    all.sort_unstable();
    all.truncate(room);
    // In the room made above, so that nothing is allocated while the list is held.
    for (at, session) in all.iter().enumerate() {
        state.push_int((*session).into());
        state.raw_set_i(1, at as i64 + 1);
    }
    all.len() as i64
}

/// Pushes the name of a message type: the program's own, or skynet's; else nil.
pub fn push_kind(vm: VmPtr, state: State, kind: u8) {
    let base = state.top();
    state.push_ref(vm.refs.proto);
    if state.raw_get_i(-1, kind.into()) == ffi::LUA_TTABLE
        && state.raw_get_lit(-1, c"name") == ffi::LUA_TSTRING
    {
        state.insert(base + 1);
        state.set_top(base + 1);
        return;
    }
    state.set_top(base);
    match KINDS.iter().find(|(known, _)| *known == kind) {
        Some((_, name)) => state.push_lit(name),
        None => state.push_nil(),
    }
}

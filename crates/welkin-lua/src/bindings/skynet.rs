//! The `skynet` table: native functions put in as they are used, so that a service pays only for what
//! it names.
//!
//! `__index` finds a name in [`NATIVE`] and stores the function; the names of [`COLD`] load the cold
//! half, `lualib/skynet/cold.lua`. `pairs(skynet)` fills everything first. The protocol table holds the
//! class `lua` from the beginning, the others when somebody looks ([`fill_protocols`]).

use std::ffi::{CStr, c_int};

use mlua_sys as ffi;
use welkin_runtime::kind;

use super::{answer, call, info, lifecycle, schedule, send, seri, task};
use crate::lua_fn;
use crate::state::State;
use crate::vm::VmPtr;

/// A name and its function.
pub type Entry = (&'static CStr, ffi::lua_CFunction);

/// Sorted by name.
const NATIVE: &[Entry] = &[
    (c"address", info::address),
    (c"call", call::call),
    (c"context", answer::context),
    (c"dispatch", lifecycle::dispatch),
    (c"dispatch_message", lifecycle::dispatch_message),
    (
        c"dispatch_unknown_request",
        lifecycle::dispatch_unknown_request,
    ),
    (
        c"dispatch_unknown_response",
        lifecycle::dispatch_unknown_response,
    ),
    (c"endless", info::endless),
    (c"error", info::error),
    (c"exit", lifecycle::exit),
    (c"fork", schedule::fork),
    (c"genid", send::genid),
    (c"getenv", info::getenv),
    (c"harbor", info::harbor),
    (c"hpc", info::hpc),
    (c"ignoreret", answer::ignoreret),
    (c"killthread", schedule::killthread),
    (c"localname", info::localname),
    (c"memlimit", info::memlimit),
    (c"mqlen", info::mqlen),
    (c"now", info::now),
    (c"pack", seri::pack),
    (c"packstring", seri::packstring),
    (c"rawcall", call::rawcall),
    (c"rawsend", send::rawsend),
    (c"redirect", send::redirect),
    (c"register_protocol", lifecycle::register_protocol),
    (c"response", answer::response),
    (c"ret", answer::ret),
    (c"retpack", answer::retpack),
    (c"self", info::self_address),
    (c"send", send::send),
    (c"setenv", info::setenv),
    (c"sleep", schedule::sleep),
    (c"start", lifecycle::start),
    (c"starttime", info::starttime),
    (c"stat", info::stat),
    (c"task", task::task),
    (c"term", lifecycle::term),
    (c"time", info::time),
    (c"timeout", schedule::timeout),
    (c"tostring", seri::tostring),
    (c"trash", seri::trash),
    (c"unpack", seri::unpack),
    (c"wait", schedule::wait),
    (c"wakeup", schedule::wakeup),
    (c"yield", schedule::yield_now),
];

/// Names that the cold half brings; sorted.
const COLD: &[&[u8]] = &[
    b"info_func",
    b"init",
    b"init_service",
    b"newservice",
    b"queryservice",
    b"request",
    b"trace",
    b"trace_timeout",
    b"tracecall",
    b"tracelog",
    b"traceproto",
    b"tracetag",
    b"uniqtask",
    b"uniqueservice",
];

/// What only the cold half gets.
const PRIVATE: &[Entry] = &[
    (c"forget", task::forget),
    (c"fresh_tag", task::fresh_tag),
    (c"init_thread", task::init_thread),
    (c"sessions", task::sessions),
    (c"set_tag", task::set_tag),
    (c"tag", task::tag),
    (c"trace_proto", task::trace_proto),
    (c"wait_session", call::wait_session),
];

const TYPES: &[(&CStr, u8)] = &[
    (c"PTYPE_CLIENT", kind::CLIENT),
    (c"PTYPE_DEBUG", kind::DEBUG),
    (c"PTYPE_ERROR", kind::ERROR),
    (c"PTYPE_HARBOR", kind::HARBOR),
    (c"PTYPE_LUA", kind::LUA),
    (c"PTYPE_MULTICAST", kind::MULTICAST),
    (c"PTYPE_QUEUE", kind::QUEUE),
    (c"PTYPE_RESPONSE", kind::RESPONSE),
    (c"PTYPE_SNAX", kind::SNAX),
    (c"PTYPE_SOCKET", kind::SOCKET),
    (c"PTYPE_SYSTEM", kind::SYSTEM),
    (c"PTYPE_TEXT", kind::TEXT),
    (c"PTYPE_TRACE", kind::TRACE),
];

lua_fn! {
    /// Opens the module: pushes the table.
    fn open(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        if vm.refs.skynet == 0 {
            state.create_table(0, 8);
            state.create_table(0, 2);
            state.push_fn(index);
            state.raw_set_lit(-2, c"__index");
            state.set_metatable(-2);
            vm.refs.skynet = state.make_ref();
        }
        state.push_ref(vm.refs.skynet);
        Ok(1)
    }

    /// `__index` of the table.
    fn index(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let Some(name) = state.string(2) else { return Ok(0) };
        if let Ok(at) = NATIVE.binary_search_by(|(n, _)| n.to_bytes().cmp(name)) {
            if name == b"memlimit" && vm.memlimit_used {
                return Ok(0);
            }
            state.push_fn(NATIVE[at].1);
        } else if COLD.binary_search(&name).is_ok() {
            load_cold(vm, state);
            state.push_value(2);
            state.raw_get(1);
            return Ok(1);
        } else if !push_value(vm, state, name) {
            return Ok(0);
        }
        state.push_value(2);
        state.push_value(-2);
        state.raw_set(1);
        Ok(1)
    }

    /// `__pairs` of the table: everything is put in, then it is an ordinary table.
    fn fill(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        for (name, function) in NATIVE {
            state.raw_get_lit(1, name);
            if state.type_of(-1) == ffi::LUA_TNIL && !(vm.memlimit_used && *name == c"memlimit") {
                state.push_fn(*function);
                state.raw_set_lit(1, name);
            }
            state.pop(1);
        }
        for name in [c"cache", c"_proto", c"pcall"].iter().chain(TYPES.iter().map(|(name, _)| name)) {
            state.get_field(1, name);
            state.pop(1);
        }
        if !vm.cold {
            load_cold(vm, state);
        }
        Ok(0)
    }
}

/// Fields that are no native functions.
fn push_value(vm: VmPtr, state: State, name: &[u8]) -> bool {
    match name {
        b"_proto" => {
            fill_protocols(vm, state);
            state.push_ref(vm.refs.proto);
        }
        b"cache" => {
            state.push_fn(crate::library_setup::require);
            state.push_lit(c"skynet.codecache");
            state.call(1, 1);
        }
        b"pcall" => {
            state.get_global(c"pcall");
        }
        _ => match TYPES.iter().find(|(n, _)| n.to_bytes() == name) {
            Some((_, kind)) => state.push_int((*kind).into()),
            None => return false,
        },
    }
    true
}

/// Loads the cold half and puts its functions into the table, over nothing that is there already.
fn load_cold(mut vm: VmPtr, state: State) {
    vm.cold = true;
    let top = state.top();
    crate::library_setup::load_module(state, "skynet.cold");
    state.push_ref(vm.refs.skynet);
    state.create_table(0, PRIVATE.len() as c_int);
    for (name, function) in PRIVATE {
        state.push_fn(*function);
        state.raw_set_lit(-2, name);
    }
    // The chunk gives a function of (skynet, native).
    state.push_value(-3);
    state.call(0, 1);
    state.push_value(-3);
    state.push_value(-3);
    state.call(2, 1);
    let functions = state.top();
    state.push_ref(vm.refs.skynet);
    state.push_nil();
    while state.next(functions) != 0 {
        state.push_value(-2);
        state.raw_get(functions + 1);
        let vacant = state.type_of(-1) == ffi::LUA_TNIL;
        state.pop(1);
        if vacant {
            state.push_value(-2);
            state.insert(-2);
            state.raw_set(functions + 1);
        } else {
            state.pop(1);
        }
    }
    state.set_top(top);
}

/// Makes the protocol table with the class every service uses.
pub fn open_protocols(mut vm: VmPtr, state: State) {
    state.create_table(0, 2);
    push_class(
        state,
        c"lua",
        kind::LUA,
        Some(seri::pack),
        Some(seri::unpack),
    );
    state.push_value(-1);
    state.raw_set_i(-3, kind::LUA.into());
    state.raw_set_lit(-2, c"lua");
    vm.refs.proto = state.make_ref();
}

/// Adds the classes that are there for programs to see and edit: response, error, debug.
pub fn fill_protocols(mut vm: VmPtr, state: State) {
    if std::mem::replace(&mut vm.protocols_full, true) {
        return;
    }
    state.push_ref(vm.refs.proto);
    for (name, kind, pack, unpack) in [
        (c"response", kind::RESPONSE, None, None),
        (
            c"error",
            kind::ERROR,
            None,
            Some(pass as ffi::lua_CFunction),
        ),
        (
            c"debug",
            kind::DEBUG,
            Some(seri::pack as ffi::lua_CFunction),
            Some(seri::unpack as _),
        ),
    ] {
        push_class(state, name, kind, pack, unpack);
        if kind == kind::DEBUG {
            state.push_fn(lifecycle::debug_request);
            state.raw_set_lit(-2, c"dispatch");
        }
        if kind == kind::ERROR {
            state.push_fn(error_dispatch);
            state.raw_set_lit(-2, c"dispatch");
        }
        state.push_value(-1);
        state.raw_set_i(-3, kind.into());
        state.raw_set_lit(-2, name);
    }
    state.pop(1);
}

fn push_class(
    state: State,
    name: &'static CStr,
    kind: u8,
    pack: Option<ffi::lua_CFunction>,
    unpack: Option<ffi::lua_CFunction>,
) {
    state.create_table(0, 5);
    state.push_lit(name);
    state.raw_set_lit(-2, c"name");
    state.push_int(kind.into());
    state.raw_set_lit(-2, c"id");
    for (field, function) in [(c"pack", pack), (c"unpack", unpack)] {
        if let Some(function) = function {
            state.push_fn(function);
            state.raw_set_lit(-2, field);
        }
    }
}

lua_fn! {
    /// `unpack` of the protocol `error`: what it got.
    fn pass(call: &mut Call) -> LuaResult {
        Ok(call.state.top())
    }

    /// `dispatch` of the protocol `error`: `(session, source)`.
    fn error_dispatch(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let session = state.check_int(1) as i32;
        let source = welkin_runtime::Address(state.check_int(2) as u32);
        vm.error_arrived(session, source);
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_so_that_they_are_found() {
        assert!(NATIVE.is_sorted_by_key(|(name, _)| name.to_bytes()));
        assert!(COLD.is_sorted());
    }
}

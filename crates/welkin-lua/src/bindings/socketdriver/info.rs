//! `info` and `resolve`: the two functions that turn a list of the engine into a table.

use std::ffi::{CStr, c_int};

use mlua_sys as ffi;
use welkin_net::{SocketInfo, SocketKind};

use super::net;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::{State, lua_State};

lua_fn! {
    /// `info() -> {{id = , address = , type = , ...}, ...}`: a table for each socket in use.
    fn info(call: &mut Call) -> LuaResult {
        push_owned(call.state, net(call.state).info(), |state, rows| {
            state.create_table(length(rows.len()), 0);
            for (index, row) in (1..).zip(rows) {
                push_row(state, row);
                state.raw_set_i(-2, index);
            }
        })
    }

    /// `resolve(host) -> {address, ...}`: looks a name up, while the worker's other services go on.
    fn resolve(call: &mut Call) -> LuaResult {
        let host = call.state.check_text(1);
        let addresses = net(call.state)
            .resolve(&String::from_utf8_lossy(host))
            .map_err(LuaError::new)?;
        push_owned(call.state, addresses, |state, addresses| {
            state.create_table(length(addresses.len()), 0);
            for (index, address) in (1..).zip(addresses) {
                state.push_bytes(address.as_bytes());
                state.raw_set_i(-2, index);
            }
        })
    }
}

fn push_row(state: State, row: &SocketInfo) {
    let integer = |name, value| {
        state.push_int(value);
        state.raw_set_lit(-2, name);
    };
    let boolean = |name, value| {
        state.push_bool(value);
        state.raw_set_lit(-2, name);
    };
    let text = |name, value: &Option<String>| {
        if let Some(value) = value {
            state.push_bytes(value.as_bytes());
            state.raw_set_lit(-2, name);
        }
    };
    state.create_table(0, 11);
    integer(c"id", row.id.into());
    integer(c"address", row.owner.0.into());
    state.push_lit(type_name(row.kind));
    state.raw_set_lit(-2, c"type");
    integer(c"rtime", row.rtime);
    if row.kind == SocketKind::Listen {
        integer(c"accept", row.accept.cast_signed());
        text(c"sock", &row.sock);
        return;
    }
    integer(c"wtime", row.wtime);
    integer(c"read", row.read.cast_signed());
    integer(c"write", row.write.cast_signed());
    integer(c"wbuffer", row.wbuffer as i64);
    boolean(c"reading", row.reading);
    boolean(c"writing", row.writing);
    text(c"peer", &row.peer);
}

fn type_name(kind: SocketKind) -> &'static CStr {
    match kind {
        SocketKind::Listen => c"LISTEN",
        SocketKind::Tcp => c"TCP",
        SocketKind::Udp => c"UDP",
        SocketKind::Bind => c"BIND",
        SocketKind::Closing => c"CLOSING",
    }
}

fn length(items: usize) -> c_int {
    c_int::try_from(items).unwrap_or(c_int::MAX)
}

struct Job<T> {
    value: T,
    fill: fn(State, &T),
}

/// Pushes the one value that `fill` makes of `value`. The pushes run in a protected call, so that
/// `value` is freed also when Lua has no memory for them.
pub(in crate::bindings) fn push_owned<T>(state: State, value: T, fill: fn(State, &T)) -> LuaResult {
    let mut job = Job { value, fill };
    state.push_fn(run::<T>);
    state.push_light((&raw mut job).cast());
    let status = state.pcall(1, 1, 0);
    drop(job);
    if status == ffi::LUA_OK {
        Ok(1)
    } else {
        Err(LuaError::Raise)
    }
}

unsafe extern "C-unwind" fn run<T>(l: *mut lua_State) -> c_int {
    // SAFETY: called by `push_owned` through Lua, with the running thread and its job, which outlives
    // the protected call.
    unsafe {
        let state = State::new(l);
        let job = &*state.to_userdata(1).cast::<Job<T>>();
        (job.fill)(state, &job.value);
    }
    1
}

//! The Lua module `skynet.socketdriver`: commands to the socket engine and the reading of its events.
//!
//! No function waits for a peer: a command takes effect soon, in the caller's order, and what comes of
//! it is a message of kind SOCKET to the service that owns the socket. Only host names are looked up
//! on the spot where the answer is the function's result; the engine hands the worker's queue on for it.
//!
//! As everywhere at the border to Lua no owned value lives across a call that can raise: arguments are
//! read first, then the engine is called, then numbers and booleans are pushed.

mod address;
pub(super) mod arguments;
#[cfg(test)]
pub(super) mod bare;
mod event;
pub(super) mod info;
mod send;
#[cfg(test)]
mod tests;
mod udp;

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::Arc;

use mlua_sys as ffi;
use welkin_net::Net;
use welkin_runtime::{Address, Node};

use super::socket_buffer;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;
use crate::vm;
use address::Endpoint;
pub use event::unpack_to_stack;

/// Connections that wait in the system for `accept`, if the program does not say.
const BACKLOG: i64 = 32;

lua_fn! {
    /// Pushes the module's table.
    fn luaopen_socketdriver(call: &mut Call) -> LuaResult {
        call.state.create_table(0, FUNCTIONS.len() as c_int + 6);
        // SAFETY: the table is on the top, and the list ends with END.
        unsafe {
            ffi::luaL_setfuncs(call.L, FUNCTIONS.as_ptr(), 0);
            socket_buffer::add_functions(call.L);
        }
        Ok(1)
    }
}

/// One name of a module for `luaL_setfuncs`.
pub(super) const fn entry(name: &'static CStr, func: ffi::lua_CFunction) -> ffi::luaL_Reg {
    ffi::luaL_Reg {
        name: name.as_ptr(),
        func,
    }
}

/// The end of a list of names; its function is never looked at.
pub(super) const END: ffi::luaL_Reg = ffi::luaL_Reg {
    name: ptr::null(),
    func: luaopen_socketdriver,
};

const FUNCTIONS: &[ffi::luaL_Reg] = &[
    entry(c"connect", connect),
    entry(c"listen", listen),
    entry(c"start", start),
    entry(c"pause", pause),
    entry(c"close", close),
    entry(c"shutdown", shutdown),
    entry(c"bind", bind),
    entry(c"nodelay", nodelay),
    entry(c"send", send::send),
    entry(c"lsend", send::lsend),
    entry(c"udp", udp::udp),
    entry(c"udp_connect", udp::udp_connect),
    entry(c"udp_listen", udp::udp_listen),
    entry(c"udp_dial", udp::udp_dial),
    entry(c"udp_send", send::udp_send),
    entry(c"udp_address", udp::udp_address),
    entry(c"unpack", event::unpack),
    entry(c"header", event::header),
    entry(c"str2p", event::str2p),
    entry(c"drop", event::drop_block),
    entry(c"info", info::info),
    entry(c"resolve", info::resolve),
    END,
];

lua_fn! {
    /// `connect(host[, port]) -> id`: CONNECT or ERROR follows.
    fn connect(call: &mut Call) -> LuaResult {
        let state = call.state;
        let to = Endpoint::arguments(state, 1)?;
        if to.port == 0 {
            return Err(LuaError::new("Invalid port"));
        }
        let id = net(state).connect(node(state), owner(state), &to.host(), to.port);
        state.push_int(id.into());
        Ok(1)
    }

    /// `listen(host[, port[, backlog]]) -> id`: CONNECT follows, connections after `start`.
    fn listen(call: &mut Call) -> LuaResult {
        let state = call.state;
        let at = Endpoint::arguments(state, 1)?;
        let backlog = if state.type_of(3) > ffi::LUA_TNIL { state.check_int(3) } else { BACKLOG };
        let backlog = backlog.clamp(0, c_int::MAX.into()) as c_int;
        let id = net(state)
            .listen(node(state), owner(state), &at.host(), at.port, backlog)
            .map_err(|_| LuaError::new("Listen error"))?;
        state.push_int(id.into());
        Ok(1)
    }

    /// `start(id)`: accept, or become the owner and read. CONNECT or ERROR follows.
    fn start(call: &mut Call) -> LuaResult {
        let id = arguments::id(call.state, 1);
        net(call.state).start(node(call.state), owner(call.state), id);
        Ok(0)
    }

    /// `pause(id)`: stop reading.
    fn pause(call: &mut Call) -> LuaResult {
        let id = arguments::id(call.state, 1);
        net(call.state).pause(node(call.state), owner(call.state), id);
        Ok(0)
    }

    /// `close(id)`: send what is queued, then close.
    fn close(call: &mut Call) -> LuaResult {
        let id = arguments::id(call.state, 1);
        net(call.state).close(node(call.state), owner(call.state), id);
        Ok(0)
    }

    /// `shutdown(id)`: close now.
    fn shutdown(call: &mut Call) -> LuaResult {
        let id = arguments::id(call.state, 1);
        net(call.state).shutdown(node(call.state), owner(call.state), id);
        Ok(0)
    }

    /// `bind(descriptor) -> id`: read and write a descriptor of the process, 0 being the standard input.
    fn bind(call: &mut Call) -> LuaResult {
        let descriptor = arguments::id(call.state, 1);
        let id = net(call.state).bind(node(call.state), owner(call.state), descriptor);
        call.state.push_int(id.into());
        Ok(1)
    }

    /// `nodelay(id)`: send small writes at once.
    fn nodelay(call: &mut Call) -> LuaResult {
        net(call.state).nodelay(arguments::id(call.state, 1));
        Ok(0)
    }
}

/// The node of the calling service. The reference is used for one call of the engine.
fn node<'a>(state: State) -> &'a Arc<Node> {
    // SAFETY: the VM outlives its running function, and its node is never replaced.
    unsafe { &*ptr::from_ref(vm::vm(state).node()) }
}

/// The calling service, to which events go.
fn owner(state: State) -> Address {
    vm::vm(state).address()
}

/// The socket engine. The reference is used for one call of it.
fn net<'a>(state: State) -> &'a Arc<Net> {
    // SAFETY: as `node`.
    unsafe { &*ptr::from_ref(vm::vm(state).net()) }
}

//! `send`, `lsend` and `udp_send`: the bytes to be sent, in each form that programs give them, handed
//! to the engine.
//!
//! The bytes of strings stay Lua's: the engine copies what it cannot write at once. A pointer with a
//! size is a block whose owner changes with the call; it has changed when all arguments are known to
//! be good, and from there to the engine nothing can raise.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use mlua_sys as ffi;
use welkin_net::Priority;
use welkin_runtime::Payload;

use super::arguments::{self, refuse};
use super::{net, node};
use crate::bindings::pointer;
use crate::lua_fn;
use crate::state::State;

/// What a program gives to be sent.
pub(super) enum Data<'a> {
    /// Bytes of a value on the Lua stack.
    Lent(&'a [u8]),
    /// A block that is ours now.
    Given(Payload),
}

impl From<Data<'_>> for Payload {
    fn from(data: Data<'_>) -> Self {
        match data {
            Data::Lent(bytes) => Payload::copy_from(bytes),
            Data::Given(payload) => payload,
        }
    }
}

lua_fn! {
    /// `send(id, data[, size]) -> boolean`: false when `id` cannot be written to. True means queued.
    fn send(call: &mut Call) -> LuaResult {
        Ok(send_with(call.state, Priority::High))
    }

    /// `lsend(id, data[, size]) -> boolean`: as `send`; goes out when nothing else waits.
    fn lsend(call: &mut Call) -> LuaResult {
        Ok(send_with(call.state, Priority::Low))
    }

    /// `udp_send(id, address, data[, size]) -> boolean`: one datagram to an address of a UDP event.
    fn udp_send(call: &mut Call) -> LuaResult {
        let state = call.state;
        let id = arguments::id(state, 1);
        let address = state.check_text(2);
        let data = data_argument(state, 3);
        let sent = net(state).udp_send(node(state), id, address, data.into());
        state.push_bool(sent);
        Ok(1)
    }
}

fn send_with(state: State, priority: Priority) -> c_int {
    let id = arguments::id(state, 1);
    let sent = match data_argument(state, 2) {
        Data::Lent(bytes) => net(state).send_bytes(node(state), id, bytes, priority),
        Data::Given(payload) => net(state).send(node(state), id, payload, priority),
    };
    state.push_bool(sent);
    1
}

/// The data at `arg`, with its size behind it for the forms that have one. Raises what does not fit.
pub(super) fn data_argument<'a>(state: State, arg: c_int) -> Data<'a> {
    match state.type_of(arg) {
        ffi::LUA_TTABLE => {
            push_joined(state, arg);
            Data::Lent(state.text(-1).unwrap_or_default())
        }
        ffi::LUA_TLIGHTUSERDATA => {
            let size = block_size(state, arg);
            if let Err(why) = pointer::refuse_given(state, state.to_userdata(arg), size) {
                refuse(state, arg, why);
            }
            // SAFETY: the caller gives the block away with this call; that it came from `malloc` and
            // has `size` bytes is its word, as in skynet.
            Data::Given(unsafe { Payload::from_raw(state.to_userdata(arg), size) })
        }
        ffi::LUA_TUSERDATA => {
            let size = userdata_size(state, arg);
            // SAFETY: the userdata has at least `size` bytes and is an argument of this call. A native
            // module's userdata may have bytes that nobody wrote; sending them is the program's wish.
            Data::Lent(unsafe { std::slice::from_raw_parts(state.to_userdata(arg).cast(), size) })
        }
        _ => Data::Lent(state.check_text(arg)),
    }
}

/// Pushes the strings and numbers of the table at `arg` up to its first nil, as one string. The joined
/// bytes are Lua's memory all the time, as the table's metamethods may raise.
fn push_joined(state: State, arg: c_int) {
    let l = state.ptr();
    let mut text = MaybeUninit::<ffi::luaL_Buffer>::uninit();
    // SAFETY: the buffer stays at its place until `luaL_pushresult`; at `luaL_addvalue` the stack is as
    // after `luaL_buffinit` plus the value, as it asks for.
    unsafe {
        ffi::luaL_buffinit(l, text.as_mut_ptr());
        for index in 1.. {
            match ffi::lua_geti(l, arg, index) {
                ffi::LUA_TNIL => break,
                ffi::LUA_TSTRING | ffi::LUA_TNUMBER => ffi::luaL_addvalue(text.as_mut_ptr()),
                other => {
                    let name = ffi::lua_typename(l, other);
                    ffi::lua_pushfstring(l, c"string expected, got %s".as_ptr(), name);
                    ffi::luaL_argerror(l, arg, ffi::lua_tostring(l, -1));
                }
            }
        }
        ffi::lua_pop(l, 1);
        ffi::luaL_pushresult(text.as_mut_ptr());
    }
}

/// The size behind the pointer at `arg`. Without one skynet takes the pointer for an object of a
/// native module that knows how to read and free itself; there are none here.
fn block_size(state: State, arg: c_int) -> usize {
    // SAFETY: reads a value of the stack.
    let is_integer = unsafe { ffi::lua_isinteger(state.ptr(), arg + 1) } != 0;
    match state.to_int(arg + 1).map(usize::try_from) {
        Some(Ok(size)) if is_integer => size,
        _ => refuse(
            state,
            arg + 1,
            c"a pointer needs an integer size of 0 or more",
        ),
    }
}

/// The size behind the userdata at `arg`: optional, and no more than it has.
fn userdata_size(state: State, arg: c_int) -> usize {
    let whole = state.raw_len(arg);
    if state.type_of(arg + 1) <= ffi::LUA_TNIL {
        return whole;
    }
    match usize::try_from(state.check_int(arg + 1)) {
        Ok(size) if size <= whole => size,
        _ => refuse(state, arg + 1, c"out of the userdata's bounds"),
    }
}

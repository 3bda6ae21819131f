//! The methods of the module `sproto`'s objects that are called for every message.
//!
//! In Lua they would be one line each: the type of this name, as the object remembers it, and then a
//! function of `sproto.core`. For a small message that line took as long as the encoding itself, so the
//! look-up happens here. A type that is asked for the first time is left to the Lua function that finds
//! and remembers it.

use std::ffi::c_void;

use super::super::skynet::Entry;
use super::buffer::Buffer;
use super::{
    BUFFER, KEPT_BYTES_MAX, KNOWN, bytes_argument, decoded, encoded, unpack_into, with_packer,
};
use crate::lua_fn;
use crate::state::State;

/// Upvalues behind those that all functions of the module have: the Lua function that finds a type, and
/// the name of the field in which objects remember types.
const FIND: i32 = 3;
const TYPES: i32 = 4;

const METHODS: [Entry; 4] = [
    (c"encode", encode),
    (c"decode", decode),
    (c"pencode", pencode),
    (c"pdecode", pdecode),
];

lua_fn! {
    /// `methods(find, field) -> encode, decode, pencode, pdecode`. An object's table `field` has types by
    /// name; `find(object, name)` gives one that is not there yet, and puts it there.
    fn methods(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.set_top(2);
        state.check_type(1, mlua_sys::LUA_TFUNCTION);
        state.check_type(2, mlua_sys::LUA_TSTRING);
        for (_, function) in METHODS {
            state.push_value(state.upvalue(KNOWN));
            state.push_value(state.upvalue(BUFFER));
            state.push_value(1);
            state.push_value(2);
            state.push_closure(function, TYPES);
        }
        Ok(METHODS.len() as i32)
    }

    /// `object:encode(name, value) -> text`
    fn encode(call: &mut Call) -> LuaResult {
        let state = call.state;
        let found = own_type(state);
        state.set_top(3);
        encoded(state, found)?.push_bytes(state, KEPT_BYTES_MAX);
        Ok(1)
    }

    /// `object:decode(name, text or pointer, size[, result]) -> table, integer`
    fn decode(call: &mut Call) -> LuaResult {
        let state = call.state;
        let found = own_type(state);
        decoded(state, found, bytes_argument(state, 3)?)
    }

    /// `object:pencode(name, value) -> text`: encoded and packed.
    fn pencode(call: &mut Call) -> LuaResult {
        let state = call.state;
        let found = own_type(state);
        state.set_top(3);
        let buffer = encoded(state, found)?;
        // SAFETY: the buffer is on the stack and in use; packing calls no Lua.
        let result = with_packer(state, |packer| Ok(packer.pack(unsafe { &*buffer.bytes() })));
        buffer.give_back(KEPT_BYTES_MAX);
        result
    }

    /// `object:pdecode(name, text or pointer, size) -> table, integer`: unpacked and decoded.
    fn pdecode(call: &mut Call) -> LuaResult {
        let state = call.state;
        let found = own_type(state);
        let packed = bytes_argument(state, 3)?;
        let buffer = Buffer::take(state, BUFFER);
        if let Err(error) = unpack_into(packed, buffer.bytes()) {
            buffer.give_back(KEPT_BYTES_MAX);
            return Err(error);
        }
        // SAFETY: the buffer is on the stack and in use until it is given back, so its bytes stay.
        let result = decoded(state, found, unsafe { &*buffer.bytes() });
        buffer.give_back(KEPT_BYTES_MAX);
        result
    }
}

/// The type that the object and the name are, which are the first two arguments.
#[inline]
fn own_type(state: State) -> *mut c_void {
    // SAFETY: all methods have the field's name as this upvalue.
    let found = unsafe { state.remembered(TYPES) };
    match found.is_null() {
        true => find_type(state),
        false => found,
    }
}

/// Calls the Lua function, which may raise.
#[cold]
fn find_type(state: State) -> *mut c_void {
    if state.top() < 2 {
        state.set_top(2);
    }
    state.push_value(state.upvalue(FIND));
    state.push_value(1);
    state.push_value(2);
    state.call(2, 1);
    let found = state.to_userdata(-1);
    state.pop(1);
    found
}

//! Arguments that several functions of the module read, each refused with a text that says why.
//!
//! All of this raises by itself, so callers own nothing yet when they read their arguments.

use std::ffi::{CStr, c_int, c_void};

use mlua_sys as ffi;

use crate::bindings::pointer;
use crate::state::State;

/// A socket id or descriptor. What does not fit becomes -1, which is never one: cut to its low bits
/// the number could be a stranger's socket.
pub(super) fn id(state: State, arg: c_int) -> i32 {
    i32::try_from(state.check_int(arg)).unwrap_or(-1)
}

/// A block to be read, as a pointer at `arg` and a size behind it.
pub(in crate::bindings) fn block(state: State, arg: c_int) -> (*mut c_void, usize) {
    let (pointer, size) = pair(state, arg);
    if !pointer::is_readable(state, pointer, size) {
        refuse(state, arg, c"no bytes can be there");
    }
    (pointer, size)
}

/// A block that the program gives away. Its owner does not change yet.
pub(in crate::bindings) fn given_block(state: State, arg: c_int) -> (*mut c_void, usize) {
    let (pointer, size) = pair(state, arg);
    if let Err(why) = pointer::refuse_given(state, pointer, size) {
        refuse(state, arg, why);
    }
    (pointer, size)
}

fn pair(state: State, arg: c_int) -> (*mut c_void, usize) {
    if state.type_of(arg) != ffi::LUA_TLIGHTUSERDATA {
        refuse(state, arg, c"pointer expected");
    }
    (state.to_userdata(arg), size(state, arg + 1))
}

/// A number of bytes, 0 or more; less would corrupt memory in skynet.
pub(in crate::bindings) fn size(state: State, arg: c_int) -> usize {
    match usize::try_from(state.check_int(arg)) {
        Ok(size) => size,
        Err(_) => refuse(state, arg, c"negative size"),
    }
}

/// Raises `bad argument #<arg> to '<function>' (<why>)`.
pub(super) fn refuse(state: State, arg: c_int, why: &CStr) -> ! {
    // SAFETY: reading an argument; the caller owns nothing (see the top of the file).
    unsafe { ffi::luaL_argerror(state.ptr(), arg, why.as_ptr()) };
    unreachable!("luaL_argerror does not return")
}

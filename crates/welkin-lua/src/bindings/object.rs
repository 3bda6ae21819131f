//! Rust values that Lua holds: a full userdata whose finalizer drops the value.
//!
//! The functions of a module that has such objects carry the metatable as their first upvalue and know
//! their own object by it, without a look-up by name. Programs cannot get at the metatable.

use std::ffi::{CStr, c_int};

use mlua_sys as ffi;

use super::skynet::Entry;
use crate::border::{LuaError, enter};
use crate::state::{State, lua_State};

/// Pushes a table of `functions`, for which objects of type `T` are made by [`push`].
///
/// A default `T` owns no memory, and is what an object is once it was collected.
pub fn push_module<T: Default>(state: State, functions: &[Entry]) {
    push_module_with::<T>(state, functions, &[]);
}

/// The same, of objects that have `events` too, such as `__call`.
pub fn push_module_with<T: Default>(state: State, functions: &[Entry], events: &[Entry]) {
    state.create_table(0, functions.len() as c_int);
    state.create_table(0, 2 + events.len() as c_int);
    state.push_value(-1);
    state.push_closure(collect::<T>, 1);
    state.raw_set_lit(-2, c"__gc");
    state.push_bool(false);
    state.raw_set_lit(-2, c"__metatable");
    for (name, event) in events {
        state.push_value(-1);
        state.push_closure(*event, 1);
        state.raw_set_lit(-2, name);
    }
    for (name, function) in functions {
        state.push_value(-1);
        state.push_closure(*function, 1);
        state.raw_set_lit(-3, name);
    }
    state.pop(1);
}

/// Pushes a new object, with room for so many Lua values beside it.
pub fn push<T: Default>(state: State, values: c_int) {
    // SAFETY: a live thread; Lua aligns the block for any type of ours. A default `T` owns no memory, so
    // nothing is lost if setting the metatable raises, which makes the block an object.
    unsafe {
        let place = ffi::lua_newuserdatauv(state.ptr(), size_of::<T>(), values);
        place.cast::<T>().write(T::default());
    }
    state.push_value(ffi::lua_upvalueindex(1));
    state.set_metatable(-2);
}

/// The object at `index`. A pointer and no reference: whatever calls Lua may come back to the same object.
pub fn this<T>(state: State, index: c_int) -> Option<*mut T> {
    if state.type_of(index) != ffi::LUA_TUSERDATA || state.get_metatable(index) == 0 {
        return None;
    }
    let ours = state.raw_equal(-1, ffi::lua_upvalueindex(1)) != 0;
    state.pop(1);
    ours.then(|| state.to_userdata(index).cast())
}

/// The same; anything else is an error of this argument.
pub fn check<T>(state: State, index: c_int, expected: &'static CStr) -> Result<*mut T, LuaError> {
    this(state, index).ok_or(LuaError::Argument(index, expected))
}

/// `__gc`
unsafe extern "C-unwind" fn collect<T: Default>(l: *mut lua_State) -> c_int {
    // SAFETY: this is the whole of a C function, called by Lua.
    unsafe {
        enter(l, |call| {
            if let Some(object) = this::<T>(call.state, 1) {
                // SAFETY: an object of this metatable was filled by `push`, and nobody is in it: the
                // collector runs, and it is the only one that has this function.
                drop(std::mem::take(&mut *object));
            }
            Ok(0)
        })
    }
}

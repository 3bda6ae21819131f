//! The metatable of strings until the library `string` is open: methods and arithmetic.
//!
//! Lua's own metatable has `__index`, the library, and eight functions that make `"10" + 1` a number.
//! Here each is a stub that opens the library, which puts its own metatable in place, and then does
//! what that one would have done.

use std::ffi::{CStr, c_int};

use welkin_lua_vm::{ffi, welkin_setlazy};

use super::{STRING, open, put};

/// Gives strings the metatable of stubs.
pub unsafe fn prepare(l: *mut ffi::lua_State) {
    // SAFETY: as `open_lazy`, which calls this.
    unsafe {
        ffi::lua_pushstring(l, c"".as_ptr());
        ffi::lua_createtable(l, 0, 2 + ARITHMETIC.len() as c_int);
        put(l, c"__index", index);
        put(l, c"__fill", fill);
        for (name, stub) in ARITHMETIC {
            put(l, name, stub);
        }
        welkin_setlazy(l, -1, 1);
        ffi::lua_setmetatable(l, -2);
        ffi::lua_pop(l, 1);
    }
}

/// Called before the library is opened: its change of the metatable is not one that must fill it.
pub unsafe fn retire(l: *mut ffi::lua_State) {
    // SAFETY: indices follow the pushes; the stubs are there as long as the library is not open.
    unsafe {
        ffi::lua_pushstring(l, c"".as_ptr());
        if ffi::lua_getmetatable(l, -1) != 0 {
            welkin_setlazy(l, -1, 0);
            ffi::lua_pop(l, 1);
        }
        ffi::lua_pop(l, 1);
    }
}

/// `__index`: (string, key).
unsafe extern "C-unwind" fn index(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        open(l, STRING);
        ffi::lua_insert(l, 2);
        ffi::lua_settop(l, 3);
        ffi::lua_gettable(l, 2);
        1
    }
}

/// `__fill`: somebody asks for the metatable, or changes it.
unsafe extern "C-unwind" fn fill(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe { open(l, STRING) };
    0
}

/// Opens the library and runs its metamethod `name` in this call's frame, so that its errors have the
/// position they would have.
unsafe fn forward(l: *mut ffi::lua_State, name: &CStr) -> c_int {
    // SAFETY: called by Lua with the operands; no value here has a destructor.
    unsafe {
        open(l, STRING);
        ffi::lua_settop(l, 2);
        ffi::lua_pushstring(l, c"".as_ptr());
        ffi::luaL_getmetafield(l, -1, name.as_ptr());
        let function = ffi::lua_tocfunction(l, -1);
        ffi::lua_settop(l, 2);
        match function {
            Some(function) => function(l),
            None => ffi::luaL_error(l, c"no metamethod '%s' of strings".as_ptr(), name.as_ptr()),
        }
    }
}

macro_rules! stubs {
    ($($function:ident $name:literal)*) => {
        $(unsafe extern "C-unwind" fn $function(l: *mut ffi::lua_State) -> c_int {
            // SAFETY: this is the whole of a metamethod, called by Lua.
            unsafe { forward(l, $name) }
        })*
        const ARITHMETIC: [(&CStr, ffi::lua_CFunction); 8] = [$(($name, $function)),*];
    };
}

stubs! {
    add c"__add"
    sub c"__sub"
    mul c"__mul"
    modulo c"__mod"
    pow c"__pow"
    div c"__div"
    idiv c"__idiv"
    unm c"__unm"
}

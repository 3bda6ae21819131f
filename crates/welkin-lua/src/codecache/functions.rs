//! What programs see of the code cache: `loadfile`, `dofile`, the searcher behind `require` and the
//! module `skynet.codecache`.
//!
//! They follow the standard functions step by step; only the load itself is the cache's. Nothing with
//! a destructor is alive in any of them when Lua is called.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::atomic::Ordering;

use welkin_lua_vm::ffi;

use super::{CLEARED, FILES, Mode, hold, load};

/// What stands for Lua's global function `name`.
pub fn global(name: &CStr) -> Option<ffi::lua_CFunction> {
    match name.to_bytes() {
        b"loadfile" => Some(loadfile),
        b"dofile" => Some(dofile),
        _ => None,
    }
}

/// Replaces the second searcher of the table `package`, which is on top of the stack.
///
/// # Safety
/// `l` is a thread of a VM; memory errors are raised; the table is as `luaopen_package` made it.
pub unsafe fn install_searcher(l: *mut ffi::lua_State) {
    // SAFETY: by the function's own contract.
    unsafe {
        ffi::lua_getfield(l, -1, c"searchers".as_ptr());
        ffi::lua_pushvalue(l, -2);
        // Lua's own function, whatever the program puts there later, as the standard searcher does.
        ffi::lua_getfield(l, -3, c"searchpath".as_ptr());
        ffi::lua_pushcclosure(l, searcher, 2);
        ffi::lua_rawseti(l, -2, 2);
        ffi::lua_pop(l, 1);
    }
}

/// `loadfile([name [, mode [, env]]])`.
unsafe extern "C-unwind" fn loadfile(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        let name = ffi::luaL_optstring(l, 1, ptr::null());
        let mode = ffi::luaL_optstring(l, 2, ptr::null());
        if !mode.is_null() && CStr::from_ptr(mode).to_bytes().contains(&b'B') {
            return ffi::luaL_argerror(l, 2, c"invalid mode".as_ptr());
        }
        let has_env = ffi::lua_type(l, 3) != ffi::LUA_TNONE;
        if load(l, name, mode) != ffi::LUA_OK {
            ffi::lua_pushnil(l);
            ffi::lua_insert(l, -2);
            return 2;
        }
        if has_env {
            ffi::lua_pushvalue(l, 3);
            if ffi::lua_setupvalue(l, -2, 1).is_null() {
                ffi::lua_pop(l, 1);
            }
        }
        1
    }
}

/// `dofile([name])`.
unsafe extern "C-unwind" fn dofile(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        let name = ffi::luaL_optstring(l, 1, ptr::null());
        ffi::lua_settop(l, 1);
        if load(l, name, c"bt".as_ptr()) != ffi::LUA_OK {
            ffi::lua_error(l)
        }
        ffi::lua_callk(l, 0, ffi::LUA_MULTRET, 0, Some(dofile_results));
        ffi::lua_gettop(l) - 1
    }
}

unsafe extern "C-unwind" fn dofile_results(
    l: *mut ffi::lua_State,
    _: c_int,
    _: ffi::lua_KContext,
) -> c_int {
    // SAFETY: called by Lua when the file, which yielded, has ended.
    unsafe { ffi::lua_gettop(l) - 1 }
}

/// The searcher for Lua files. Upvalues: `package`, the standard `package.searchpath`.
unsafe extern "C-unwind" fn searcher(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor; the texts are kept by the stack.
    unsafe {
        let name = ffi::luaL_checkstring(l, 1);
        ffi::lua_getfield(l, ffi::lua_upvalueindex(1), c"path".as_ptr());
        let path = ffi::lua_tostring(l, -1);
        if path.is_null() {
            return ffi::luaL_error(l, c"'package.path' must be a string".as_ptr());
        }
        ffi::lua_pushvalue(l, ffi::lua_upvalueindex(2));
        ffi::lua_pushstring(l, name);
        ffi::lua_pushstring(l, path);
        ffi::lua_call(l, 2, 2);
        let file = ffi::lua_tostring(l, -2);
        if file.is_null() {
            return 1;
        }
        if load(l, file, c"bt".as_ptr()) != ffi::LUA_OK {
            let format = c"error loading module '%s' from file '%s':\n\t%s";
            return ffi::luaL_error(l, format.as_ptr(), name, file, ffi::lua_tostring(l, -1));
        }
        ffi::lua_pushstring(l, file);
        2
    }
}

/// `clear()`: files are read again by who loads them from now on.
unsafe extern "C-unwind" fn clear(_: *mut ffi::lua_State) -> c_int {
    // The buffers are freed outside of the lock.
    let old = std::mem::take(&mut *FILES.write());
    CLEARED.fetch_add(1, Ordering::AcqRel);
    drop(old);
    0
}

/// `mode()` gives the service's mode, `mode(m)` sets it.
unsafe extern "C-unwind" fn mode(l: *mut ffi::lua_State) -> c_int {
    const NAMES: [&CStr; 3] = [c"OFF", c"EXIST", c"ON"];
    // SAFETY: called by Lua; no value here has a destructor; the list ends with a null pointer.
    unsafe {
        let hold = hold(l);
        if ffi::lua_isnoneornil(l, 1) != 0 {
            ffi::lua_pushstring(l, NAMES[(*hold).mode as usize].as_ptr());
            return 1;
        }
        let list = [
            NAMES[0].as_ptr(),
            NAMES[1].as_ptr(),
            NAMES[2].as_ptr(),
            ptr::null(),
        ];
        (*hold).mode = match ffi::luaL_checkoption(l, 1, ptr::null(), list.as_ptr()) {
            0 => Mode::Off,
            1 => Mode::Exist,
            _ => Mode::On,
        };
        0
    }
}

/// The module `skynet.codecache`.
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn luaopen_codecache(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        ffi::lua_createtable(l, 0, 3);
        let functions: [(&CStr, ffi::lua_CFunction); 3] =
            [(c"clear", clear), (c"mode", mode), (c"loadfile", loadfile)];
        for (name, function) in functions {
            ffi::lua_pushcfunction(l, function);
            ffi::lua_setfield(l, -2, name.as_ptr());
        }
        1
    }
}

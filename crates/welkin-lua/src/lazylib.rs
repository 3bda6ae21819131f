//! Lua's standard libraries, opened when they are first used.
//!
//! Most services use two or three libraries, and all ten cost more memory than the rest of an idle VM.
//! So none is opened at once. `_G` and `package.loaded` share a metatable whose `__index` opens the
//! library that is asked for, and puts the functions of the base library in one by one; strings have a metatable of stubs that open the
//! library `string`. A program cannot tell: whatever looks past `__index` (`next`, `pairs`, `rawget`,
//! `getmetatable`, `setmetatable`, also from C) has the rest opened first and the metatables taken
//! away, by the edit of Lua that `welkin_setlazy` belongs to. One way remains, C code that calls
//! `lua_rawget` or `lua_getmetatable` on `_G`: it sees what has been opened.
//!
//! The table `package` leads to all the others, so a program that asks for it gets everything opened;
//! `require` does not, and native code of ours uses [`push_package`].
//!
//! A global that the program has assigned, even nil, is settled: it is never filled in again.

use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

use welkin_lua_vm::{ffi, welkin_setlazy};

use crate::codecache;

/// A function that takes the place of a standard one: library (`_G` for the base library), name, function.
pub type Override = (&'static CStr, &'static CStr, ffi::lua_CFunction);

/// What all VMs of the process change about the standard libraries.
#[derive(Debug)]
pub struct Setup {
    /// Functions put into a library when it is opened; not `require`, which is set as a global.
    pub overrides: &'static [Override],
    /// Called when `package` has been opened, with the table on top, which it leaves there: the place to
    /// set paths and to add searchers. Our searcher for Lua files is the second. After an error of memory
    /// it is called again.
    pub package_opened: unsafe fn(*mut ffi::lua_State),
}

/// The setup of the process: the first VM's.
static SETUP: OnceLock<&'static Setup> = OnceLock::new();

/// Its address is the key of the standard `require` in the registry; false until `package` is open.
static REQUIRE_KEY: u8 = 0;

/// Libraries in the order in which Lua opens them. The index is the bit in the settled mask.
const LIBRARIES: [(&CStr, ffi::lua_CFunction); 9] = [
    (c"package", ffi::luaopen_package),
    (c"coroutine", ffi::luaopen_coroutine),
    (c"debug", ffi::luaopen_debug),
    (c"io", ffi::luaopen_io),
    (c"math", ffi::luaopen_math),
    (c"os", ffi::luaopen_os),
    (c"string", ffi::luaopen_string),
    (c"table", ffi::luaopen_table),
    (c"utf8", ffi::luaopen_utf8),
];
const PACKAGE: usize = 0;
const DEBUG: usize = 2;
const STRING: usize = 6;
/// The global function that the library `package` brings along.
const REQUIRE: usize = LIBRARIES.len();
/// The first function of the base library, see [`base::NAMES`].
const BASE: usize = REQUIRE + 1;

/// Fields of the shared metatable, with room made at once: which globals are settled; `package` when it
/// is open but no program has seen it; whether that is complete.
const SETTLED: i64 = 1;
const HIDDEN_PACKAGE: i64 = 2;
const PACKAGE_READY: i64 = 3;

/// Prepares all libraries, with `loadfile` and `dofile` of the code cache. `setup` must be the same in
/// all VMs of the process.
///
/// # Safety
/// `l` is the main thread of a fresh VM with nothing opened; memory errors are raised.
pub unsafe fn open_lazy(l: *mut ffi::lua_State, setup: &'static Setup) {
    SETUP.get_or_init(|| setup);
    // SAFETY: by the function's own contract; the indices follow the pushes.
    unsafe {
        // Environment variables are not the service's configuration.
        ffi::lua_pushboolean(l, 1);
        ffi::lua_setfield(l, ffi::LUA_REGISTRYINDEX, c"LUA_NOENV".as_ptr());
        ffi::lua_pushboolean(l, 0);
        ffi::lua_rawsetp(l, ffi::LUA_REGISTRYINDEX, (&raw const REQUIRE_KEY).cast());
        ffi::lua_pushglobaltable(l);
        ffi::lua_pushvalue(l, -1);
        ffi::lua_setfield(l, -2, c"_G".as_ptr());
        ffi::lua_pushstring(l, c"Lua 5.5".as_ptr());
        ffi::lua_setfield(l, -2, c"_VERSION".as_ptr());
        ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
        ffi::lua_pushvalue(l, -2);
        ffi::lua_setfield(l, -2, c"_G".as_ptr());
        ffi::lua_createtable(l, 3, 3);
        put(l, c"__index", index);
        put(l, c"__newindex", new_index);
        put(l, c"__fill", fill);
        ffi::lua_pushinteger(l, 0);
        ffi::lua_rawseti(l, -2, SETTLED);
        // Now: _G, loaded, metatable.
        ffi::lua_pushvalue(l, -1);
        ffi::lua_setmetatable(l, -4);
        ffi::lua_pushvalue(l, -1);
        ffi::lua_setmetatable(l, -3);
        welkin_setlazy(l, -1, 1);
        ffi::lua_pop(l, 3);
        strings::prepare(l);
    }
}

/// Pushes Lua's own `require`, whatever the global is.
///
/// # Safety
/// As [`push_package`].
pub unsafe fn push_require(l: *mut ffi::lua_State) {
    let key = (&raw const REQUIRE_KEY).cast();
    // SAFETY: by the function's own contract.
    unsafe {
        if ffi::lua_rawgetp(l, ffi::LUA_REGISTRYINDEX, key) != ffi::LUA_TFUNCTION {
            ffi::lua_pop(l, 1);
            open(l, PACKAGE);
            ffi::lua_pop(l, 1);
            ffi::lua_rawgetp(l, ffi::LUA_REGISTRYINDEX, key);
        }
    }
}

/// Pushes the table `package` (opening it if need be), without opening everything as a program's
/// access does.
///
/// # Safety
/// `l` is a thread of a VM that [`open_lazy`] has prepared; memory errors are raised.
pub unsafe fn push_package(l: *mut ffi::lua_State) {
    // SAFETY: by the function's own contract.
    unsafe {
        if push_lazy(l) {
            ffi::lua_pop(l, 1);
            open(l, PACKAGE);
        } else {
            push_loaded(l);
            ffi::lua_getfield(l, -1, c"package".as_ptr());
            ffi::lua_remove(l, -2);
        }
    }
}

/// `t[name] = function` for the table on top.
unsafe fn put(l: *mut ffi::lua_State, name: &CStr, function: ffi::lua_CFunction) {
    // SAFETY: as the callers': the table is on top, memory errors are raised.
    unsafe {
        ffi::lua_pushstring(l, name.as_ptr());
        ffi::lua_pushcfunction(l, function);
        ffi::lua_rawset(l, -3);
    }
}

/// Puts what replaces functions of `library` into its table, which is on top.
unsafe fn put_overrides(l: *mut ffi::lua_State, library: &CStr) {
    for (of, name, function) in SETUP.get().map_or(&[][..], |setup| setup.overrides) {
        if *of == library {
            // SAFETY: as `put`.
            unsafe { put(l, name, *function) };
        }
    }
}

/// Pushes `package.loaded`.
unsafe fn push_loaded(l: *mut ffi::lua_State) {
    // SAFETY: the field exists since `open_lazy`; reading it runs nothing.
    unsafe {
        ffi::lua_getfield(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
    }
}

/// Pushes the shared metatable, or nothing and false when everything is open.
unsafe fn push_lazy(l: *mut ffi::lua_State) -> bool {
    // SAFETY: indices follow the pushes.
    unsafe {
        ffi::lua_pushglobaltable(l);
        if ffi::lua_getmetatable(l, -1) == 0 {
            ffi::lua_pop(l, 1);
            return false;
        }
        // It may be the program's own, set when everything had been opened.
        ffi::lua_pushstring(l, c"__fill".as_ptr());
        ffi::lua_rawget(l, -2);
        let ours =
            ffi::lua_tocfunction(l, -1).is_some_and(|f| f as usize == fill as *const () as usize);
        ffi::lua_pop(l, 1);
        if ours {
            ffi::lua_remove(l, -2);
        } else {
            ffi::lua_pop(l, 2);
        }
        ours
    }
}

/// Marks the global as settled, which cannot fail. The shared metatable is on top.
unsafe fn settle(l: *mut ffi::lua_State, which: usize) {
    // SAFETY: the field is an integer since `open_lazy`.
    unsafe {
        ffi::lua_rawgeti(l, -1, SETTLED);
        let mask = ffi::lua_tointeger(l, -1);
        ffi::lua_pop(l, 1);
        ffi::lua_pushinteger(l, mask | 1 << which);
        ffi::lua_rawseti(l, -2, SETTLED);
    }
}

/// Whether the global has been filled in, or assigned by the program.
unsafe fn is_settled(l: *mut ffi::lua_State, which: usize) -> bool {
    // SAFETY: as `settle`; without the shared metatable everything is.
    unsafe {
        if !push_lazy(l) {
            return true;
        }
        ffi::lua_rawgeti(l, -1, SETTLED);
        let mask = ffi::lua_tointeger(l, -1);
        ffi::lua_pop(l, 2);
        mask & 1 << which != 0
    }
}

/// Pushes the library, opening it if it is not open, and sets its global unless that is settled. An
/// error of memory on the way leaves what the next call completes.
unsafe fn open(l: *mut ffi::lua_State, which: usize) {
    let (name, _) = LIBRARIES[which];
    // SAFETY: indices follow the pushes.
    unsafe {
        ffi::luaL_checkstack(l, 12, c"cannot open a library".as_ptr());
        push_loaded(l);
        ffi::lua_pushstring(l, name.as_ptr());
        if ffi::lua_rawget(l, -2) == ffi::LUA_TNIL {
            ffi::lua_pop(l, 1);
            if which == PACKAGE {
                open_package(l);
            } else {
                open_fresh(l, which);
                ffi::lua_pushstring(l, name.as_ptr());
                ffi::lua_pushvalue(l, -2);
                ffi::lua_rawset(l, -4);
            }
        }
        ffi::lua_remove(l, -2);
        if which != PACKAGE {
            publish(l, which);
        }
    }
}

/// Opens the library and pushes it.
unsafe fn open_fresh(l: *mut ffi::lua_State, which: usize) {
    let (name, function) = LIBRARIES[which];
    // SAFETY: the library's function is called as Lua itself does.
    unsafe {
        if which == STRING {
            strings::retire(l);
        }
        ffi::lua_pushcfunction(l, function);
        ffi::lua_pushstring(l, name.as_ptr());
        ffi::lua_call(l, 1, 1);
        if which == DEBUG {
            put(l, c"getregistry", get_registry);
        }
        put_overrides(l, name);
    }
}

/// Sets the global to the library on top, unless it is settled.
unsafe fn publish(l: *mut ffi::lua_State, which: usize) {
    // SAFETY: indices follow the pushes.
    unsafe {
        if is_settled(l, which) || !push_lazy(l) {
            return;
        }
        ffi::lua_pushglobaltable(l);
        ffi::lua_pushstring(l, LIBRARIES[which].0.as_ptr());
        ffi::lua_pushvalue(l, -4);
        ffi::lua_rawset(l, -3);
        ffi::lua_pop(l, 1);
        settle(l, which);
        ffi::lua_pop(l, 1);
    }
}

/// Pushes `package`, opened but not yet to be seen; sets the global `require` unless it is settled.
unsafe fn open_package(l: *mut ffi::lua_State) {
    // SAFETY: indices follow the pushes. The shared metatable is there: without it `package` is loaded
    // or was taken away by the program, which then has no way here.
    unsafe {
        if !push_lazy(l) {
            return ffi::lua_pushnil(l);
        }
        if ffi::lua_rawgeti(l, -1, HIDDEN_PACKAGE) != ffi::LUA_TTABLE {
            ffi::lua_pop(l, 1);
            open_hidden_package(l);
        }
        // Apart from the above, so that an error of memory here leaves a package that can be finished.
        ffi::lua_rawgeti(l, -2, PACKAGE_READY);
        let ready = ffi::lua_toboolean(l, -1) != 0;
        ffi::lua_pop(l, 1);
        if !ready {
            put_overrides(l, c"package");
            codecache::install_searcher(l);
            if let Some(setup) = SETUP.get() {
                (setup.package_opened)(l);
            }
            ffi::lua_pushboolean(l, 1);
            ffi::lua_rawseti(l, -3, PACKAGE_READY);
        }
        ffi::lua_remove(l, -2);
    }
}

/// Pushes a new `package` and puts it into the shared metatable, which is on top. Nothing that can
/// fail follows the standard function, which sets `require` whatever is there.
unsafe fn open_hidden_package(l: *mut ffi::lua_State) {
    // SAFETY: indices follow the pushes.
    unsafe {
        let require_settled = is_settled(l, REQUIRE);
        ffi::lua_pushglobaltable(l);
        ffi::lua_pushstring(l, c"require".as_ptr());
        ffi::lua_pushvalue(l, -1);
        ffi::lua_rawget(l, -3);
        ffi::lua_pushcfunction(l, ffi::luaopen_package);
        ffi::lua_pushstring(l, c"package".as_ptr());
        ffi::lua_call(l, 1, 1);
        // Now: metatable, _G, "require", the program's require, package.
        ffi::lua_pushvalue(l, -3);
        ffi::lua_rawget(l, -5);
        ffi::lua_rawsetp(l, ffi::LUA_REGISTRYINDEX, (&raw const REQUIRE_KEY).cast());
        ffi::lua_pushvalue(l, -1);
        ffi::lua_rawseti(l, -6, HIDDEN_PACKAGE);
        ffi::lua_insert(l, -4);
        if require_settled {
            ffi::lua_rawset(l, -3);
            ffi::lua_pop(l, 1);
        } else {
            ffi::lua_pop(l, 3);
        }
    }
}

/// Which library, or `require`, the key at `index` names.
unsafe fn named(l: *mut ffi::lua_State, index: c_int) -> Option<usize> {
    // SAFETY: the bytes are the string's on the stack.
    let name = unsafe {
        if ffi::lua_type(l, index) != ffi::LUA_TSTRING {
            return None;
        }
        let mut len = 0;
        let text = ffi::lua_tolstring(l, index, &raw mut len);
        std::slice::from_raw_parts(text.cast::<u8>(), len)
    };
    if name == b"require" {
        return Some(REQUIRE);
    }
    LIBRARIES
        .iter()
        .position(|(library, _)| library.to_bytes() == name)
        .or_else(|| base::position(name).map(|at| BASE + at))
}

/// Puts a function of the base library into `_G`, which the shared metatable on top belongs to.
unsafe fn put_base(l: *mut ffi::lua_State, which: usize) {
    // SAFETY: indices follow the pushes.
    unsafe {
        let Some(function) = base::function(which - BASE) else {
            ffi::luaL_error(l, c"not enough memory".as_ptr());
            return;
        };
        ffi::lua_pushglobaltable(l);
        put(l, base::NAMES[which - BASE], function);
        ffi::lua_pop(l, 1);
        settle(l, which);
    }
}

/// `__index` of `_G` and `package.loaded`: (table, key).
unsafe extern "C-unwind" fn index(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        let Some(which) = named(l, 2) else {
            ffi::lua_pushnil(l);
            return 1;
        };
        ffi::lua_settop(l, 2);
        ffi::lua_pushglobaltable(l);
        let global = ffi::lua_rawequal(l, 1, 3) != 0;
        if (global && is_settled(l, which)) || (!global && which >= REQUIRE) {
            ffi::lua_pushnil(l);
        } else if which >= BASE {
            push_lazy(l);
            put_base(l, which);
            ffi::lua_settop(l, 2);
            ffi::lua_rawget(l, 1);
        } else if which == PACKAGE {
            fill_all(l);
            ffi::lua_settop(l, 2);
            ffi::lua_rawget(l, 1);
        } else if which == REQUIRE {
            open(l, PACKAGE);
            ffi::lua_settop(l, 2);
            ffi::lua_rawget(l, 1);
        } else {
            open(l, which);
        }
        1
    }
}

/// `__newindex` of `_G` and `package.loaded`: (table, key, value).
unsafe extern "C-unwind" fn new_index(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        ffi::lua_settop(l, 3);
        ffi::lua_pushvalue(l, 2);
        ffi::lua_insert(l, 3);
        ffi::lua_rawset(l, 1);
        // After the assignment, which may fail.
        if let Some(which) = named(l, 2) {
            ffi::lua_pushglobaltable(l);
            if ffi::lua_rawequal(l, 1, -1) != 0 && push_lazy(l) {
                settle(l, which);
            }
        }
        0
    }
}

/// `__fill` of the shared metatable.
unsafe extern "C-unwind" fn fill(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe { fill_all(l) };
    0
}

/// Opens what is not open and takes the metatables away. An error of memory leaves all as it is, so
/// that the next look tries again.
unsafe fn fill_all(l: *mut ffi::lua_State) {
    // SAFETY: indices follow the pushes.
    unsafe {
        ffi::luaL_checkstack(l, 8, c"cannot open the libraries".as_ptr());
        if !push_lazy(l) {
            return;
        }
        for which in 0..LIBRARIES.len() {
            open(l, which);
            if which == PACKAGE {
                push_loaded(l);
                ffi::lua_pushvalue(l, -2);
                ffi::lua_pushstring(l, c"package".as_ptr());
                ffi::lua_insert(l, -2);
                ffi::lua_rawset(l, -3);
                ffi::lua_pop(l, 1);
                publish(l, PACKAGE);
            }
            ffi::lua_pop(l, 1);
        }
        for which in BASE..BASE + base::NAMES.len() {
            if !is_settled(l, which) {
                put_base(l, which);
            }
        }
        // No longer marked, or taking them away would fill again.
        welkin_setlazy(l, -1, 0);
        ffi::lua_pushglobaltable(l);
        ffi::lua_pushnil(l);
        ffi::lua_setmetatable(l, -2);
        push_loaded(l);
        ffi::lua_pushnil(l);
        ffi::lua_setmetatable(l, -2);
        ffi::lua_pop(l, 3);
    }
}

/// `debug.getregistry()`: the registry leads to `package.loaded` and `_G`, past every metatable.
unsafe extern "C-unwind" fn get_registry(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        fill_all(l);
        ffi::lua_pushvalue(l, ffi::LUA_REGISTRYINDEX);
    }
    1
}

mod base;
mod strings;

#[cfg(test)]
mod tests;

//! The functions of the base library. They are global, so each is put into `_G` by itself when it is
//! first used: a service uses a few of them, and all together are a tenth of an idle one's memory.

use std::ffi::CStr;
use std::sync::OnceLock;

use welkin_lua_vm::ffi;

use super::SETUP;
use crate::codecache;

/// Their names, sorted.
pub const NAMES: [&CStr; 23] = [
    c"assert",
    c"collectgarbage",
    c"dofile",
    c"error",
    c"getmetatable",
    c"ipairs",
    c"load",
    c"loadfile",
    c"next",
    c"pairs",
    c"pcall",
    c"print",
    c"rawequal",
    c"rawget",
    c"rawlen",
    c"rawset",
    c"select",
    c"setmetatable",
    c"tonumber",
    c"tostring",
    c"type",
    c"warn",
    c"xpcall",
];

/// Lua's own, in the order of [`NAMES`].
static STANDARD: OnceLock<Option<[ffi::lua_CFunction; NAMES.len()]>> = OnceLock::new();

/// Which of [`NAMES`] it is.
pub fn position(name: &[u8]) -> Option<usize> {
    NAMES
        .binary_search_by(|known| known.to_bytes().cmp(name))
        .ok()
}

/// The function of that number, ours where there is one; `None`: Lua's could not be asked for, as there
/// was no memory for it.
pub fn function(which: usize) -> Option<ffi::lua_CFunction> {
    let name = NAMES[which];
    let overrides = SETUP.get().map_or(&[][..], |setup| setup.overrides);
    let ours = overrides
        .iter()
        .find(|(library, overridden, _)| *library == c"_G" && *overridden == name)
        .map(|(_, _, function)| *function);
    ours.or_else(|| codecache::global(name))
        .or_else(|| STANDARD.get_or_init(ask_lua).map(|all| all[which]))
}

/// Opens the library once, in a state of its own: its functions have no names that a linker sees.
fn ask_lua() -> Option<[ffi::lua_CFunction; NAMES.len()]> {
    // SAFETY: a state that nobody else knows, closed at the end. A raise for lack of memory is caught
    // by the protected call.
    unsafe {
        let l = ffi::luaL_newstate();
        if l.is_null() {
            return None;
        }
        ffi::lua_pushcfunction(l, ffi::luaopen_base);
        let opened = ffi::lua_pcall(l, 0, 1, 0) == ffi::LUA_OK;
        let all = opened.then(|| {
            NAMES.map(|name| {
                ffi::lua_getfield(l, -1, name.as_ptr());
                let function = ffi::lua_tocfunction(l, -1);
                ffi::lua_pop(l, 1);
                function
            })
        });
        ffi::lua_close(l);
        let all = all?;
        if all.contains(&None) {
            return None;
        }
        Some(all.map(|function| function.unwrap_or(absent)))
    }
}

/// Stands for a function that is known to be there.
unsafe extern "C-unwind" fn absent(_: *mut ffi::lua_State) -> std::ffi::c_int {
    0
}

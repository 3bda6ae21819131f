//! For tests: Lua code with this module, in a bare state without a service around it.

use std::ffi::{CStr, CString, c_int};

use mlua_sys as ffi;

use super::{luaopen_socketdriver, send};
use crate::lua_fn;

/// `b` is a buffer, `push` appends a copy of a text to it; `same` compares results, `raises` looks for
/// an error text; `data` gives back what `send` would send.
const PRELUDE: &str = "
    local driver, pool = driver, {}
    local b = driver.buffer()
    local function push(text) return driver.push(b, pool, driver.str2p(text)) end
    local function same(want, ...)
        local got = table.pack(...)
        assert(got.n == (want.n or #want), 'results: ' .. got.n)
        for i = 1, got.n do
            assert(got[i] == want[i], tostring(got[i]) .. ' is not ' .. tostring(want[i]))
        end
    end
    local function raises(text, f, ...)
        local ok, message = pcall(f, ...)
        assert(not ok and message:find(text, 1, true), tostring(message))
    end
";

/// Runs `code`; panics with the error that it raises.
pub(in crate::bindings) fn run(code: &str) {
    let chunk = CString::new(format!("{PRELUDE}{code}")).expect("no NUL in test code");
    // SAFETY: a state of our own, closed at the end; what raises runs inside `lua_pcall`.
    unsafe {
        let l = ffi::luaL_newstate();
        ffi::lua_getextraspace(l)
            .cast::<*const u8>()
            .write(std::ptr::null());
        ffi::luaL_openlibs(l);
        ffi::lua_pushcfunction(l, prepare);
        assert_eq!(ffi::lua_pcall(l, 0, 0, 0), ffi::LUA_OK);
        let mut status = ffi::luaL_loadstring(l, chunk.as_ptr());
        if status == ffi::LUA_OK {
            status = ffi::lua_pcall(l, 0, 0, 0);
        }
        let message = match status {
            ffi::LUA_OK => None,
            _ => Some(
                CStr::from_ptr(ffi::lua_tostring(l, -1))
                    .to_string_lossy()
                    .into_owned(),
            ),
        };
        ffi::lua_close(l);
        assert_eq!(message, None);
    }
}

unsafe extern "C-unwind" fn prepare(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua with its running thread.
    unsafe {
        luaopen_socketdriver(l);
        ffi::lua_setglobal(l, c"driver".as_ptr());
        ffi::lua_pushcfunction(l, data);
        ffi::lua_setglobal(l, c"data".as_ptr());
    }
    0
}

lua_fn! {
    /// The bytes of a data argument.
    fn data(call: &mut Call) -> LuaResult {
        match send::data_argument(call.state, 1) {
            send::Data::Lent(bytes) => call.state.push_bytes(bytes),
            send::Data::Given(payload) => call.state.push_bytes(payload.as_bytes()),
        }
        Ok(1)
    }
}

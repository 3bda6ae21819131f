//! Runs Lua programs against the functions, in a bare VM that has nothing else of ours. Here: the VM,
//! and what concerns both directions.

mod packing;
mod unpacking;

use std::ffi::{CStr, CString};

use welkin_lua_vm::ffi;

use super::{pack, packstring, tostring, trash, unpack};

/// Functions that every program of these tests has.
const PRELUDE: &CStr = cr##"
    function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
    function raw(text) return (text:gsub("%s", ""):gsub("..", function(x) return string.char(tonumber(x, 16)) end)) end
    function eq(a, b) if a ~= b then error(("%s is not %s"):format(a, b), 2) end end
    function gives(bytes, ...) eq(hex(packstring(...)), (bytes:gsub("%s", ""))) end
    function raises(text, f, ...)
        local ok, message = pcall(f, ...)
        eq(ok, false)
        if not tostr(message):find(text, 1, true) then error(("%s: not %q"):format(message, text), 2) end
    end
    function nested(levels) local t = {} for _ = 2, levels do t = { t } end return t end
    function one_pair(k, v) return setmetatable({}, { __pairs = function() return function(_, last) if not last then return k, v end end end }) end
"##;

struct Lua(*mut ffi::lua_State);

impl Lua {
    fn new() -> Self {
        // SAFETY: a new state, used by this thread only; the functions follow Lua's calling rule.
        unsafe {
            let l = ffi::luaL_newstate();
            ffi::lua_getextraspace(l)
                .cast::<*const u8>()
                .write(std::ptr::null());
            ffi::luaL_openlibs(l);
            ffi::lua_getglobal(l, c"tostring".as_ptr());
            ffi::lua_setglobal(l, c"tostr".as_ptr());
            let functions: [(&CStr, ffi::lua_CFunction); 5] = [
                (c"pack", pack),
                (c"packstring", packstring),
                (c"unpack", unpack),
                (c"tostring", tostring),
                (c"trash", trash),
            ];
            for (name, function) in functions {
                ffi::lua_pushcfunction(l, function);
                ffi::lua_setglobal(l, name.as_ptr());
            }
            let lua = Self(l);
            lua.run(PRELUDE);
            lua
        }
    }

    #[track_caller]
    fn run(&self, code: &CStr) {
        // SAFETY: the state is live and the code runs in a protected call.
        let error = unsafe {
            let mut failed = ffi::luaL_loadstring(self.0, code.as_ptr());
            if failed == ffi::LUA_OK {
                failed = ffi::lua_pcall(self.0, 0, 0, 0);
            }
            (failed != ffi::LUA_OK).then(|| {
                let text = ffi::luaL_tolstring(self.0, -1, std::ptr::null_mut());
                CStr::from_ptr(text).to_string_lossy().into_owned()
            })
        };
        if let Some(error) = error {
            panic!("{error}");
        }
    }

    fn set(&self, name: &str, bytes: &[u8]) {
        let name = CString::new(name).unwrap();
        // SAFETY: the state is live, the bytes are copied.
        unsafe {
            ffi::lua_pushlstring(self.0, bytes.as_ptr().cast(), bytes.len());
            ffi::lua_setglobal(self.0, name.as_ptr());
        }
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: the last use of the state.
        unsafe { ffi::lua_close(self.0) };
    }
}

#[test]
fn all_comes_back_as_it_was() {
    Lua::new().run(cr##"
        local function same(a, b)
            if type(a) ~= "table" then return rawequal(a, b) and math.type(a) == math.type(b) end
            for k, v in next, a do if not same(v, b[k]) then return false end end
            for k in next, b do if a[k] == nil then return false end end
            return true
        end
        local big = {}
        for i = 1, 100000 do big[i] = i end
        local values = {
            0, 1, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000, -1, -129, -0x80000001, math.maxinteger, math.mininteger,
            0.0, 1.0, 2^53, 1/0, "", "a\0b", ("x"):rep(31), ("x"):rep(32), ("x"):rep(65535), ("x"):rep(65536), true, false,
            {}, { 1, 2, nil, 4 }, { a = { b = { c = {} } } }, { [1.5] = true, [-1] = false, [0] = 0 }, big,
            { [{}] = nil, x = { 1, 2, { 3 } } }, string.rep("table", 5000),
        }
        for i, value in ipairs(values) do
            local ptr, size = pack(value)
            local back = table.pack(unpack(ptr, size))
            eq(tostring(ptr, size), packstring(value))
            trash(ptr, size)
            eq(back.n, 1)
            if not same(value, back[1]) then error("value " .. i) end
        end
        eq(select("#", unpack(packstring(table.unpack(big, 1, 10000)))), 10000)
        eq(select("#", unpack(packstring(table.unpack({}, 1, 1000)))), 1000)
        eq(1 / unpack(packstring(-0.0)), -1/0)
        local nan = unpack(packstring(0/0))
        eq(nan == nan, false)
        eq(getmetatable(unpack(packstring(setmetatable({}, {})))), nil)
        local ptr, size = pack(1)
        local pointer = unpack(packstring(ptr))
        eq(pointer, ptr)
        trash(ptr, size)
    "##);
}

#[test]
fn arguments_are_looked_at() {
    Lua::new().run(cr##"
        local function none(...) eq(select("#", ...), 0) end
        none(unpack()) none(unpack(nil)) none(unpack(nil, 5)) none(unpack(""))
        local ptr, size = pack(1, 2)
        none(unpack(ptr, 0)) none(unpack(ptr, -1)) none(tostring()) none(tostring(nil))
        eq(tostring(ptr, 0), "")
        for _, wrong in ipairs { ptr, 5, {}, true, io.stdout } do raises("number expected, got no value", unpack, wrong) end
        raises("number has no integer representation", unpack, ptr, 1.5)
        raises("number expected, got string", unpack, ptr, "x")
        raises("number expected, got no value", tostring, ptr)
        raises("number expected, got no value", trash, ptr)
        for _, wrong in ipairs { 5, {}, true, print } do
            raises("deserialize null pointer", unpack, wrong, 3)
            raises("skynet.tostring invalid param " .. type(wrong), tostring, wrong, 3)
            raises("skynet.trash invalid param " .. type(wrong), trash, wrong, 3)
        end
        raises("skynet.tostring invalid param userdata", tostring, ptr, -1)
        raises("skynet.trash invalid param no value", trash)
        raises("skynet.trash invalid param nil", trash, nil)
        raises("skynet.trash invalid param userdata", trash, io.stdout)
        local null = unpack(raw "03 0000000000000000")
        none(unpack(null, 0)) none(trash(null, 0)) none(trash("text")) none(trash("text", 4))
        eq(tostring(null, 0), "")
        raises("deserialize null pointer", unpack, null, 1)
        raises("deserialize null pointer", unpack, io.stdout, 1 << 40)
        none(trash(ptr, size))
        ptr, size = pack()
        eq(type(ptr), "userdata") eq(size, 0) eq(ptr ~= null, true)
        trash(ptr, size)
    "##);
}

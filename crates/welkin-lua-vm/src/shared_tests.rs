//! Shared tables in several states, also at the same time.

use std::ffi::{CStr, CString, c_int};
use std::ptr;

use super::{
    ffi, welkin_isshared, welkin_pushshared, welkin_replace, welkin_share, welkin_unshare,
};

const SEED: u32 = 17;

/// A state with all libraries, closed at the end.
struct Lua(*mut ffi::lua_State);

impl Lua {
    fn new() -> Self {
        // SAFETY: `luaL_newstate` gives the standard allocator, which needs no user data; a state made with
        // it and the common seed is prepared and closed by this value alone.
        unsafe {
            let first = ffi::luaL_newstate();
            let mut data = ptr::null_mut();
            let allocator = ffi::lua_getallocf(first, &raw mut data);
            let state = ffi::lua_newstate(allocator, data, SEED);
            ffi::lua_close(first);
            assert!(!state.is_null());
            ffi::luaL_openlibs(state);
            Self(state)
        }
    }

    /// Leaves what `code` returns on the stack, or its error; whether it returned.
    fn run(&self, code: &str) -> bool {
        let code = CString::new(code).expect("no zero byte in a test");
        // SAFETY: the state is alive; both calls are protected.
        unsafe {
            ffi::luaL_loadstring(self.0, code.as_ptr()) == ffi::LUA_OK
                && ffi::lua_pcall(self.0, 0, 1, 0) == ffi::LUA_OK
        }
    }

    /// The same as a text, with nothing left.
    fn eval(&self, code: &str) -> String {
        self.run(code);
        // SAFETY: a value is on top; its text is copied before it is popped.
        unsafe {
            let text = ffi::luaL_tolstring(self.0, -1, ptr::null_mut());
            let text = CStr::from_ptr(text).to_string_lossy().into_owned();
            ffi::lua_settop(self.0, 0);
            text
        }
    }

    /// Makes the version of what `code` returns.
    fn share(&self, code: &str) -> Version {
        assert!(self.run(code), "{code}");
        // SAFETY: the value is on top.
        let version = unsafe { welkin_share(self.0, ptr::null(), 0) };
        assert!(!version.is_null(), "{code}");
        Version(version)
    }

    /// Sets a global to the root.
    fn set(&self, name: &CStr, version: &Version) {
        // SAFETY: the seed is the same, and the tests drop their states first.
        unsafe {
            welkin_pushshared(self.0, version.0);
            ffi::lua_setglobal(self.0, name.as_ptr());
        }
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: made by `new`, closed once.
        unsafe { ffi::lua_close(self.0) }
    }
}

struct Version(*mut super::Version);

// SAFETY: versions are only read once they are made.
unsafe impl Sync for Version {}

impl Drop for Version {
    fn drop(&mut self) {
        // SAFETY: made by `share`; every test's states are gone.
        unsafe { welkin_unshare(self.0) }
    }
}

#[test]
fn a_version_outlives_the_state_it_was_made_in() {
    let version = Lua::new().share(
        "return { 1, 'two', sub = { x = ('long'):rep(30) }, f = function(x) return x + 1 end }",
    );
    let lua = Lua::new();
    lua.set(c"t", &version);
    assert_eq!(
        lua.eval("return t[2] .. #t .. t.sub.x:sub(1, 4) .. t.f(1)"),
        "two2long2"
    );
    assert_eq!(
        lua.eval("return t.sub == t.sub and t.f == t.f and rawget(t, 'sub') == t.sub"),
        "true"
    );
    assert_eq!(
        lua.eval("local n = 0 for k, v in next, t do n = n + 1 assert(t[k] == v) end return n"),
        "4"
    );
    // SAFETY: looks at the arguments of no function, which there are none of.
    assert_eq!(unsafe { welkin_isshared(lua.0, 1) }, 0);
}

#[test]
fn nobody_writes_into_a_version() {
    let version = Lua::new().share("return { 3, 1, 2, k = 1 }");
    let lua = Lua::new();
    lua.set(c"t", &version);
    for write in [
        "t.k = 2",
        "t.new = 1",
        "t[1] = nil",
        "rawset(t, 'k', 2)",
        "rawset(t, 9, 2)",
        "setmetatable(t, {})",
        "table.sort(t)",
        "table.insert(t, 1)",
        "table.remove(t)",
        "debug.setmetatable(t, {})",
    ] {
        assert_eq!(
            lua.eval(&format!("return (pcall(function() {write} end))")),
            "false",
            "{write}"
        );
    }
    assert_eq!(
        lua.eval("return t[1] .. t[2] .. t[3] .. t.k .. #t"),
        "31213"
    );
}

#[test]
fn many_states_read_at_the_same_time() {
    let version = Lua::new().share(
        "local t = {} for i = 1, 500 do t['key' .. i] = { name = 'name' .. i, call = function() return 'f' end } end return t",
    );
    let version = &version;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lua = Lua::new();
                lua.set(c"t", version);
                let read = "for round = 1, 20 do for i = 1, 500 do local e = t['key' .. i]
                    assert(e.name == 'name' .. i and e.call() == 'f') end collectgarbage() end
                    local n = 0 for k, v in pairs(t) do n = n + 1 end return n";
                assert_eq!(lua.eval(read), "500");
            });
        }
    });
}

#[test]
fn a_newer_version_takes_the_place_of_an_older_one_everywhere() {
    let maker = Lua::new();
    let old = maker.share("local t = { sub = { v = 1 }, gone = { 1 }, meta = { __len = function() return 1 end } } t.me = t return t");
    let now = maker.share("local t = { sub = { v = 2 }, meta = { __len = function() return 2 end } } t.me = t return t");
    let lua = Lua::new();
    lua.set(c"t", &old);
    lua.eval("held = { t.sub, t.gone, [t.sub] = 'key', [t.gone] = 'lost', list = { { t.me } } }
        object = setmetatable({}, t.meta) local up = t.sub f = function() return up end
        co = coroutine.create(function(a) local b = t.gone coroutine.yield() return a.v, b end) coroutine.resume(co, t.sub)");
    let versions = [old.0.cast_const(), now.0.cast_const()];
    // SAFETY: both versions outlive the state.
    unsafe { welkin_replace(lua.0, versions.as_ptr(), versions.len() as c_int) };
    assert_eq!(
        lua.eval("return t.sub.v .. held[1].v .. #object .. f().v"),
        "2222"
    );
    assert_eq!(
        lua.eval("return held[2] == nil and held[t.sub] .. tostring(held.list[1][1] == t)"),
        "keytrue"
    );
    assert_eq!(
        lua.eval("local n = 0 for k in pairs(held) do n = n + 1 end return n"),
        "3"
    );
    assert_eq!(
        lua.eval("return table.concat({ select(2, coroutine.resume(co)) }, ',')"),
        "2"
    );
    lua.eval("collectgarbage() collectgarbage()");
    assert_eq!(lua.eval("return held[t.sub]"), "key");
}

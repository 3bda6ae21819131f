//! That our Lua is the one the declarations describe, and what programs see of its edits.

use std::ffi::{CStr, CString, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{mem, ptr};

use crate::ffi;

/// A state with all libraries, closed at the end.
struct Lua(*mut ffi::lua_State);

impl Lua {
    fn new() -> Self {
        // SAFETY: no preconditions; a null result is refused below.
        let state = unsafe { ffi::luaL_newstate() };
        assert!(!state.is_null());
        // SAFETY: a fresh state; that it cannot raise is true for a test that has memory.
        unsafe { ffi::luaL_openlibs(state) };
        Self(state)
    }

    /// Runs `code` as the chunk `@t.lua` and returns its one result as a text.
    fn eval(&self, code: &str) -> String {
        let code = CString::new(code).expect("no zero byte in a test");
        // SAFETY: the state is alive; load and pcall raise nothing, the text is copied before the pop.
        unsafe {
            let status = ffi::luaL_loadbufferx(
                self.0,
                code.as_ptr(),
                code.count_bytes(),
                c"@t.lua".as_ptr(),
                ptr::null(),
            );
            if status == ffi::LUA_OK {
                ffi::lua_pcall(self.0, 0, 1, 0);
            }
            let text = ffi::luaL_tolstring(self.0, -1, ptr::null_mut());
            let text = CStr::from_ptr(text).to_string_lossy().into_owned();
            ffi::lua_settop(self.0, 0);
            text
        }
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: made by luaL_newstate, closed once.
        unsafe { ffi::lua_close(self.0) }
    }
}

#[test]
fn code_runs_and_the_release_is_the_declared_one() {
    let lua = Lua::new();
    assert_eq!(lua.eval("return 6 * 7"), "42");
    assert_eq!(lua.eval("return _VERSION"), "Lua 5.5");
    // SAFETY: the state is alive; the call compares sizes and version and would raise a difference.
    unsafe {
        let sizes = mem::size_of::<ffi::lua_Integer>() * 16 + mem::size_of::<ffi::lua_Number>();
        ffi::luaL_checkversion_(lua.0, 505.0, sizes);
    }
}

#[test]
fn the_extra_space_is_one_pointer_and_new_coroutines_copy_it() {
    let lua = Lua::new();
    let mut mark = 7_u8;
    let mark: *mut u8 = &raw mut mark;
    assert_eq!(ffi::LUA_EXTRASPACE, mem::size_of::<*mut u8>());
    // SAFETY: the extra space holds one pointer; the new thread stays on the stack.
    unsafe {
        *ffi::lua_getextraspace(lua.0).cast::<*mut u8>() = mark;
        let thread = ffi::lua_newthread(lua.0);
        assert_eq!(*ffi::lua_getextraspace(thread).cast::<*mut u8>(), mark);
        ffi::lua_settop(lua.0, 0);
    }
}

#[test]
fn debug_information_has_the_declared_shape() {
    let lua = Lua::new();
    unsafe extern "C-unwind" fn line(l: *mut ffi::lua_State) -> c_int {
        // SAFETY: `l` comes from Lua; the record is filled by getstack and getinfo before it is read.
        unsafe {
            let mut record: ffi::lua_Debug = mem::zeroed();
            assert_eq!(ffi::lua_getstack(l, 1, &raw mut record), 1);
            assert_eq!(ffi::lua_getinfo(l, c"Sl".as_ptr(), &raw mut record), 1);
            assert_eq!(CStr::from_ptr(record.short_src.as_ptr()), c"t.lua");
            ffi::lua_pushinteger(l, record.currentline.into());
        }
        1
    }
    // SAFETY: the state is alive and the function keeps Lua's rules.
    unsafe {
        ffi::lua_pushcfunction(lua.0, line);
        ffi::lua_setglobal(lua.0, c"line".as_ptr());
    }
    assert_eq!(lua.eval("\n\nlocal l = line()\nreturn l"), "3");
}

#[test]
fn a_panic_passes_through_luas_frames() {
    unsafe extern "C-unwind" fn fail(_: *mut ffi::lua_State) -> c_int {
        panic!("through")
    }
    // SAFETY: no preconditions.
    let state = unsafe { ffi::luaL_newstate() };
    let caught = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the state is alive; after the panic it is neither used nor closed (it leaks).
        unsafe {
            ffi::lua_pushcfunction(state, fail);
            ffi::lua_pcall(state, 0, 0, 0)
        }
    }));
    let payload = caught.expect_err("the panic is not turned into a Lua error");
    assert_eq!(payload.downcast_ref(), Some(&"through"));
}

#[test]
fn assert_adds_the_position_to_a_text_and_leaves_other_values() {
    let lua = Lua::new();
    let message = |code: &str| lua.eval(&format!("return select(2, pcall(function() {code} end))"));
    assert_eq!(message("assert(false, 'x')"), "t.lua:1: x");
    assert_eq!(message("assert(nil, '')"), "t.lua:1: ");
    assert_eq!(message("assert(nil)"), "t.lua:1: assertion failed!");
    assert_eq!(message("assert(false, 12)"), "12");
    assert!(message("assert(false, {})").starts_with("table: "));
    assert_eq!(
        message("assert()"),
        "t.lua:1: bad argument #1 to 'assert' (value expected)"
    );
    assert_eq!(
        lua.eval("return select(2, pcall(assert, false, 'direct'))"),
        "direct"
    );
}

#[test]
fn a_lazy_table_is_filled_when_a_program_could_see_that_it_is_not() {
    unsafe extern "C-unwind" fn mark(l: *mut ffi::lua_State) -> c_int {
        // SAFETY: `l` comes from Lua; argument 1 is a table, given by the test.
        unsafe {
            crate::welkin_setlazy(l, 1, ffi::lua_toboolean(l, 2));
            ffi::lua_settop(l, 1);
        }
        1
    }
    let lua = Lua::new();
    // SAFETY: the state is alive and the function keeps Lua's rules.
    unsafe {
        ffi::lua_pushcfunction(lua.0, mark);
        ffi::lua_setglobal(lua.0, c"mark".as_ptr());
    }
    let setup = "function lazy() local t, m = {}, {} m.__fill = function(o) mark(m, false)
        count = (count or 0) + 1; setmetatable(o, nil); o.x = 1 end
        return setmetatable(t, mark(m, true)) end ";
    lua.eval(setup);
    for look in [
        "return next(lazy())",
        "for k in pairs(lazy()) do return k end",
        "return rawget(lazy(), 'x') == 1 and 'x'",
        "local t = lazy() rawset(t, 'y', 2) return t.x == 1 and 'x'",
        "return getmetatable(lazy()) == nil and 'x'",
        "return debug.getmetatable(lazy()) == nil and 'x'",
        "local t, m = lazy(), {} setmetatable(t, m) return t.x and getmetatable(t) == m and 'x'",
    ] {
        assert_eq!(lua.eval(look), "x", "{look}");
    }
    assert_eq!(lua.eval("return count"), "7");
    lua.eval("package.loaded.lazy = lazy() return debug.traceback()");
    assert_eq!(
        lua.eval("return count"),
        "7",
        "a traceback looks at what is there"
    );
}

/// Leaves the value of `code` on the stack, as the only one.
fn value_of(lua: &Lua, code: &CStr) {
    // SAFETY: as in `eval`.
    unsafe {
        let code = ffi::luaL_loadstring(lua.0, code.as_ptr());
        assert_eq!(code, ffi::LUA_OK);
        assert_eq!(ffi::lua_pcall(lua.0, 0, 1, 0), ffi::LUA_OK);
    }
}

#[test]
fn every_entry_of_a_table_is_met_once() {
    let lua = Lua::new();
    value_of(
        &lua,
        c"local t = {1, 2.5, false, nil, 'text', {}} for i = 1, 20 do t['k' .. i] = i end t.k7 = nil return t",
    );
    let (mut key, mut value, mut place) = (crate::Value::NIL, crate::Value::NIL, 0);
    let mut kinds = Vec::new();
    loop {
        // SAFETY: a table at index 1; what is pushed is popped.
        place = unsafe { crate::welkin_entry(lua.0, 1, place, &raw mut key, &raw mut value) };
        if place == 0 {
            break;
        }
        if value.kind == crate::Kind::Other {
            assert_eq!(value.lua_type, ffi::LUA_TTABLE);
            // SAFETY: it was pushed.
            unsafe { ffi::lua_settop(lua.0, 1) };
        }
        kinds.push((key.kind, value.kind));
    }
    use crate::Kind::{False, Float, Integer, Other, Text};
    let list: Vec<_> = kinds.iter().filter(|(key, _)| *key == Integer).collect();
    let wanted = [Integer, Float, False, Text, Other].map(|kind| (Integer, kind));
    assert_eq!(list, wanted.iter().collect::<Vec<_>>());
    let names = kinds.iter().filter(|kinds| **kinds == (Text, Integer));
    assert_eq!(names.count(), 19);
}

#[test]
fn values_are_stored_and_found_with_and_without_metamethods() {
    let lua = Lua::new();
    value_of(&lua, c"return {'a', 'b', 'c', ('e'):rep(50)}");
    // SAFETY: a table of strings at 1, which holds them.
    let names: [_; 4] = std::array::from_fn(|at| unsafe {
        ffi::lua_rawgeti(lua.0, 1, at as ffi::lua_Integer + 1);
        let name = crate::welkin_name(lua.0);
        ffi::lua_settop(lua.0, 1);
        name
    });
    value_of(&lua, c"return setmetatable({}, {__index = function(_, k) return k == 'b' and 'of b' or nil end})");
    let stored = [crate::Value::text(b"text"), crate::Value::integer(-7)];
    let mut value = crate::Value::NIL;
    let text = |value: &crate::Value| {
        assert_eq!(value.kind, crate::Kind::Text);
        // SAFETY: described just now, of a string that is on the stack or in the table.
        unsafe { std::slice::from_raw_parts(value.bits as *const u8, value.len) }
    };
    // SAFETY: tables at 1 and 2; what is pushed is popped.
    unsafe {
        crate::welkin_storetext(lua.0, 2, c"a".as_ptr(), 1, c"text".as_ptr(), 4);
        crate::welkin_itemplain(lua.0, 2, 3, stored[1].kind, stored[1].bits);
        crate::welkin_storenamed(lua.0, 2, 1, 1, &raw const stored[0]);
        ffi::lua_createtable(lua.0, 0, 0);
        crate::welkin_storetop(lua.0, 2, c"d".as_ptr(), 1);
        assert_eq!(ffi::lua_gettop(lua.0), 2);
        assert_eq!(ffi::lua_getfield(lua.0, 2, c"d".as_ptr()), ffi::LUA_TTABLE);
        ffi::lua_settop(lua.0, 2);
        assert_eq!(crate::welkin_field(lua.0, 2, names[0], &raw mut value), 0);
        assert_eq!(text(&value), b"text");
        assert_eq!(crate::welkin_field(lua.0, 2, names[1], &raw mut value), 1);
        assert_eq!(text(&value), b"of b");
        assert_eq!(crate::welkin_field(lua.0, 2, names[2], &raw mut value), 1);
        assert_eq!(value.kind, crate::Kind::Nil);
        ffi::lua_settop(lua.0, 2);
        crate::welkin_storefield(lua.0, 2, names[3], &raw const stored[1]);
        assert_eq!(crate::welkin_field(lua.0, 2, names[3], &raw mut value), 0);
        assert_eq!(value.kind, crate::Kind::Integer);
        crate::welkin_pushname(lua.0, names[3]);
        assert_eq!(ffi::lua_rawget(lua.0, 2), ffi::LUA_TNUMBER);
        ffi::lua_settop(lua.0, 2);
        crate::welkin_item(lua.0, 2, 3, &raw mut value);
        assert_eq!(
            (value.kind, value.bits.cast_signed()),
            (crate::Kind::Integer, -7)
        );
        crate::welkin_item(lua.0, 2, 4, &raw mut value);
        assert_eq!(value.kind, crate::Kind::Nil);
    }
}

/// What a plain value has: no text, nothing on the stack.
fn store_plain(lua: &Lua, key: &str, value: &crate::Value) {
    // SAFETY: a table at 1; the pointer and the length describe the key.
    unsafe {
        crate::welkin_storeplain(
            lua.0,
            1,
            key.as_ptr().cast(),
            key.len(),
            value.kind,
            value.bits,
        );
    }
}

#[test]
fn a_new_table_holds_every_key_and_the_last_value_of_each() {
    // Room for fewer, for as many and for more: keys meet in all of them.
    for room in 0..40 {
        for count in 0..40 {
            let lua = Lua::new();
            // SAFETY: a live state; the table is at 1.
            unsafe { crate::welkin_newtable(lua.0, room % 3, room) };
            for round in 0..2 {
                for key in 0..count {
                    let value = crate::Value::integer(i64::from(key * 10 + round));
                    store_plain(&lua, &format!("key {key}"), &value);
                }
            }
            store_plain(&lua, "key 3", &crate::Value::NIL);
            store_plain(&lua, "key 3", &crate::Value::float(0.5));
            let code = c"local t, seen = ..., 0
                for k, v in pairs(t) do
                    seen = seen + 1
                    local n = math.tointeger(k:match '%d+')
                    assert(t[k] == v and v == (n == 3 and 0.5 or n * 10 + 1), k)
                end
                return seen";
            // SAFETY: a table at 1, an argument of the chunk; what is pushed is there.
            let seen = unsafe {
                assert_eq!(ffi::luaL_loadstring(lua.0, code.as_ptr()), ffi::LUA_OK);
                ffi::lua_insert(lua.0, 1);
                assert_eq!(ffi::lua_pcall(lua.0, 1, 1, 0), ffi::LUA_OK);
                ffi::lua_tointegerx(lua.0, -1, std::ptr::null_mut())
            };
            let wanted = i64::from(count) + i64::from(count <= 3);
            assert_eq!(seen, wanted, "{count} keys, room for {room}");
        }
    }
}

#[test]
fn items_beyond_the_room_are_stored_too() {
    let lua = Lua::new();
    // SAFETY: a live state; the table is at 1, and what is stored from the top is there.
    unsafe {
        crate::welkin_newtable(lua.0, 2, 0);
        for n in [2, 9, 1, 3, -1] {
            crate::welkin_itemplain(lua.0, 1, n, crate::Kind::Integer, n.cast_unsigned());
        }
        crate::welkin_itemtext(lua.0, 1, 4, c"four".as_ptr(), 4);
        crate::welkin_pushtext(lua.0, c"five".as_ptr(), 4);
        crate::welkin_itemtop(lua.0, 1, 5);
        assert_eq!(ffi::lua_gettop(lua.0), 1);
        for n in [2, 9, 1, 3, -1] {
            assert_eq!(ffi::lua_rawgeti(lua.0, 1, n), ffi::LUA_TNUMBER);
            let found = ffi::lua_tointegerx(lua.0, -1, std::ptr::null_mut());
            assert_eq!(found, n);
        }
        assert_eq!(ffi::lua_rawgeti(lua.0, 1, 4), ffi::LUA_TSTRING);
        assert_eq!(ffi::lua_rawgeti(lua.0, 1, 5), ffi::LUA_TSTRING);
    }
}

#[test]
fn strings_of_every_length_are_found_again() {
    let lua = Lua::new();
    let code = "local t, seen = {}, 0
        for len = 0, 100 do for _, c in ipairs { 'a', '\\0', '\\xff' } do
            if len > 0 or c == 'a' then t[c:rep(len)] = len end
        end end
        for _ in pairs(t) do seen = seen + 1 end
        for k, len in pairs(t) do
            if #k ~= len or t[k:sub(1, len // 2) .. k:sub(len // 2 + 1)] ~= len then return k end
        end
        return seen";
    assert_eq!(lua.eval(code), "301");
}

#[test]
fn strings_that_differ_in_any_byte_are_spread() {
    // Were many of them in one place, this would take minutes.
    let lua = Lua::new();
    let code = "local t, count = {}, 0
        for at = 1, 40 do for byte = 0, 255 do for other = 0, 7 do
            local s = ('x'):rep(at - 1) .. string.char(byte) .. ('y'):rep(40 - at - 1) .. other
            if not t[s] then t[s], count = true, count + 1 end
        end end end
        return count";
    let wanted: u32 = 40 * 256 * 8;
    let found: u32 = lua.eval(code).parse().unwrap();
    assert!(found > wanted * 9 / 10, "{found}");
}

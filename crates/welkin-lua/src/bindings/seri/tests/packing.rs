//! Values to bytes: what they look like, what is refused, and what user code may do meanwhile.

use welkin_lua_vm::ffi;
use welkin_runtime::PayloadBuf;

use super::super::{PackError, pack, pack_stack};
use super::Lua;

#[test]
fn scalars_have_the_known_bytes() {
    Lua::new().run(cr##"
        gives("") gives("00", nil) gives("0000", nil, nil) gives("0901", true, false)
        gives("02", 0) gives("0a01", 1) gives("0aff", 255) gives("120001", 256) gives("12ffff", 65535)
        gives("2200000100", 65536) gives("22ffffff7f", 0x7fffffff) gives("320000008000000000", 0x80000000)
        gives("22ffffffff", -1) gives("2200000080", -0x80000000) gives("32ffffff7fffffffff", -0x80000001)
        gives("32ffffffffffffff7f", math.maxinteger) gives("320000000000000080", math.mininteger)
        gives("420000000000000000", 0.0) gives("420000000000000080", -0.0) gives("42000000000000f03f", 1.0)
        gives("42000000000000f07f", 1/0) gives("420000000000000c40", 3.5)
        gives("04", "") gives("0c78", "x") gives("0c31", "1")
        eq(hex(packstring(("x"):rep(31)):sub(1, 1)), "fc")
        eq(hex(packstring(("x"):rep(32)):sub(1, 4)), "15200078")
        eq(hex(packstring(("x"):rep(65535)):sub(1, 4)), "15ffff78")
        eq(hex(packstring(("x"):rep(65536)):sub(1, 6)), "250000010078")
        eq(#packstring(("x"):rep(1000000)), 1000005)
    "##);
}

#[test]
fn tables_have_the_known_bytes() {
    Lua::new().run(cr##"
        gives("0600", {}) gives("160a010a0200", { 1, 2 }) gives("060c610a0100", { a = 1 })
        gives("0e0a010a030a0300", { 1, nil, 3 }) gives("060a030a0300", { nil, nil, 3 })
        gives("160a010a0242000000000000f83f0a0300", { 1, 2, [1.5] = 3 })
        gives("06090100", { [true] = false }) gives("0e0a01020a0100", { [1] = 1, [0] = 1 })
        gives("0e0a010c310a0200", { 1, ["1"] = 2 })
        gives("160a010a0200", setmetatable({ 1, 2 }, { __index = function() return 1 end, __len = function() return 9 end }))
        gives("060c610a0100", setmetatable({ a = 1 }, { __name = "x" }))
        local zeros = {}
        for i = 1, 31 do zeros[i] = 0 end
        gives("fe0a1f" .. ("02"):rep(31) .. "00", zeros)
        zeros[31] = nil
        gives("f6" .. ("02"):rep(30) .. "00", zeros)
        for i = 1, 256 do zeros[i] = 0 end
        gives("fe120001" .. ("02"):rep(256) .. "00", zeros)
    "##);
}

#[test]
fn the_deepest_values_stand_on_level_32() {
    Lua::new().run(cr##"
        local deep = "serialize can't pack too depth table"
        gives(("0e"):rep(32) .. "0600" .. ("00"):rep(32), nested(33))
        raises(deep, packstring, nested(34))
        local function fill(t, k) local inner = t while inner[1] do inner = inner[1] end inner[k] = 5 return t end
        packstring(fill(nested(32), 1)) packstring(fill(nested(32), "x"))
        raises(deep, packstring, fill(nested(33), 1)) raises(deep, packstring, fill(nested(33), "x"))
        packstring({ [nested(32)] = 1 })
        raises(deep, packstring, { [nested(33)] = 1 })
        local cycle = {}
        cycle[1] = cycle
        raises(deep, packstring, cycle)
        cycle = {}
        cycle.a = { cycle }
        raises(deep, pack, 1, cycle, 2)
        local t = {}
        for _ = 1, 32 do t = one_pair(1, t) end
        packstring(t)
        raises(deep, packstring, one_pair(1, t))
        cycle = setmetatable({}, {})
        getmetatable(cycle).__pairs = function() return one_pair(1, cycle), nil, nil end
        raises("attempt to call a table value", packstring, cycle)
    "##);
}

#[test]
fn what_cannot_be_packed_is_named() {
    Lua::new().run(
        cr##"
        raises("Unsupport type function to serialize", packstring, print)
        raises("Unsupport type thread to serialize", pack, coroutine.create(print))
        raises("Unsupport type userdata to serialize", pack, io.stdout)
        raises("Unsupport type function to serialize", pack, { 1, { print } })
        raises("Unsupport type function to serialize", pack, { [print] = 1 })
        raises("Unsupport type function to serialize", pack, one_pair(1, print))
        eq(select(2, pcall(packstring, print)), "Unsupport type function to serialize")
        local ok, message = pcall(function() local s = packstring(print) return s end)
        eq(message:match "^%[string.*%]:%d+: (.*)", "Unsupport type function to serialize")
    "##,
    );
}

#[test]
fn pairs_of_its_own_decide_a_table_s_content() {
    Lua::new().run(cr##"
        local function with(f, t) return setmetatable(t or {}, { __pairs = f }) end
        gives("060c610a0100", with(function() return next, { a = 1 } end, { 9 }))
        gives("16060a010a070a020a08000a0900", { with(function() return next, { 7, 8 } end), 9 })
        gives("060c6b0c76146b320e0a010000", with(function(t)
            return function(_, k)
                if k == nil then return "k", "v" end
                if k == "k" then return "k2", { 1 } end
            end, t, nil
        end))
        gives("060a010c780c79000c7142000000000000f83f00", with(function()
            return function(_, k)
                if not k then return 1, "x" elseif k == 1 then return "y" elseif k == "y" then return "q", 1.5 end
            end
        end))
        gives("060c610a0100", with(setmetatable({}, { __call = function() return next, { a = 1 } end })))
        raises("attempt to call a nil value", packstring, with(function() end))
        raises("attempt to call a boolean value", packstring, with(false))
        raises("attempt to call a number value", packstring, with(5))
        raises("attempt to yield", packstring, with(function() coroutine.yield() end))
        raises("boo", pack, with(function() error "boo" end))
        raises("inner", pack, { with(function() return function() error "inner" end end) })
        local object = {}
        eq(select(2, pcall(pack, with(function() error(object) end))), object)
    "##);
}

#[test]
fn user_code_may_pack_in_the_middle_of_packing() {
    Lua::new().run(
        cr##"
        local function inner(levels)
            return setmetatable({}, { __pairs = function()
                local bytes = packstring(levels, levels > 0 and inner(levels - 1) or {})
                pcall(packstring, "lost", { print })
                pcall(pack, "lost", one_pair(1, print))
                collectgarbage()
                return next, { [1] = bytes }
            end })
        end
        local before, t, after = unpack(packstring("before", inner(5), "after"))
        eq(before, "before") eq(after, "after")
        for n = 5, 0, -1 do
            local level
            level, t = unpack(t[1])
            eq(level, n)
        end
    "##,
    );
}

#[test]
fn finalizers_may_pack_in_the_middle_of_packing() {
    Lua::new().run(cr##"
        collectgarbage("generational")
        local finalized = 0
        local function litter()
            setmetatable({}, { __gc = function()
                finalized = finalized + 1
                eq(unpack(packstring(("y"):rep(100))), ("y"):rep(100))
                pcall(packstring, one_pair(1, print))
            end })
        end
        for n = 1, 2000 do
            litter()
            local text = ("x"):rep(n) .. n
            local a, t, b = unpack(packstring(text, n % 3 == 0 and one_pair(text, n) or { [text] = n }, n))
            eq(a, text) eq(t[text], n) eq(b, n)
        end
        collectgarbage()
        eq(finalized, 2000)
    "##);
}

#[test]
fn packing_replaces_what_the_buffer_held_and_leaves_the_stack() {
    let lua = Lua::new();
    let mut out = PayloadBuf::new();
    out.extend(b"old");
    // SAFETY: the state is live; nothing here raises but the constructor of the table, on memory.
    unsafe {
        ffi::lua_pushinteger(lua.0, 1);
        ffi::lua_pushinteger(lua.0, 2);
        assert_eq!(pack_stack(lua.0, 2, &raw mut out), Ok(()));
        assert_eq!(out.as_slice(), b"\x0a\x02");
        ffi::lua_createtable(lua.0, 0, 0);
        ffi::lua_pushcfunction(lua.0, pack);
        ffi::lua_rawseti(lua.0, -2, 1);
        assert_eq!(
            pack_stack(lua.0, 1, &raw mut out),
            Err(PackError::Unsupported("function"))
        );
        assert_eq!(ffi::lua_gettop(lua.0), 3);
        assert_eq!(pack_stack(lua.0, 4, &raw mut out), Ok(()));
        assert!(out.is_empty());
    }
}

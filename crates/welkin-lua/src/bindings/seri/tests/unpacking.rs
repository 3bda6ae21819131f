//! Bytes to values: what is refused, and that lies do no harm.

use std::ffi::c_int;

use proptest::prelude::*;
use welkin_lua_vm::ffi;

use super::super::{UnpackError, unpack_to_stack};
use super::Lua;

impl Lua {
    /// Unpacks as the dispatcher does, not called from Lua, onto a coroutine that does not run.
    fn unpack_on_coroutine(&self, bytes: &[u8]) -> Result<c_int, UnpackError> {
        // SAFETY: the state is live; the coroutine stays on its stack until it is popped.
        unsafe {
            let co = ffi::lua_newthread(self.0);
            ffi::lua_pushboolean(co, 1);
            let result = unpack_to_stack(co, bytes);
            assert_eq!(
                ffi::lua_gettop(co),
                1 + result.unwrap_or(0),
                "the stack is left as it was"
            );
            ffi::lua_settop(self.0, -2);
            result
        }
    }
}

#[test]
fn malformed_bytes_are_refused_with_what_is_left() {
    Lua::new().run(cr##"
        local bad = {
            ["1a"] = 0, ["2a"] = 0, ["3a"] = 0, ["4a"] = 0, ["0a"] = 0, ["12"] = 0, ["12 01"] = 1, ["22 00"] = 1,
            ["32 00 00 00 00 00 00"] = 6, ["42"] = 0, ["0d 00"] = 1, ["05"] = 0, ["1d 00 00"] = 2, ["15"] = 0,
            ["15 01"] = 1, ["15 01 00"] = 0, ["15 02 00 61"] = 1, ["25 ff ff ff ff 61"] = 1, ["07"] = 0, ["0f"] = 0,
            ["03 01"] = 1, ["06"] = 0, ["0e"] = 0, ["0e 00"] = 0, ["16 0a 01"] = 0, ["16 0a 01 0a 02"] = 0, ["fe"] = 0,
            ["fe 00"] = 0, ["fe 42 00 00 00 00 00 00 f0 3f 00"] = 9, ["fe 22 ff ff ff 7f 00"] = 0, ["fe 0a 1f 00"] = 0,
            ["fe 0c 61"] = 1, ["06 0a 01 0a"] = 0, ["02 02 07"] = 0, ["1c 61 62"] = 2, ["0c"] = 0, ["fc 61"] = 1,
            ["6c 61 62"] = 2, ["06 4f"] = 0, ["0a 05 0a"] = 0, ["0c 61 06 0c 62 0c"] = 0, ["2a ff"] = 1,
            ["06 0a 07 00 00 05"] = 0, ["0e 06 0c 61 06 0a 01"] = 0,
        }
        for text, left in pairs(bad) do
            local ok, message = pcall(unpack, raw(text))
            eq(ok, false)
            eq(message:match "^Invalid serialize stream (%d+) %(line:%d+%)$", tostr(left))
        end
        raises("Invalid serialize stream", function() return (unpack "\x0a") end)
        eq(select(2, pcall(function() return (unpack(raw "06 42 00 00 00 00 00 00 f8 7f 0a 01 00")) end)), "table index is NaN")
        eq(next(unpack(raw "06 0a 01 00 00")), nil)
        eq(next(unpack(raw "fe 22 ff ff ff ff 00")), nil)
        eq(math.type((next(unpack(raw "06 42 00 00 00 00 00 00 f0 3f 0a 01 00")))), "integer")
        eq(select("#", unpack(raw "06 f8 09")), 2)
    "##);
}

#[test]
fn lies_cost_no_more_than_their_bytes() {
    let lua = Lua::new();
    lua.set("levels", &[0x0e; 1_000_000]);
    // Nested tables, each with as many items as an i32 can say.
    lua.set(
        "gigabytes",
        &[0xfe, 0x22, 0xff, 0xff, 0xff, 0x7f].repeat(150_000),
    );
    lua.run(
        cr##"
        raises("Invalid serialize stream 999799 (line:", unpack, levels)
        raises("Invalid serialize stream", unpack, gigabytes)
        raises("Invalid serialize stream", unpack, gigabytes:sub(1, 600))
        collectgarbage()
        local before = collectgarbage "count"
        collectgarbage "stop"
        pcall(unpack, gigabytes)
        local used = (collectgarbage "count" - before) * 1024
        if used > 20 * #gigabytes then error(used) end
        raises("stack overflow", unpack, ("\0"):rep(2000000))
        raises("stack overflow", unpack, ("\6\0"):rep(1200000))
    "##,
    );
}

#[test]
fn two_hundred_levels_are_read() {
    Lua::new().run(
        cr##"
        local function levels(n) return ("\x0e"):rep(n - 1) .. "\6\0" .. ("\0"):rep(n - 1) end
        local t, depth = unpack(levels(200)), 0
        while t do t, depth = t[1], depth + 1 end
        eq(depth, 200)
        raises("Invalid serialize stream", unpack, levels(201))
    "##,
    );
}

#[test]
fn an_error_leaves_the_stack_of_a_waiting_coroutine_as_it_was() {
    let lua = Lua::new();
    assert_eq!(lua.unpack_on_coroutine(b"\x02\x09\x0cx\x06\x00"), Ok(4));
    assert_eq!(lua.unpack_on_coroutine(&[0; 5000]), Ok(5000));
    assert_eq!(lua.unpack_on_coroutine(b""), Ok(0));
    assert!(
        matches!(lua.unpack_on_coroutine(b"\x02\x16\x06\x0cx\x02\x00\x07"), Err(UnpackError::Stream(e)) if e.left == 0)
    );
    assert_eq!(
        lua.unpack_on_coroutine(b"\x06\x42\0\0\0\0\0\0\xf8\x7f\x02\x00"),
        Err(UnpackError::NanKey)
    );
    assert_eq!(
        lua.unpack_on_coroutine(&[0; 2_000_000]),
        Err(UnpackError::NoStack)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_unpacked_without_harm(tail in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..60usize) {
        let lua = Lua::new();
        let mut bytes = b"\x16\x0a\x01\x06\x0cx\x15\x02\x00ab\x00\xfe\x0a\x02\x02\x09\x00\x42\0\0\0\0\0\0\xf0\x3f".to_vec();
        bytes.truncate(cut);
        bytes.extend(tail);
        if lua.unpack_on_coroutine(&bytes).is_ok() {
            lua.set("bytes", &bytes);
            // Pointers in it are not followed by anybody; NaN and deep tables are refused before.
            lua.run(c"local ok, again = pcall(packstring, unpack(bytes)) if ok then eq(#packstring(unpack(again)), #again) end");
        }
    }
}

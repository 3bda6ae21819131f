//! `unpack`, and the functions for the memory that events carry: `drop`, `str2p`, `header`.

use std::ffi::c_int;

use welkin_net::event;
use welkin_runtime::Payload;

use super::arguments;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::{State, lua_State};

lua_fn! {
    /// `unpack(message, size) -> type, id, ud, data[, address]`: the fields of a socket event. `data` is
    /// a pointer that the caller owns from now on for DATA and UDP, else a string.
    fn unpack(call: &mut Call) -> LuaResult {
        let (pointer, size) = arguments::block(call.state, 1);
        // SAFETY: a message of kind SOCKET, by the caller's word as for every pointer of skynet's API.
        match unsafe { unpack_to_stack(call.L, pointer.cast(), size) } {
            0 => Err(LuaError::new("the message is no socket event")),
            results => Ok(results),
        }
    }

    /// `drop(pointer, size)`: frees the data of an event.
    fn drop_block(call: &mut Call) -> LuaResult {
        let (pointer, size) = arguments::given_block(call.state, 1);
        // SAFETY: the caller owns the block and gives it up.
        drop(unsafe { Payload::from_raw(pointer, size) });
        Ok(0)
    }

    /// `str2p(string) -> pointer, size`: a copy that whoever gets the pointer owns.
    fn str2p(call: &mut Call) -> LuaResult {
        let (pointer, size) = Payload::copy_from(call.state.check_text(1)).into_raw();
        call.state.push_light(pointer);
        call.state.push_int(size as i64);
        Ok(2)
    }

    /// `header(string) -> integer`: the unsigned big endian number of 1 to 4 bytes.
    fn header(call: &mut Call) -> LuaResult {
        let bytes = call.state.check_text(1);
        if !(1..=4).contains(&bytes.len()) {
            return Err(LuaError::new(format!("Invalid read {}", String::from_utf8_lossy(bytes))));
        }
        call.state.push_int(bytes.iter().fold(0, |value, &byte| value << 8 | i64::from(byte)));
        Ok(1)
    }
}

/// Pushes what `unpack` returns for the event in `len` bytes at `message`, and gives the number of
/// values, 4 or 5; 0 and nothing pushed: it is no event. Allocates one or two strings of at most
/// [`event::TEXT_MAX`] bytes, and nothing for DATA.
///
/// # Safety
/// `l` is a thread with room for 5 values, run by this worker; `message` is null or has `len` bytes.
/// The buffer of DATA and UDP belongs to the program afterwards: the payload must not free it.
pub unsafe fn unpack_to_stack(l: *mut lua_State, message: *const u8, len: usize) -> c_int {
    if message.is_null() {
        return 0;
    }
    // SAFETY: by the contract above.
    let (state, bytes) = unsafe { (State::new(l), std::slice::from_raw_parts(message, len)) };
    let Some(event) = event::decode(bytes) else {
        return 0;
    };
    state.push_int(event.kind.into());
    state.push_int(event.id.into());
    state.push_int(event.ud.into());
    match event.kind {
        event::DATA => state.push_light(event.buffer.cast()),
        event::UDP => {
            state.push_light(event.buffer.cast());
            state.push_bytes(event.text);
            return 5;
        }
        _ => state.push_bytes(event.text),
    }
    4
}

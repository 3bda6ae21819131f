//! `pack`, `unpack` and their kin: Lua values to a message's bytes and back, straight on the stack.
//!
//! The byte format is `welkin_codec::seri`; here are the walks over a Lua stack ([`pack_stack`],
//! [`unpack_to_stack`]), which the dispatcher uses as well, and the functions that programs see. They
//! are on the path of every message, so nothing is built in between: packing writes what it reads from
//! the stack, unpacking pushes what it reads from the bytes.
//!
//! Memory that `pack` hands out belongs to the Lua program, which puts it into a message or gives it
//! to `trash`. What `unpack` and `tostring` read stays with whoever owns it.

#![allow(unsafe_code)]

mod anchored;
mod pack;
#[cfg(test)]
mod tests;
mod unpack;

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::fmt::{self, Display, Write};

use mlua_sys as ffi;
use welkin_runtime::{Payload, PayloadBuf};

use super::pointer;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

pub use pack::{PackError, pack_stack};
pub use unpack::{UnpackError, unpack_to_stack};

/// Packed values up to this size are copied from the scratch; larger ones take its memory along.
const COPIED_BYTES_MAX: usize = 2048;

/// Bytes a thread keeps between two calls of `packstring`.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Packed bytes on their way into a Lua string: making the string may leave by longjmp, and what
    /// it copies must not be lost with the frame.
    static SCRATCH: UnsafeCell<PayloadBuf> = const { UnsafeCell::new(PayloadBuf::new()) };
}

/// Packs the values from `first` to the top into a message's payload. What fits into the thread's
/// scratch is copied out exactly, so that a queue of small messages takes little memory.
pub fn pack_payload(state: State, first: c_int) -> Result<Payload, PackError> {
    let scratch = SCRATCH.with(UnsafeCell::get);
    // SAFETY: Lua's running thread; nested use of the scratch as in `packstring`.
    unsafe {
        pack_stack(state.ptr(), first, scratch)?;
        if (*scratch).len() <= COPIED_BYTES_MAX {
            return Ok(Payload::copy_from((*scratch).as_slice()));
        }
        Ok(std::mem::replace(&mut *scratch, PayloadBuf::new()).finish())
    }
}

lua_fn! {
    /// `pack(...) -> lightuserdata, integer`: the values in memory that the program now owns.
    fn pack(call: &mut Call) -> LuaResult {
        let (mut data, size) = match pack_payload(call.state, 1) {
            Ok(payload) => payload.into_raw(),
            Err(error) => return raise(call.state, &error),
        };
        if data.is_null() {
            // No values: programs see a pointer all the same, one that can be sent or freed.
            // SAFETY: no precondition.
            data = unsafe { libc::malloc(1) };
        }
        call.state.push_light(data);
        call.state.push_int(size as i64);
        Ok(2)
    }

    /// `packstring(...) -> string`: the values as a string.
    fn packstring(call: &mut Call) -> LuaResult {
        let scratch = SCRATCH.with(UnsafeCell::get);
        // SAFETY: Lua's running thread. User code that packs strings meanwhile uses the same scratch,
        // which `pack_stack` allows: it writes the result when no such code runs any more.
        if let Err(error) = unsafe { pack_stack(call.L, 1, scratch) } {
            return raise(call.state, &error);
        }
        // SAFETY: only this thread reaches its scratch. Lua copies the bytes before it may run a
        // finalizer, which may use the scratch again.
        unsafe {
            call.state.push_bytes((*scratch).as_slice());
            if (*scratch).len() > SCRATCH_BYTES_MAX {
                *scratch = PayloadBuf::new();
            }
        }
        Ok(1)
    }

    /// `unpack(string)`, `unpack(pointer, size)` `-> ...`: the values; none for nil.
    fn unpack(call: &mut Call) -> LuaResult {
        let state = call.state;
        let bytes = match state.type_of(1) {
            ffi::LUA_TNONE | ffi::LUA_TNIL => return Ok(0),
            ffi::LUA_TSTRING => state.string(1),
            _ => match state.check_int(2) {
                ..=0 => return Ok(0),
                size => memory(state, 1, size as usize),
            },
        };
        let Some(bytes) = bytes else {
            return raise(state, &"deserialize null pointer");
        };
        // SAFETY: Lua's running thread; the bytes are an argument's or belong to the program.
        match unsafe { unpack_to_stack(call.L, bytes) } {
            Ok(count) => Ok(count),
            // As Lua itself says it from within a C function: without a position.
            Err(error @ UnpackError::NanKey) => {
                push_text(state, &error);
                Err(LuaError::Raise)
            }
            Err(error) => raise(state, &error),
        }
    }

    /// `tostring(pointer, size) -> string`: a copy; nothing for nil.
    fn tostring(call: &mut Call) -> LuaResult {
        let state = call.state;
        if matches!(state.type_of(1), ffi::LUA_TNONE | ffi::LUA_TNIL) {
            return Ok(0);
        }
        let bytes = match usize::try_from(state.check_int(2)) {
            Ok(0) if is_light(state, 1) => Some(&[][..]),
            Ok(size) => memory(state, 1, size),
            Err(_) => None,
        };
        let Some(bytes) = bytes else {
            return raise(state, &format_args!("skynet.tostring invalid param {}", state.type_name(1)));
        };
        state.push_bytes(bytes);
        Ok(1)
    }

    /// `trash(pointer, size)`: frees what `pack` gave. A string is accepted and left alone.
    fn trash(call: &mut Call) -> LuaResult {
        let state = call.state;
        if state.type_of(1) == ffi::LUA_TSTRING {
            return Ok(0);
        }
        if !is_light(state, 1) {
            return raise(state, &format_args!("skynet.trash invalid param {}", state.type_name(1)));
        }
        state.check_int(2);
        let pointer = state.to_userdata(1);
        if let Err(why) = pointer::refuse_given(state, pointer, 0) {
            let why = why.to_str().unwrap_or_default();
            return raise(state, &format_args!("skynet.trash invalid param: {why}"));
        }
        // SAFETY: the program says that it owns this memory, and messages' memory is from `malloc`.
        unsafe { libc::free(pointer) };
        Ok(0)
    }
}

fn is_light(state: State, index: c_int) -> bool {
    state.type_of(index) == ffi::LUA_TLIGHTUSERDATA
}

/// The `size` bytes that a userdata stands for. A light one is believed unless it cannot be right
/// ([`pointer::is_readable`]); of a full one they must lie within its block. `None`: a null or impossible
/// pointer, or no userdata.
fn memory<'a>(state: State, index: c_int, size: usize) -> Option<&'a [u8]> {
    let pointer = state.to_userdata(index).cast::<u8>();
    if pointer.is_null() || !is_light(state, index) && size > state.raw_len(index) {
        return None;
    }
    if is_light(state, index) && !pointer::is_readable(state, pointer.cast(), size) {
        return None;
    }
    // SAFETY: the program says that `size` bytes are there; they stay while this call looks at them.
    Some(unsafe { std::slice::from_raw_parts(pointer, size) })
}

/// Pushes `error` behind the position of the calling Lua line, to be raised.
#[cold]
fn raise(state: State, error: &dyn Display) -> LuaResult {
    state.push_where(1);
    push_text(state, error);
    state.concat(2);
    Err(LuaError::Raise)
}

/// Pushes the text of `value`, made on the frame: pushing may raise, so nothing is owned meanwhile.
fn push_text(state: State, value: &dyn Display) {
    let mut line = Line {
        text: [0; 128],
        len: 0,
    };
    // What does not fit is left out; the texts of this module are far shorter.
    let _ = write!(line, "{value}");
    state.push_bytes(&line.text[..line.len]);
}

struct Line {
    text: [u8; 128],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self
            .text
            .get_mut(self.len..self.len + text.len())
            .ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

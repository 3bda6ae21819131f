//! Lua values to bytes.
//!
//! Packing is tried in a plain walk first, which runs no Lua code, makes no Lua object and so cannot
//! be left by longjmp: it writes where it was told to and is done. A table that iterates by a
//! `__pairs` of its own is user code, which may raise, and may itself pack. The plain walk stops there
//! and the values are packed anew into a buffer that a Lua userdata owns: if user code raises, the
//! collector frees it. The caller's buffer is empty meanwhile and may be used by the user's code.

use std::ffi::c_int;
use std::fmt;

use mlua_sys as ffi;
use welkin_codec::seri::{PACK_DEPTH_MAX, Sink, TooLong, Writer};
use welkin_runtime::PayloadBuf;

use super::anchored::{anchor_pairs, push_buffer, push_pairs_name};
use crate::state::{State, lua_State};

/// Why values cannot be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// A value of this type: function, thread or userdata.
    Unsupported(&'static str),
    /// A value more than [`PACK_DEPTH_MAX`] levels deep; a table within itself, as a rule.
    TooDeep,
    /// A string too long for the format.
    TooLong,
    /// Lua's stack is full.
    NoStack,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(kind) => write!(f, "Unsupport type {kind} to serialize"),
            Self::TooDeep => f.write_str("serialize can't pack too depth table"),
            Self::TooLong => TooLong.fmt(f),
            Self::NoStack => f.write_str("stack overflow"),
        }
    }
}

/// Packs the values from index `from` to the top; `out` then holds their bytes and nothing else. The
/// stack is as before, also after an error; what `out` holds then means nothing.
///
/// Only when a table has a `__pairs` can Lua code run, and leave by longjmp. `out` is empty then and
/// owns no memory, and it is not touched before that code has returned.
///
/// # Safety
/// `L` is the running thread, in a protected call. `out` is valid for the whole time and not
/// accessed by anybody else but by Lua code that is called from here.
#[allow(non_snake_case)]
pub unsafe fn pack_stack(
    L: *mut lua_State,
    from: c_int,
    out: *mut PayloadBuf,
) -> Result<(), PackError> {
    // SAFETY: the caller's promise.
    let state = unsafe { State::new(L) };
    let top = state.top();
    // SAFETY: the caller's promise.
    unsafe { (*out).clear() };
    let stop = match (Walk {
        state,
        bytes: Bytes(out),
        calls: false,
    })
    .values(from, top)
    {
        Ok(()) => return Ok(()),
        Err(stop) => stop,
    };
    state.set_top(top);
    match stop {
        Stop::Error(error) => Err(error),
        Stop::UserCode => {
            // SAFETY: the caller's promise; nothing is lost with this frame from here on.
            unsafe { *out = PayloadBuf::new() };
            pack_with_calls(state, from, top, out)
        }
    }
}

/// The second try, in which Lua code may run.
#[cold]
fn pack_with_calls(
    state: State,
    from: c_int,
    top: c_int,
    out: *mut PayloadBuf,
) -> Result<(), PackError> {
    if !state.check_stack(ffi::LUA_MINSTACK) {
        return Err(PackError::NoStack);
    }
    anchor_pairs(state);
    let buffer = push_buffer(state);
    let walked = Walk {
        state,
        bytes: Bytes(buffer),
        calls: true,
    }
    .values(from, top);
    // SAFETY: the userdata is on the stack still, so the buffer lives; no Lua code runs any more, so
    // nobody else uses either of the two.
    let packed = unsafe { std::mem::take(&mut *buffer) };
    state.set_top(top);
    match walked {
        Ok(()) => {
            // SAFETY: promised to `pack_stack`.
            unsafe { *out = packed };
            Ok(())
        }
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::UserCode) => unreachable!("this walk calls it"),
    }
}

/// Why a walk ended early.
enum Stop {
    Error(PackError),
    /// A `__pairs`, or the name is not at hand to look for it without making a string.
    UserCode,
}

impl From<PackError> for Stop {
    fn from(error: PackError) -> Self {
        Self::Error(error)
    }
}

/// The buffer that is written. A pointer, as no reference may be held while Lua code runs.
struct Bytes(*mut PayloadBuf);

impl Sink for Bytes {
    #[inline]
    fn push(&mut self, byte: u8) {
        // SAFETY: valid for the walk (`pack_stack`), and nobody else uses it during this call.
        unsafe { (*self.0).push(byte) }
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        // SAFETY: as above; `bytes` are Lua's or the frame's.
        unsafe { (*self.0).extend(bytes) }
    }
}

struct Walk {
    state: State,
    bytes: Bytes,
    /// Whether Lua code may be called.
    calls: bool,
}

impl Walk {
    fn values(&mut self, from: c_int, to: c_int) -> Result<(), Stop> {
        (from..=to).try_for_each(|index| self.value(index, 0))
    }

    fn value(&mut self, index: c_int, depth: u32) -> Result<(), Stop> {
        if depth > PACK_DEPTH_MAX {
            return Err(PackError::TooDeep.into());
        }
        let state = self.state;
        let mut writer = Writer::new(&mut self.bytes);
        match state.type_of(index) {
            ffi::LUA_TSTRING => {
                let string = state.string(index).unwrap_or_default();
                writer
                    .string(string)
                    .map_err(|TooLong| PackError::TooLong)?;
            }
            ffi::LUA_TNUMBER => match number(state, index) {
                Number::Integer(value) => writer.integer(value),
                Number::Float(value) => writer.float(value),
            },
            ffi::LUA_TTABLE => return self.table(index, depth),
            ffi::LUA_TNIL => writer.nil(),
            ffi::LUA_TBOOLEAN => writer.boolean(state.to_bool(index)),
            ffi::LUA_TLIGHTUSERDATA => writer.pointer(state.to_userdata(index) as usize),
            _ => return Err(PackError::Unsupported(state.type_name(index)).into()),
        }
        Ok(())
    }

    fn table(&mut self, index: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        if !state.check_stack(ffi::LUA_MINSTACK) {
            return Err(PackError::NoStack.into());
        }
        if state.get_metatable(index) != 0 && self.push_pairs()? {
            return self.called_pairs(index, depth);
        }
        let length = state.raw_len(index);
        Writer::new(&mut self.bytes).table(length);
        let slot = state.top() + 1;
        for item in 1..=length as i64 {
            state.raw_get_i(index, item);
            self.value(slot, depth + 1)?;
            state.pop(1);
        }
        self.pairs(index, length, depth)
    }

    /// What is not an item of the array, in the order of `next`.
    fn pairs(&mut self, index: c_int, length: usize, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        let key = state.top() + 1;
        state.push_nil();
        while state.next(index) != 0 {
            if length == 0 || !is_item(state, key, length) {
                self.value(key, depth + 1)?;
                self.value(key + 1, depth + 1)?;
            }
            state.pop(1);
        }
        Writer::new(&mut self.bytes).end_table();
        Ok(())
    }

    /// Replaces the metatable on top by its `__pairs`; without one, pops it and gives false.
    fn push_pairs(&mut self) -> Result<bool, Stop> {
        let state = self.state;
        if push_pairs_name(state) == ffi::LUA_TNIL {
            return Err(Stop::UserCode);
        }
        if state.raw_get(-2) == ffi::LUA_TNIL {
            state.pop(2);
            return Ok(false);
        }
        if !self.calls {
            return Err(Stop::UserCode);
        }
        state.remove(-2);
        Ok(true)
    }

    /// Pairs as the function on top iterates over the table at `index`.
    fn called_pairs(&mut self, index: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        let iterator = state.top();
        state.push_value(index);
        state.call(1, 3);
        Writer::new(&mut self.bytes).table(0);
        state.for_each(|key| {
            self.value(key, depth + 1)?;
            self.value(key + 1, depth + 1)
        })?;
        state.set_top(iterator - 1);
        Writer::new(&mut self.bytes).end_table();
        Ok(())
    }
}

enum Number {
    Integer(i64),
    Float(f64),
}

#[inline]
fn number(state: State, index: c_int) -> Number {
    let l = state.ptr();
    // SAFETY: a live thread (`State`) and, as the caller has looked, a number; nothing is converted.
    unsafe {
        if ffi::lua_isinteger(l, index) != 0 {
            Number::Integer(ffi::lua_tointegerx(l, index, std::ptr::null_mut()))
        } else {
            Number::Float(ffi::lua_tonumberx(l, index, std::ptr::null_mut()))
        }
    }
}

/// Whether the key at `index` is one of `1..=length`.
#[inline]
fn is_item(state: State, index: c_int, length: usize) -> bool {
    // A float key never has an integral value, and a string is not looked at as a number.
    state.type_of(index) == ffi::LUA_TNUMBER
        && matches!(number(state, index), Number::Integer(key) if key >= 1 && key as u64 <= length as u64)
}

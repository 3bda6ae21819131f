//! Bytes to Lua values.
//!
//! The bytes may be a stranger's: the reader checks each length, tables are made no larger than the
//! bytes can fill, tables within tables are counted, and the stack is asked for room. Nothing here
//! raises but Lua's allocator, so the dispatcher may unpack onto the stack of a coroutine that does
//! not run yet, outside of any protected call, while the memory limit is lifted.

use std::ffi::c_int;
use std::fmt;

use mlua_sys as ffi;
use welkin_codec::seri::{READ_DEPTH_MAX, Reader, SeriError, Token};

use crate::state::{State, lua_State};

/// Why bytes cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// They are not packed values, or tables within tables deeper than [`READ_DEPTH_MAX`].
    Stream(SeriError),
    /// A table with NaN as a key, which Lua has not.
    NanKey,
    /// More values than Lua's stack holds.
    NoStack,
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(error) => error.fmt(f),
            Self::NanKey => f.write_str("table index is NaN"),
            Self::NoStack => f.write_str("stack overflow"),
        }
    }
}

impl From<SeriError> for UnpackError {
    #[cold]
    fn from(error: SeriError) -> Self {
        Self::Stream(error)
    }
}

/// Pushes all values of `bytes` and gives their number. After an error the stack is as before.
///
/// # Safety
/// `L` is a thread, running or not, of the VM that this worker runs, and `bytes` stay as they are.
/// Outside of a protected call Lua's allocator must not fail.
#[allow(non_snake_case)]
pub unsafe fn unpack_to_stack(L: *mut lua_State, bytes: &[u8]) -> Result<c_int, UnpackError> {
    // SAFETY: the caller's promise.
    let state = unsafe { State::new(L) };
    let top = state.top();
    let result = Build {
        state,
        reader: Reader::new(bytes),
    }
    .values();
    if result.is_err() {
        state.set_top(top);
    }
    result
}

struct Build<'a> {
    state: State,
    reader: Reader<'a>,
}

impl Build<'_> {
    fn values(&mut self) -> Result<c_int, UnpackError> {
        let mut count = 0;
        let mut room = 0;
        while let Some(token) = self.reader.next()? {
            if room == 0 {
                self.check_stack()?;
                room = ffi::LUA_MINSTACK;
            }
            room -= 1;
            self.push(token, 0)?;
            count += 1;
        }
        Ok(count)
    }

    // Always inlined behind the reader, so that no token is put together in memory.
    #[inline(always)]
    fn push(&mut self, token: Token<'_>, depth: u32) -> Result<(), UnpackError> {
        let state = self.state;
        match token {
            Token::Integer(value) => state.push_int(value),
            Token::String(value) => state.push_bytes(value),
            Token::Table { array } => return self.table(array, depth),
            Token::Nil => state.push_nil(),
            Token::Boolean(value) => state.push_bool(value),
            Token::Float(value) => state.push_num(value),
            Token::Pointer(value) => state.push_light(value as *mut _),
        }
        Ok(())
    }

    fn table(&mut self, array: usize, depth: u32) -> Result<(), UnpackError> {
        if depth == READ_DEPTH_MAX {
            return Err(self.reader.fault(line!()).into());
        }
        self.check_stack()?;
        let state = self.state;
        let room = c_int::try_from(self.reader.room(array)).unwrap_or(c_int::MAX);
        // A table that grows pair by pair is rehashed at each power of two; looking ahead is cheaper.
        let pairs = if array == 0 {
            self.reader.pairs_ahead()
        } else {
            0
        };
        state.create_table(room, pairs as c_int);
        for item in 1..=array {
            let token = self.reader.value()?;
            self.push(token, depth + 1)?;
            state.raw_set_i(-2, item as i64);
        }
        loop {
            match self.reader.value()? {
                Token::Nil => return Ok(()),
                Token::Float(key) if key.is_nan() => return Err(UnpackError::NanKey),
                key => self.push(key, depth + 1)?,
            }
            let value = self.reader.value()?;
            self.push(value, depth + 1)?;
            state.raw_set(-3);
        }
    }

    #[inline]
    fn check_stack(&self) -> Result<(), UnpackError> {
        if self.state.check_stack(ffi::LUA_MINSTACK) {
            Ok(())
        } else {
            Err(UnpackError::NoStack)
        }
    }
}

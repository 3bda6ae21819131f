//! The tag byte's numbers, for the reader and the writer alike.

pub const NIL: u8 = 0;
pub const BOOLEAN: u8 = 1;
pub const NUMBER: u8 = 2;
pub const POINTER: u8 = 3;
pub const SHORT_STRING: u8 = 4;
pub const LONG_STRING: u8 = 5;
pub const TABLE: u8 = 6;

/// Cookies of `NUMBER`: how the number is stored.
pub const ZERO: u8 = 0;
pub const BYTE: u8 = 1;
pub const WORD: u8 = 2;
pub const DWORD: u8 = 4;
pub const QWORD: u8 = 6;
pub const REAL: u8 = 8;

/// Cookies of `LONG_STRING`: the width of its length.
pub const LENGTH_16: u8 = 2;
pub const LENGTH_32: u8 = 4;

/// Longest string whose length fits the cookie.
pub const SHORT_STRING_MAX: usize = 31;

/// Cookie of a table whose array size follows as an integer.
pub const ARRAY_FOLLOWS: u8 = 31;

#[inline]
pub const fn tag(kind: u8, cookie: u8) -> u8 {
    kind | cookie << 3
}

//! The serialised values that services send each other (`skynet.pack`): a tag byte, then bytes.
//!
//! The low three bits of the tag are the type, the high five a *cookie*: a short length, the width of
//! a number, or a boolean itself. Values simply follow each other; there is no header and no count. A
//! table is a tag with the number of its array items, these items, then key and value in turn, and a
//! nil in the place of a key ends it. Numbers are little endian.
//!
//! ```
//! use welkin_codec::seri::{Reader, Token, Writer};
//!
//! let mut bytes = Vec::new();
//! let mut writer = Writer::new(&mut bytes);
//! writer.table(2); // {1, 2}
//! writer.integer(1);
//! writer.integer(2);
//! writer.end_table();
//! assert_eq!(bytes, [0x16, 0x0a, 0x01, 0x0a, 0x02, 0x00]);
//!
//! let mut reader = Reader::new(&bytes);
//! assert_eq!(reader.next(), Ok(Some(Token::Table { array: 2 })));
//! ```
//!
//! Reader and writer neither recurse nor allocate: how values are built is their caller's business,
//! and so is the depth, for which the limits stand here.

mod reader;
mod wire;
mod writer;

pub use reader::{Reader, SeriError, Token};
pub use writer::{Sink, TooLong, Writer};

/// Deepest level a packed value may stand on; the values packed side by side are on level 0. Other
/// nodes read what we write, so the limit is part of the format.
pub const PACK_DEPTH_MAX: u32 = 32;

/// Tables within tables that a reader should follow. No writer comes near it; it keeps the stack of
/// whoever builds values by recursion from being filled by hostile bytes.
pub const READ_DEPTH_MAX: u32 = 200;

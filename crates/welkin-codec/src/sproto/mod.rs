//! sproto: messages described by a schema, with fields known by small numbers.
//!
//! A schema arrives as a *bundle*, itself a sproto message ([`Schema::from_bundle`]). A message is a
//! count of entries, the entries (16 bits each), and the data blocks they refer to. Entries are walked
//! with a tag that counts up from -1: an even entry that is not zero holds a small value of the field
//! with that tag, zero says that the next block belongs to it, an odd one skips tags. Numbers are
//! little endian.
//!
//! ```
//! use welkin_codec::sproto::{Fields, Message, Wire};
//!
//! let mut bytes = Vec::new();
//! let mut message = Message::open(&mut bytes, 3);
//! message.integer(&mut bytes, 0, 5);
//! message.text(&mut bytes, 2, b"abc").unwrap();
//! message.close(&mut bytes);
//! assert_eq!(bytes, *b"\x03\0\x0c\0\x01\0\0\0\x03\0\0\0abc");
//!
//! let mut fields = Fields::open(&bytes).unwrap();
//! assert_eq!(fields.next(), Ok(Some((0, Wire::Inline(5)))));
//! assert_eq!(fields.next(), Ok(Some((2, Wire::Block(b"abc")))));
//! assert_eq!(fields.next(), Ok(None));
//! ```
//!
//! Writer and reader neither recurse nor keep values: how these are found or built is their caller's
//! business, and so is the depth, for which the limit stands here. On the wire messages are also
//! *packed*, which leaves zeros out ([`Packer`]).

mod array;
mod bundle;
mod listing;
mod pack;
mod reader;
mod schema;
mod writer;

pub use array::{Blocks, Integers, doubles};
pub use pack::{BrokenStream, Packer};
pub use reader::{DecodeError, Fields, Wire};
pub use schema::{Field, Kind, Protocol, Schema, Shape, Type};
pub use writer::{Block, IntegerArray, Message, TooLarge};

/// Messages within messages: the outermost is on level 1, and none may be on a level above this.
pub const DEPTH_MAX: u32 = 64;

/// Bytes of one encoded message, with the room its head takes while it is written.
pub const MESSAGE_BYTES_MAX: usize = 1 << 24;

/// Largest tag of a field or a protocol, and largest value an entry holds.
pub const TAG_MAX: u16 = 32766;

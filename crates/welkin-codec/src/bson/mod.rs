//! BSON, the documents of MongoDB (bsonspec.org, version 1.1), as skynet's programs know them.
//!
//! [`Document`] reads one element after the other and allocates nothing; [`Writer`] writes into any
//! [`Sink`]. Neither knows what a program makes of a value. What Lua has no type for (dates, object
//! ids, null) is a string there that begins with a zero byte: [`Special`].
//!
//! Documents come from servers that may be hostile: each length is compared with the bytes that are
//! there, and nothing is reserved because a length says so. How deep documents may lie within each other
//! is the walker's to limit: [`WRITE_DEPTH_MAX`], [`READ_DEPTH_MAX`].

mod place;
mod read;
mod special;
mod utf8;
mod words;
mod write;

pub use place::Place;
pub use read::{Document, Element, Value};
pub use special::{Special, SpecialError};
pub use write::{IndexName, Sink, WriteError, Writer, date_ms};

use std::fmt;

/// Documents and arrays within a document that is written; skynet's number.
pub const WRITE_DEPTH_MAX: u32 = 128;

/// Documents and arrays within a document that is read. MongoDB itself has no more than 200.
pub const READ_DEPTH_MAX: u32 = 256;

/// Bytes of a document: its length is an `i32`.
pub const DOCUMENT_BYTES_MAX: usize = i32::MAX as usize;

/// Bytes of the empty document, the shortest there is.
pub const DOCUMENT_BYTES_MIN: usize = 5;

/// The numbers that stand before elements and say what follows.
pub mod kind {
    #![allow(missing_docs)] // the names are the specification's

    pub const DOUBLE: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const DOCUMENT: u8 = 0x03;
    pub const ARRAY: u8 = 0x04;
    pub const BINARY: u8 = 0x05;
    pub const OBJECT_ID: u8 = 0x07;
    pub const BOOLEAN: u8 = 0x08;
    pub const DATE: u8 = 0x09;
    pub const NULL: u8 = 0x0a;
    pub const REGEX: u8 = 0x0b;
    pub const DB_POINTER: u8 = 0x0c;
    pub const CODE: u8 = 0x0d;
    pub const SYMBOL: u8 = 0x0e;
    pub const CODE_WITH_SCOPE: u8 = 0x0f;
    pub const INT32: u8 = 0x10;
    pub const TIMESTAMP: u8 = 0x11;
    pub const INT64: u8 = 0x12;
    pub const MAX_KEY: u8 = 0x7f;
    pub const MIN_KEY: u8 = 0xff;
}

/// What can be wrong with the bytes of a document. `Display` is the text that programs know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BsonError {
    /// A value, or what its length announces, needs more bytes than there are.
    Block {
        /// Bytes that are there, or that a document claims to have.
        have: i64,
        /// Bytes that it takes.
        need: i64,
    },
    /// A key or a part of a regular expression has no end.
    Cstring,
    /// A document does not end in a zero byte.
    End,
    /// A string cannot have this length.
    StringLength(i32),
    /// There is no such type, or an unsupported one.
    Type(u8),
    /// More than [`READ_DEPTH_MAX`] documents within each other.
    Depth,
}

impl fmt::Display for BsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block { have, need } => write!(f, "Invalid bson block ({have}:{need})"),
            Self::Cstring => f.write_str("Invalid bson block : cstring"),
            Self::End => f.write_str("Invalid document end"),
            Self::StringLength(len) => write!(f, "Invalid bson string , length = {len}"),
            Self::Type(kind) => write!(f, "Invalid bson type : {kind}"),
            Self::Depth => f.write_str("Too depth while decoding bson"),
        }
    }
}

impl std::error::Error for BsonError {}

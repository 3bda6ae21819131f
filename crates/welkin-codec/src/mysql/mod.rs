//! The client side of the MySQL protocol: packets, results in text and in binary form, logins.
//!
//! Pure functions over the bytes that have come; nothing is kept between calls. Lengths inside of a packet are
//! checked against it, so a lie is an error and costs nothing. Packets of 16 MiB and more, which the
//! protocol sends in parts, are not supported.
//!
//! Format: "Client/Server Protocol" in the internals manuals of MySQL and MariaDB.

mod binary;
mod column;
mod cursor;
mod execute;
#[cfg_attr(not(feature = "mysql-keys"), path = "keys/absent.rs")]
mod keys;
mod login;
mod reply;
mod text;

pub use binary::BinaryRow;
pub use column::{Column, kind};
pub use cursor::Cursor;
pub use execute::{Parameter, write_execute};
pub use keys::{ed25519_token, encrypt_password};
pub use login::{Greeting, SCRAMBLE_BYTES, caching_sha2_token, native_token, read_greeting};
pub use reply::{Failure, MORE_RESULTS, Outcome, Prepared, Reply, read_prepared, read_reply};
pub use text::TextRow;

use std::fmt;

/// Bytes before the body of a packet.
pub const HEADER_BYTES: usize = 4;
/// A body of this length is followed by the rest of it in another packet.
pub const BODY_BYTES_MAX: usize = 0xff_ffff;

/// Why bytes are no packet of the protocol.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum MysqlError {
    /// A packet ends too early.
    Short,
    /// A length, or what stands for one, is none.
    Length,
    /// A packet of 16 MiB or more.
    Large,
    /// A packet begins with this byte where it has no meaning.
    Unexpected(u8),
    /// A column of this type in binary form.
    Type(u8),
    /// The server asks for a file of this machine.
    LocalFile,
    /// A handshake of this version.
    Version(u8),
    /// Numbers of a date or a time that are none.
    Time,
}

impl fmt::Display for MysqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "malformed packet: it ends too early"),
            Self::Length => write!(f, "malformed packet: a length is none"),
            Self::Large => write!(f, "packets of 16 MiB and more are not supported"),
            Self::Unexpected(byte) => write!(f, "malformed packet: unexpected first byte {byte}"),
            Self::Type(kind) => write!(
                f,
                "_parse_row_data_binary()error,unsupported field type {kind}"
            ),
            Self::LocalFile => write!(f, "LOAD DATA LOCAL is not supported"),
            Self::Version(version) => write!(f, "handshake of unknown version {version}"),
            Self::Time => write!(f, "malformed packet: a date or time is none"),
        }
    }
}

impl std::error::Error for MysqlError {}

/// Why a key cannot be used for a login.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum KeyError {
    /// This build has no public keys (feature `mysql-keys`).
    Absent,
    /// The server's key cannot be read.
    Key,
    /// The password is longer than the key allows.
    Long,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "this build has no logins by public keys",
            Self::Key => "the server's public key cannot be read",
            Self::Long => "the password is too long for the server's public key",
        })
    }
}

impl std::error::Error for KeyError {}

/// One packet.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    /// Its number in the conversation.
    pub sequence: u8,
    /// What it says.
    pub body: &'a [u8],
}

impl Packet<'_> {
    /// Bytes with the header.
    pub fn size(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// The packet at the beginning of `bytes`; `None`: it is not whole yet.
pub fn packet(bytes: &[u8]) -> Result<Option<Packet<'_>>, MysqlError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let [a, b, c, sequence] = *header;
    let len = u32::from_le_bytes([a, b, c, 0]) as usize;
    if len == BODY_BYTES_MAX {
        return Err(MysqlError::Large);
    }
    Ok(rest.get(..len).map(|body| Packet { sequence, body }))
}

/// A value of a row.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A number without fraction.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Anything else, as the server sent it.
    Bytes(&'a [u8]),
    /// A date or a time, written as the server writes it in text.
    Time(TimeText),
}

/// A short text in place.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct TimeText {
    bytes: [u8; 32],
    len: u8,
}

impl TimeText {
    fn new() -> Self {
        Self {
            bytes: [0; 32],
            len: 0,
        }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Write for TimeText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let from = usize::from(self.len);
        let place = self.bytes.get_mut(from..from + text.len());
        place.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len += text.len() as u8;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_awaited_whole() {
        let bytes = b"\x03\0\0\x07abc";
        for cut in 0..bytes.len() {
            assert_eq!(packet(&bytes[..cut]), Ok(None));
        }
        let body = b"abc";
        let sequence = 7;
        assert_eq!(packet(bytes), Ok(Some(Packet { sequence, body })));
        assert_eq!(packet(b"\xff\xff\xff\0"), Err(MysqlError::Large));
    }
}

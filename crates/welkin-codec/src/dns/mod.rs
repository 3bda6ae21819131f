//! Messages to and from a name server (RFC 1035, section 4; AAAA: RFC 3596), as far as finding
//! addresses needs them: one question out, its addresses back. All integers are big endian.
//!
//! A reply comes in a datagram that anybody may have sent. It is read once from front to back; a
//! compressed name may only point backwards from where it is, so every name ends.

mod name;
mod reply;

use std::error::Error;
use std::fmt;

pub use reply::{Reply, read_reply};

/// Record type of an IPv4 address, four bytes.
pub const TYPE_A: u16 = 1;
/// Record type of an IPv6 address, sixteen bytes.
pub const TYPE_AAAA: u16 = 28;

const CLASS_IN: u16 = 1;
const HEADER_BYTES: usize = 12;
const RECURSION_DESIRED: u16 = 0x0100;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsError {
    /// A label of a name to ask for is empty or has more than 63 bytes, or the name more than 255.
    Name,
    /// The message ends inside of what it announces.
    Cut,
    /// Not exactly one question.
    Questions,
    /// A compressed name that does not point backwards, is too long, or has a label of an unknown kind.
    Compression,
    /// An address record whose length is not that of an address.
    Address,
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a name that cannot be asked for",
            Self::Cut => "it is cut short",
            Self::Questions => "it has not exactly one question",
            Self::Compression => "a name in it does not end",
            Self::Address => "an address in it has a wrong length",
        })
    }
}

impl Error for DnsError {}

/// The message that asks for the records of type `kind` that belong to `name`, labels with dots between
/// them.
pub fn write_query(id: u16, name: &[u8], kind: u16) -> Result<Vec<u8>, DnsError> {
    let mut message = Vec::with_capacity(HEADER_BYTES + name.len() + 6);
    for field in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(field.to_be_bytes());
    }
    name::write(&mut message, name)?;
    message.extend(kind.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    Ok(message)
}

/// A message and how far it has been read.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DnsError> {
        let rest = self.message.get(self.at..).ok_or(DnsError::Cut)?;
        let bytes = rest.get(..count).ok_or(DnsError::Cut)?;
        self.at += count;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, DnsError> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, DnsError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, DnsError> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_a_header_and_one_question() {
        let message = write_query(0x1234, b"a.example", TYPE_AAAA).unwrap();
        let header = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0";
        assert_eq!(
            message,
            [&header[..], b"\x01a\x07example\0\0\x1c\0\x01"].concat()
        );
    }
}

//! Bytes to fields: one entry, with the block that belongs to it, at a time.
//!
//! The bytes may come from anywhere. A count or a length is compared with the bytes that are really
//! there before anything is done with it; sums of announced lengths are never made.

use std::fmt;

/// Bytes that are no message of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError;

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("decode error")
    }
}

impl std::error::Error for DecodeError {}

/// What the wire has for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire<'a> {
    /// A small value within the entry, 0 to 32766.
    Inline(u16),
    /// A data block.
    Block(&'a [u8]),
}

impl<'a> Wire<'a> {
    /// The value of an integer, or of a decimal before it is divided.
    #[inline]
    pub fn integer(self) -> Result<i64, DecodeError> {
        match self {
            Self::Inline(value) => Ok(value.into()),
            Self::Block(bytes) => match *bytes {
                [a, b, c, d] => Ok(i32::from_le_bytes([a, b, c, d]).into()),
                _ => Ok(i64::from_le_bytes(
                    bytes.try_into().map_err(|_| DecodeError)?,
                )),
            },
        }
    }

    /// The value of a boolean; whatever is not zero is true.
    #[inline]
    pub fn boolean(self) -> Result<bool, DecodeError> {
        match self {
            Self::Inline(value) => Ok(value != 0),
            Self::Block(_) => Err(DecodeError),
        }
    }

    /// The value of a double. Four bytes are taken as the low bits of it, as other readers do.
    #[inline]
    pub fn double(self) -> Result<f64, DecodeError> {
        match self {
            Self::Inline(_) => Err(DecodeError),
            Self::Block(_) => Ok(f64::from_bits(self.integer()?.cast_unsigned())),
        }
    }

    /// The block of a field that has one.
    #[inline]
    pub fn block(self) -> Result<&'a [u8], DecodeError> {
        match self {
            Self::Inline(_) => Err(DecodeError),
            Self::Block(bytes) => Ok(bytes),
        }
    }
}

/// The fields of one message. After an error its position means nothing any more.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    entries: &'a [u8],
    rest: &'a [u8],
    next_tag: u32,
}

/// Splits the little-endian length in front of `bytes`, and the block it announces.
#[inline]
pub(super) fn split_block(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let (length, rest) = bytes.split_first_chunk().ok_or(DecodeError)?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).ok_or(DecodeError)
}

impl<'a> Fields<'a> {
    /// Begins with the message at the front of `bytes`; others may stand behind it.
    #[inline]
    pub fn open(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (count, rest) = bytes.split_first_chunk().ok_or(DecodeError)?;
        let size = 2 * usize::from(u16::from_le_bytes(*count));
        let (entries, rest) = rest.split_at_checked(size).ok_or(DecodeError)?;
        Ok(Self {
            entries,
            rest,
            next_tag: 0,
        })
    }

    /// Fields that the entries still to come announce.
    #[inline]
    pub fn announced(&self) -> usize {
        let entries = self.entries.chunks_exact(2);
        entries.filter(|entry| entry[0] & 1 == 0).count()
    }

    /// The next field: its tag, which is larger than those before, and what the wire has for it.
    #[inline(always)]
    #[expect(
        clippy::should_implement_trait,
        reason = "it fails, and a tag is no item without its value"
    )]
    pub fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, DecodeError> {
        while let Some((entry, entries)) = self.entries.split_first_chunk() {
            let entry = u16::from_le_bytes(*entry);
            self.entries = entries;
            let tag = self.next_tag;
            self.next_tag += 1;
            if entry == 0 {
                let (block, rest) = split_block(self.rest)?;
                self.rest = rest;
                return Ok(Some((tag, Wire::Block(block))));
            }
            if entry & 1 == 0 {
                return Ok(Some((tag, Wire::Inline(entry / 2 - 1))));
            }
            self.next_tag = tag + 1 + u32::from(entry / 2);
        }
        Ok(None)
    }

    /// What lies behind the message, when [`Fields::next`] has given all its fields.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

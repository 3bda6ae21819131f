//! Values to bytes: messages are written from front to back into a buffer that the caller keeps.
//!
//! How many entries a message has is known at its end only, so room for all that its type allows is
//! left in front of the blocks, and they move up when some were not needed. What is open is a small
//! copyable mark without memory of its own: code between two calls may fail in any way.

use std::fmt;

use super::{MESSAGE_BYTES_MAX, TAG_MAX};

/// A message of more than [`MESSAGE_BYTES_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object is too large (>{MESSAGE_BYTES_MAX})")
    }
}

impl std::error::Error for TooLarge {}

#[inline]
fn fits(out: &[u8]) -> Result<(), TooLarge> {
    match out.len() <= MESSAGE_BYTES_MAX {
        true => Ok(()),
        false => Err(TooLarge),
    }
}

/// An open message. Its fields come in the order of their tags, each at most once.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Where the count of entries belongs.
    start: usize,
    /// Where the next entry goes.
    entry: usize,
    /// Where the blocks begin.
    blocks: usize,
    next_tag: u16,
}

impl Message {
    /// Begins a message of at most `entries_max` entries at the end of `out`.
    #[inline]
    pub fn open(out: &mut Vec<u8>, entries_max: usize) -> Self {
        let start = out.len();
        let blocks = start + 2 + 2 * entries_max;
        out.resize(blocks, 0);
        Self {
            start,
            entry: start + 2,
            blocks,
            next_tag: 0,
        }
    }

    #[inline]
    fn put(&mut self, out: &mut [u8], entry: u16) {
        assert!(
            self.entry < self.blocks,
            "more entries than there is room for"
        );
        out[self.entry..self.entry + 2].copy_from_slice(&entry.to_le_bytes());
        self.entry += 2;
    }

    #[inline]
    fn field(&mut self, out: &mut [u8], tag: u16, entry: u16) {
        let gap = tag.checked_sub(self.next_tag).expect("tags ascend");
        if gap > 0 {
            self.put(out, 2 * (gap - 1) + 1);
        }
        self.put(out, entry);
        self.next_tag = tag + 1;
    }

    /// An integer, or a decimal that is multiplied already.
    #[inline]
    pub fn integer(&mut self, out: &mut Vec<u8>, tag: u16, value: i64) {
        match u16::try_from(value) {
            Ok(value @ 0..=TAG_MAX) => self.field(out, tag, (value + 1) * 2),
            _ => self.large_integer(out, tag, value),
        }
    }

    fn large_integer(&mut self, out: &mut Vec<u8>, tag: u16, value: i64) {
        self.field(out, tag, 0);
        match i32::try_from(value) {
            Ok(value) => {
                let [a, b, c, d] = value.to_le_bytes();
                out.extend_from_slice(&[4, 0, 0, 0, a, b, c, d]);
            }
            Err(_) => self.eight(out, value.to_le_bytes()),
        }
    }

    #[inline]
    fn eight(&self, out: &mut Vec<u8>, bytes: [u8; 8]) {
        out.extend_from_slice(&8u32.to_le_bytes());
        out.extend_from_slice(&bytes);
    }

    /// A boolean.
    #[inline]
    pub fn boolean(&mut self, out: &mut [u8], tag: u16, value: bool) {
        self.field(out, tag, (u16::from(value) + 1) * 2);
    }

    /// A double.
    #[inline]
    pub fn double(&mut self, out: &mut Vec<u8>, tag: u16, value: f64) {
        self.field(out, tag, 0);
        self.eight(out, value.to_le_bytes());
    }

    /// A text or binary.
    #[inline]
    pub fn text(&mut self, out: &mut Vec<u8>, tag: u16, text: &[u8]) -> Result<(), TooLarge> {
        self.field(out, tag, 0);
        write_text(out, text)
    }

    /// Begins the block of a message or of an array, which the caller fills and ends before it writes
    /// the next field.
    #[inline]
    pub fn block(&mut self, out: &mut Vec<u8>, tag: u16) -> Block {
        self.field(out, tag, 0);
        Block::open(out)
    }

    /// Ends the message.
    #[inline]
    pub fn close(self, out: &mut Vec<u8>) {
        let count = ((self.entry - self.start) / 2 - 1) as u16;
        out[self.start..self.start + 2].copy_from_slice(&count.to_le_bytes());
        if self.entry < self.blocks {
            out.copy_within(self.blocks.., self.entry);
            out.truncate(out.len() - (self.blocks - self.entry));
        }
    }
}

/// Text as an item of an array, or behind its field.
#[inline]
pub(super) fn write_text(out: &mut Vec<u8>, text: &[u8]) -> Result<(), TooLarge> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(TooLarge);
    }
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
    fits(out)
}

/// Bytes behind their length, which is known at their end.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    start: usize,
}

impl Block {
    /// Begins at the end of `out`. Items of an array that are messages are blocks too.
    #[inline]
    pub fn open(out: &mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        Self { start }
    }

    /// An item of an array of texts.
    #[inline]
    pub fn text(self, out: &mut Vec<u8>, text: &[u8]) -> Result<(), TooLarge> {
        write_text(out, text)
    }

    /// An item of an array of booleans.
    #[inline]
    pub fn boolean(self, out: &mut Vec<u8>, value: bool) -> Result<(), TooLarge> {
        out.push(value.into());
        fits(out)
    }

    /// An item of an array of doubles.
    #[inline]
    pub fn double(self, out: &mut Vec<u8>, value: f64) -> Result<(), TooLarge> {
        if out.len() == self.start + 4 {
            out.push(8);
        }
        out.extend_from_slice(&value.to_le_bytes());
        fits(out)
    }

    /// Makes an array of integers of it.
    #[inline]
    pub fn integers(self) -> IntegerArray {
        IntegerArray {
            block: self,
            is_wide: false,
        }
    }

    /// Ends the block.
    #[inline]
    pub fn close(self, out: &mut [u8]) -> Result<(), TooLarge> {
        fits(out)?;
        let length = (out.len() - self.start - 4) as u32;
        out[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}

/// An open array of integers: four bytes each until one needs eight.
#[derive(Clone, Copy, Debug)]
pub struct IntegerArray {
    block: Block,
    is_wide: bool,
}

impl IntegerArray {
    /// The next item.
    #[inline]
    pub fn push(&mut self, out: &mut Vec<u8>, value: i64) -> Result<(), TooLarge> {
        if !self.is_wide {
            if out.len() == self.block.start + 4 {
                out.push(4);
            }
            if let Ok(value) = i32::try_from(value) {
                out.extend_from_slice(&value.to_le_bytes());
                return fits(out);
            }
            self.widen(out);
        }
        out.extend_from_slice(&value.to_le_bytes());
        fits(out)
    }

    #[cold]
    fn widen(&mut self, out: &mut Vec<u8>) {
        self.is_wide = true;
        let width = self.block.start + 4;
        let first = width + 1;
        out[width] = 8;
        let count = (out.len() - first) / 4;
        out.resize(first + 8 * count, 0);
        for item in (0..count).rev() {
            let mut four = [0; 4];
            four.copy_from_slice(&out[first + 4 * item..][..4]);
            let value = i64::from(i32::from_le_bytes(four));
            out[first + 8 * item..][..8].copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Ends the array.
    #[inline]
    pub fn close(self, out: &mut [u8]) -> Result<(), TooLarge> {
        self.block.close(out)
    }
}

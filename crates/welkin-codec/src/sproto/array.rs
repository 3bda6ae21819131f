//! The contents of array blocks, item by item. How many there are is known from the bytes, never from
//! a number within them.

use super::reader::{DecodeError, split_block};

/// Integers of one width. An exact iterator.
#[derive(Clone, Debug)]
pub struct Integers<'a> {
    items: &'a [u8],
    width: usize,
}

impl<'a> Integers<'a> {
    /// Reads a block: nothing, or a width of 4 or 8 and the items. A width alone may be any.
    #[inline]
    pub fn of(block: &'a [u8]) -> Result<Self, DecodeError> {
        let (width, items) = match block {
            [] | [_] => (8, &[][..]),
            [width @ (4 | 8), items @ ..] => (usize::from(*width), items),
            _ => return Err(DecodeError),
        };
        match items.len().is_multiple_of(width) {
            true => Ok(Self { items, width }),
            false => Err(DecodeError),
        }
    }
}

impl Iterator for Integers<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        if self.width == 4 {
            let (item, rest) = self.items.split_first_chunk()?;
            self.items = rest;
            return Some(i32::from_le_bytes(*item).into());
        }
        let (item, rest) = self.items.split_first_chunk()?;
        self.items = rest;
        Some(i64::from_le_bytes(*item))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.items.len() / self.width;
        (count, Some(count))
    }
}

impl ExactSizeIterator for Integers<'_> {}

/// The items of a block of doubles; with a width of 4 they are low bits, as for a single one.
pub fn doubles(block: &[u8]) -> Result<impl ExactSizeIterator<Item = f64>, DecodeError> {
    Ok(Integers::of(block)?.map(|bits| f64::from_bits(bits.cast_unsigned())))
}

/// Texts or messages of an array, each behind its length.
#[derive(Clone, Debug)]
pub struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    /// Reads a block.
    #[inline]
    pub fn of(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// Items ahead, up to the first that is broken.
    #[inline]
    pub fn ahead(&self) -> usize {
        self.clone().map_while(Result::ok).count()
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<&'a [u8], DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let item = split_block(self.0);
        self.0 = item.map_or(&[][..], |(_, rest)| rest);
        Some(item.map(|(block, _)| block))
    }
}

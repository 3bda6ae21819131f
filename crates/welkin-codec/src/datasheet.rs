//! Sheets: the binary form in which `skynet.datasheet` keeps tables that are read and not changed.
//!
//! ```text
//! u32 start of the strings, u32 n, n * u32 start of a table behind these (u32::MAX: it is not there any more)
//! table:  u32 items, u32 fields, a type for each, zeros up to a multiple of 4,
//!         items * u32 value, fields * (u32 key, u32 value)
//! string: bytes up to a zero; a key, as a value of that type, is its start
//! ```
//! Numbers have their lowest byte first, starts are bytes. The form is skynet's; texts made by its builder
//! may come from files. So all of one is checked before it is read: [`Sheet::new`] refuses what does not hold.

use std::fmt;

const HEADER_BYTES: usize = 8;
const WORD_BYTES: usize = 4;
/// In the place of a table's start.
const ABSENT: u32 = u32::MAX;

/// The text is no sheet; at which byte.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct BrokenSheet(pub usize);

impl fmt::Display for BrokenSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invalid datasheet: broken at byte {}", self.0)
    }
}

impl std::error::Error for BrokenSheet {}

/// Where a value stands in its table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// From 1 on.
    Item(u32),
    /// A string.
    Field(&'a [u8]),
}

/// A value of a table.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Nil,
    /// An integer.
    Integer(i32),
    /// A number of single precision.
    Real(f32),
    /// A boolean.
    Boolean(bool),
    /// The table of that number.
    Table(u32),
    /// A string without its zero.
    Text(&'a [u8]),
}

/// A checked text.
#[derive(Clone, Debug)]
pub struct Sheet {
    bytes: Box<[u8]>,
}

impl Sheet {
    /// Checks all that `bytes` hold.
    pub fn new(bytes: &[u8]) -> Result<Self, BrokenSheet> {
        let sheet = Self {
            bytes: bytes.into(),
        };
        let count = sheet.word(WORD_BYTES).ok_or(BrokenSheet(0))?;
        // Tables do not overlap, so together they have no more bytes than there are.
        let mut left = sheet.bytes.len();
        for number in 0..count {
            let at = HEADER_BYTES + number as usize * WORD_BYTES;
            if sheet.word(at).ok_or(BrokenSheet(at))? == ABSENT {
                continue;
            }
            let (at, table) = sheet.find(number).ok_or(BrokenSheet(at))?;
            let broken = BrokenSheet(at);
            left = left.checked_sub(table.bytes).ok_or(broken)?;
            for value in 0..table.items.saturating_add(table.fields) {
                if !sheet.is_sound(&table, value) {
                    return Err(broken);
                }
            }
        }
        Ok(sheet)
    }

    /// How many tables have a number, those included that are not there.
    pub fn tables(&self) -> u32 {
        self.word(WORD_BYTES).unwrap_or_default()
    }

    /// What the table has. `None`: there is none of that number.
    pub fn table(&self, number: u32) -> Option<impl Iterator<Item = (Key<'_>, Value<'_>)>> {
        let (_, table) = self.find(number)?;
        let values = 0..table.items.saturating_add(table.fields);
        Some(values.map_while(move |value| self.entry(&table, value)))
    }

    /// How many items and fields it has.
    pub fn counts(&self, number: u32) -> (u32, u32) {
        let found = self.find(number);
        found.map_or((0, 0), |(_, table)| (table.items, table.fields))
    }

    /// Where it begins, and how large it is.
    fn find(&self, number: u32) -> Option<(usize, Table)> {
        let count = self.tables();
        if number >= count {
            return None;
        }
        let start = self.word(HEADER_BYTES + number as usize * WORD_BYTES)?;
        if start == ABSENT {
            return None;
        }
        let at = HEADER_BYTES + count as usize * WORD_BYTES + start as usize;
        let (items, fields) = (self.word(at)?, self.word(at + WORD_BYTES)?);
        let types = at + HEADER_BYTES;
        let count = items as usize + fields as usize;
        let values = types + count.next_multiple_of(WORD_BYTES);
        let end = values + (count + fields as usize) * WORD_BYTES;
        (end <= self.bytes.len()).then_some((
            at,
            Table {
                items,
                fields,
                types,
                values,
                bytes: end - at,
            },
        ))
    }

    /// The type, where the key of a field is, and where the value is.
    fn places(&self, table: &Table, value: u32) -> Option<(u8, Option<usize>, usize)> {
        let kind = *self.bytes.get(table.types + value as usize)?;
        let at = table.values + value as usize * WORD_BYTES;
        Some(match value.checked_sub(table.items) {
            None => (kind, None, at),
            Some(field) => {
                let key = at + field as usize * WORD_BYTES;
                (kind, Some(key), key + WORD_BYTES)
            }
        })
    }

    /// Whether an entry can be read, without looking at all of its strings.
    fn is_sound(&self, table: &Table, value: u32) -> bool {
        let Some((kind, key, at)) = self.places(table, value) else {
            return false;
        };
        let is_text = |at| self.word(at).is_some_and(|start| self.ends(start));
        key.is_none_or(is_text)
            && match kind {
                0..=3 => self.word(at).is_some(),
                4 => self.word(at).is_some_and(|number| number < self.tables()),
                5 => is_text(at),
                _ => false,
            }
    }

    fn entry(&self, table: &Table, value: u32) -> Option<(Key<'_>, Value<'_>)> {
        let (kind, key, at) = self.places(table, value)?;
        let key = match key {
            None => Key::Item(value + 1),
            Some(key) => Key::Field(self.text(self.word(key)?)?),
        };
        let bits = self.word(at)?;
        let value = match kind {
            0 => Value::Nil,
            1 => Value::Integer(bits.cast_signed()),
            2 => Value::Real(f32::from_bits(bits)),
            3 => Value::Boolean(bits != 0),
            4 => Value::Table(bits),
            5 => Value::Text(self.text(bits)?),
            _ => return None,
        };
        Some((key, value))
    }

    /// Whether a string begins there: the last byte of all is the end of the last one.
    fn ends(&self, start: u32) -> bool {
        let at = self.word(0).unwrap_or_default() as usize + start as usize;
        at < self.bytes.len() && self.bytes.last() == Some(&0)
    }

    fn text(&self, start: u32) -> Option<&[u8]> {
        let at = self.word(0)? as usize + start as usize;
        self.bytes.get(at..)?.split(|&byte| byte == 0).next()
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }
}

#[derive(Copy, Clone, Debug)]
struct Table {
    items: u32,
    fields: u32,
    /// First byte of the types and of the values.
    types: usize,
    values: usize,
    /// Of all of it.
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    const EXAMPLE: &str =
        "28000000 01000000 00000000 | 02000000 01000000 01050300 05000000 00000000
        02000000 00000001 | 780061 00";

    #[test]
    fn the_example_of_the_format_is_read() {
        let sheet = Sheet::new(&hex(EXAMPLE)).unwrap();
        let entries: Vec<_> = sheet.table(0).unwrap().collect();
        assert_eq!(
            entries,
            [
                (Key::Item(1), Value::Integer(5)),
                (Key::Item(2), Value::Text(b"x")),
                (Key::Field(b"a"), Value::Boolean(true)),
            ]
        );
        assert!(sheet.table(1).is_none());
    }

    #[test]
    fn a_text_that_ends_too_soon_is_refused() {
        let whole = hex(EXAMPLE);
        for end in 0..whole.len() {
            assert!(Sheet::new(&whole[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_table_that_has_no_number_is_refused() {
        let mut text = hex(EXAMPLE);
        text[20] = 4;
        assert_eq!(Sheet::new(&text).unwrap_err(), BrokenSheet(12));
    }

    #[test]
    fn tables_may_be_gone() {
        let sheet = Sheet::new(&hex("0c000000 01000000 ffffffff")).unwrap();
        assert_eq!(sheet.tables(), 1);
        assert!(sheet.table(0).is_none());
    }
}

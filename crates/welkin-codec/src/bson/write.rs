//! Elements to bytes.
//!
//! The length of a document stands before its content and is known after it: [`Writer::begin`] leaves
//! room, [`Writer::end`] fills it in.

use std::fmt;

use super::words::{HIGHS, ONES, all_words};
use super::{DOCUMENT_BYTES_MAX, Special, kind, utf8};

/// What bytes are written to.
pub trait Sink {
    /// Appends.
    fn extend(&mut self, bytes: &[u8]);
    /// How many bytes there are.
    fn written(&self) -> usize;
    /// Overwrites four bytes that were appended before.
    fn overwrite(&mut self, at: usize, bytes: [u8; 4]);
    /// Appends what an element begins with: its kind, its name and a zero, and the start of its value.
    #[inline]
    fn extend_field<const N: usize>(&mut self, kind: u8, name: &[u8], head: [u8; N]) {
        self.extend(&[kind]);
        self.extend(name);
        self.extend(&[0]);
        self.extend(&head);
    }

    /// Appends an element whose value is a text: [`kind::STRING`], its name, its length, the text itself.
    #[inline]
    fn extend_text(&mut self, name: &[u8], len: [u8; 4], text: &[u8]) {
        self.extend_field(kind::STRING, name, len);
        self.extend(text);
        self.extend(&[0]);
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn written(&self) -> usize {
        self.len()
    }

    #[inline]
    fn overwrite(&mut self, at: usize, bytes: [u8; 4]) {
        self[at..at + 4].copy_from_slice(&bytes);
    }
}

/// What cannot be written. `Display` is the text that programs know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// A key or a text that is not UTF-8.
    Utf8,
    /// A key with a zero byte within, which would end it there.
    ZeroInKey,
    /// A document or a string of more than [`DOCUMENT_BYTES_MAX`] bytes.
    TooLong,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "Invalid utf8 string",
            Self::ZeroInKey => "Bson dictionary's key can't hold a zero byte",
            Self::TooLong => "Bson document too long, more than 2 GiB",
        })
    }
}

impl std::error::Error for WriteError {}

/// Writes elements to a sink. The names are checked by [`Writer::check_name`], once, by the caller.
#[derive(Debug)]
pub struct Writer<'s, S> {
    sink: &'s mut S,
}

impl<'s, S: Sink> Writer<'s, S> {
    /// A writer that appends to `sink`.
    #[inline]
    pub fn new(sink: &'s mut S) -> Self {
        Self { sink }
    }

    /// Whether `name` can be the name of a field.
    #[inline]
    pub fn check_name(name: &[u8]) -> Result<(), WriteError> {
        if is_plain(name) {
            return Ok(());
        }
        if !utf8::is_text(name) {
            return Err(WriteError::Utf8);
        }
        match name.contains(&0) {
            true => Err(WriteError::ZeroInKey),
            false => Ok(()),
        }
    }

    /// What an element begins with: its kind, its name, and its value or the start of it.
    #[inline]
    fn field<const N: usize>(&mut self, kind: u8, name: &[u8], head: [u8; N]) {
        self.sink.extend_field(kind, name, head);
    }

    #[inline]
    fn name(&mut self, kind: u8, name: &[u8]) {
        self.field(kind, name, []);
    }

    /// Begins a document; the result is for [`Writer::end`].
    #[inline]
    pub fn begin(&mut self) -> usize {
        let start = self.sink.written();
        self.sink.extend(&[0; 4]);
        start
    }

    /// Begins a document within the present one, as a field; the result is for [`Writer::end`].
    #[inline]
    pub fn begin_document(&mut self, name: &[u8]) -> usize {
        self.name(kind::DOCUMENT, name);
        self.begin()
    }

    /// The same for an array, whose elements are named by [`IndexName`].
    #[inline]
    pub fn begin_array(&mut self, name: &[u8]) -> usize {
        self.name(kind::ARRAY, name);
        self.begin()
    }

    /// Ends the document or array that began at `start`.
    #[inline]
    pub fn end(&mut self, start: usize) -> Result<(), WriteError> {
        self.sink.extend(&[0]);
        let len = self.sink.written() - start;
        let len = i32::try_from(len).map_err(|_| WriteError::TooLong)?;
        self.sink.overwrite(start, len.to_le_bytes());
        Ok(())
    }

    /// A document that is encoded already.
    pub fn document(&mut self, name: &[u8], document: &[u8]) {
        self.name(kind::DOCUMENT, name);
        self.sink.extend(document);
    }

    /// An integer, in 32 bits if it fits.
    #[inline]
    pub fn integer(&mut self, name: &[u8], value: i64) {
        match i32::try_from(value) {
            Ok(value) => {
                self.field(kind::INT32, name, value.to_le_bytes());
            }
            Err(_) => self.int64(name, value),
        }
    }

    /// An integer of 64 bits.
    pub fn int64(&mut self, name: &[u8], value: i64) {
        self.field(kind::INT64, name, value.to_le_bytes());
    }

    /// A float.
    #[inline]
    pub fn double(&mut self, name: &[u8], value: f64) {
        self.field(kind::DOUBLE, name, value.to_le_bytes());
    }

    /// A boolean.
    #[inline]
    pub fn boolean(&mut self, name: &[u8], value: bool) {
        self.field(kind::BOOLEAN, name, [value.into()]);
    }

    /// A text, in which zero bytes are allowed.
    #[inline]
    pub fn string(&mut self, name: &[u8], text: &[u8]) -> Result<(), WriteError> {
        if !utf8::is_text(text) {
            return Err(WriteError::Utf8);
        }
        if text.len() >= DOCUMENT_BYTES_MAX {
            return Err(WriteError::TooLong);
        }
        let len = text.len() as u32 + 1;
        self.sink.extend_text(name, len.to_le_bytes(), text);
        Ok(())
    }

    /// A value that Lua has no type for.
    pub fn special(&mut self, name: &[u8], value: Special<'_>) -> Result<(), WriteError> {
        match value {
            Special::Null => self.name(kind::NULL, name),
            Special::MinKey => self.name(kind::MIN_KEY, name),
            Special::MaxKey => self.name(kind::MAX_KEY, name),
            Special::Date(seconds) => {
                self.name(kind::DATE, name);
                self.sink.extend(&date_ms(seconds).to_le_bytes());
            }
            Special::Timestamp(bytes) => {
                self.name(kind::TIMESTAMP, name);
                self.sink.extend(bytes);
            }
            Special::Int64(value) => self.int64(name, value),
            Special::ObjectId(bytes) => {
                self.name(kind::OBJECT_ID, name);
                self.sink.extend(bytes);
            }
            Special::Regex { pattern, options } => {
                self.name(kind::REGEX, name);
                for text in [pattern, options] {
                    self.sink.extend(text);
                    self.sink.extend(&[0]);
                }
            }
            Special::Binary { subtype, bytes } => {
                let len = i32::try_from(bytes.len()).map_err(|_| WriteError::TooLong)?;
                self.name(kind::BINARY, name);
                self.sink.extend(&len.to_le_bytes());
                self.sink.extend(&[subtype]);
                self.sink.extend(bytes);
            }
            Special::Raw { kind, bytes } => {
                self.name(kind, name);
                self.sink.extend(bytes);
            }
        }
        Ok(())
    }
}

/// ASCII without zero bytes, as nearly all names are.
#[inline]
fn is_plain(name: &[u8]) -> bool {
    // Of a byte that is zero the subtraction sets the high bit. It may set that of the next byte too,
    // which then counts as a strange one in vain.
    all_words(name, 1, |word| {
        (word | word.wrapping_sub(ONES)) & HIGHS == 0
    })
}

/// Milliseconds of a date in seconds, which count as unsigned: skynet's dates end in 2106 and have none
/// before 1970.
pub fn date_ms(seconds: i32) -> i64 {
    i64::from(seconds.cast_unsigned()) * 1000
}

/// The names of an array's elements, one after the other: `0`, `1`, `2`.
#[derive(Debug)]
pub struct IndexName {
    digits: [u8; 20],
    start: usize,
}

impl Default for IndexName {
    fn default() -> Self {
        Self {
            digits: [b'0'; 20],
            start: 19,
        }
    }
}

impl IndexName {
    /// The present name.
    #[inline]
    pub fn name(&self) -> &[u8] {
        &self.digits[self.start..]
    }

    /// Goes on to the next one.
    #[inline]
    pub fn advance(&mut self) {
        let mut at = self.digits.len() - 1;
        // No array has 10^20 elements, so this ends within the digits.
        while self.digits[at] == b'9' {
            self.digits[at] = b'0';
            at -= 1;
        }
        self.digits[at] += 1;
        self.start = self.start.min(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_names_count_up() {
        let mut index = IndexName::default();
        for number in 0..1234 {
            assert_eq!(index.name(), number.to_string().as_bytes());
            index.advance();
        }
    }

    #[test]
    fn lengths_are_filled_in() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        let outer = writer.begin();
        let inner = writer.begin_array(b"a");
        writer.integer(b"0", 1);
        writer.integer(b"1", 2);
        writer.end(inner).unwrap();
        writer.end(outer).unwrap();
        let known = b"\x1b\0\0\0\x04a\0\x13\0\0\0\x100\0\x01\0\0\0\x101\0\x02\0\0\0\0\0";
        assert_eq!(bytes, known);
    }

    #[test]
    fn names_end_at_their_end() {
        let check = |name: &[u8]| Writer::<Vec<u8>>::check_name(name);
        assert_eq!(check(b"name"), Ok(()));
        assert_eq!(check("größe".as_bytes()), Ok(()));
        for len in 0..40 {
            assert_eq!(check(&vec![b'n'; len]), Ok(()));
            for at in 0..len {
                let mut name = vec![b'n'; len];
                name[at] = 0;
                assert_eq!(check(&name), Err(WriteError::ZeroInKey), "{at} of {len}");
                name[at] = 0xff;
                assert_eq!(check(&name), Err(WriteError::Utf8), "{at} of {len}");
            }
        }
        assert_eq!(check(b"a\0b"), Err(WriteError::ZeroInKey));
        assert_eq!(check(b"\xff"), Err(WriteError::Utf8));
    }

    #[test]
    fn dates_before_1970_are_far_in_the_future() {
        assert_eq!(date_ms(-1), 4_294_967_295_000);
    }
}

//! Bytes to tokens: one value, or the head of a table, at a time.
//!
//! The bytes may come from anywhere (another node, a client, a stray pointer), so nothing in them is
//! believed before it is there: a length must lie within what remains, and [`Reader::room`] keeps
//! tables from being made for items that cannot follow.

use std::fmt;

use super::wire;

/// One value, or the beginning of one. Strings point into the bytes that are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// Nil; in the place of a key it ends the table.
    Nil,
    /// True or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// An address of the process that packed it.
    Pointer(usize),
    /// A string of any bytes.
    String(&'a [u8]),
    /// Begins a table: `array` values follow, then pairs, then a nil. The number is what the bytes
    /// say; see [`Reader::room`] before memory is made ready for it.
    Table {
        /// Items announced.
        array: usize,
    },
}

/// Bytes that are no packed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriError {
    /// Bytes not yet consumed when it was noticed.
    pub left: usize,
    /// Where it was noticed: a line of source, for whoever looks into a report.
    pub line: u32,
}

impl fmt::Display for SeriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Invalid serialize stream {} (line:{})",
            self.left, self.line
        )
    }
}

impl std::error::Error for SeriError {}

/// How far [`Reader::pairs_ahead`] looks.
const PAIRS_AHEAD_MAX: usize = 16;

/// Takes tokens from a slice. After an error its position means nothing any more.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Array items that memory may still be made ready for.
    room: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            room: bytes.len(),
        }
    }

    /// Bytes not yet consumed.
    #[inline]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next token; `None` at the end of the bytes, which is no error between values.
    // Always inlined, with what it calls: a token that goes through memory, written in parts and read
    // whole, costs more than all the rest of reading it.
    #[inline(always)]
    #[allow(clippy::should_implement_trait)] // `?` on the outside is what every caller needs
    pub fn next(&mut self) -> Result<Option<Token<'a>>, SeriError> {
        let Some((&tag, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        self.body(tag).map(Some)
    }

    /// The next token where one has to follow, as inside of a table.
    #[inline(always)]
    pub fn value(&mut self) -> Result<Token<'a>, SeriError> {
        match self.next()? {
            Some(token) => Ok(token),
            None => Err(self.fault(line!())),
        }
    }

    /// How many key and value pairs follow at least, as far as they are plain values and at most
    /// [`PAIRS_AHEAD_MAX`]; what is wrong with the bytes is found when they are read.
    #[inline]
    pub fn pairs_ahead(&self) -> usize {
        let mut ahead = self.clone();
        for pairs in 0..PAIRS_AHEAD_MAX {
            match ahead.next() {
                Ok(Some(Token::Nil | Token::Table { .. }) | None) | Err(_) => return pairs,
                Ok(Some(_)) => {}
            }
            match ahead.next() {
                Ok(Some(Token::Table { .. })) => return pairs + 1,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return pairs,
            }
        }
        PAIRS_AHEAD_MAX
    }

    /// How many of `array` announced items memory may be made ready for. Each item takes at least one
    /// byte, so over a whole slice this grants no more items than it has bytes: honest tables get all
    /// they ask for, and nested lies do not add up.
    #[inline]
    pub fn room(&mut self, array: usize) -> usize {
        let granted = array.min(self.room).min(self.rest.len());
        self.room -= granted;
        granted
    }

    /// The error that reading stopped here; `line` is the caller's.
    #[cold]
    pub fn fault(&self, line: u32) -> SeriError {
        SeriError {
            left: self.rest.len(),
            line,
        }
    }

    #[inline(always)]
    fn body(&mut self, tag: u8) -> Result<Token<'a>, SeriError> {
        let cookie = tag >> 3;
        Ok(match tag & 7 {
            wire::NIL => Token::Nil,
            wire::BOOLEAN => Token::Boolean(cookie != 0),
            wire::NUMBER if cookie == wire::REAL => {
                Token::Float(f64::from_le_bytes(self.take(line!())?))
            }
            wire::NUMBER => Token::Integer(self.integer(cookie)?),
            wire::POINTER => Token::Pointer(u64::from_le_bytes(self.take(line!())?) as usize),
            wire::SHORT_STRING => Token::String(self.string(cookie.into())?),
            wire::LONG_STRING => {
                let length = self.long_length(cookie)?;
                Token::String(self.string(length)?)
            }
            wire::TABLE if cookie == wire::ARRAY_FOLLOWS => Token::Table {
                array: self.array_size()?,
            },
            wire::TABLE => Token::Table {
                array: cookie.into(),
            },
            _ => return Err(self.fault(line!())),
        })
    }

    #[inline(always)]
    fn integer(&mut self, cookie: u8) -> Result<i64, SeriError> {
        Ok(match cookie {
            wire::ZERO => 0,
            wire::BYTE => u8::from_le_bytes(self.take(line!())?).into(),
            wire::WORD => u16::from_le_bytes(self.take(line!())?).into(),
            wire::DWORD => i32::from_le_bytes(self.take(line!())?).into(),
            wire::QWORD => i64::from_le_bytes(self.take(line!())?),
            _ => return Err(self.fault(line!())),
        })
    }

    fn long_length(&mut self, cookie: u8) -> Result<usize, SeriError> {
        Ok(match cookie {
            wire::LENGTH_16 => u16::from_le_bytes(self.take(line!())?).into(),
            wire::LENGTH_32 => u32::from_le_bytes(self.take(line!())?) as usize,
            _ => return Err(self.fault(line!())),
        })
    }

    fn array_size(&mut self) -> Result<usize, SeriError> {
        let Some((&tag, rest)) = self.rest.split_first() else {
            return Err(self.fault(line!()));
        };
        self.rest = rest;
        if tag & 7 != wire::NUMBER {
            return Err(self.fault(line!()));
        }
        let size = self.integer(tag >> 3)?;
        // Below zero there are no items: what other readers make of it, too.
        Ok(usize::try_from(size.max(0)).unwrap_or(usize::MAX))
    }

    #[inline(always)]
    fn string(&mut self, length: usize) -> Result<&'a [u8], SeriError> {
        match self.rest.split_at_checked(length) {
            Some((string, rest)) => {
                self.rest = rest;
                Ok(string)
            }
            None => Err(self.fault(line!())),
        }
    }

    #[inline(always)]
    fn take<const N: usize>(&mut self, line: u32) -> Result<[u8; N], SeriError> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.fault(line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All tokens of `bytes`, or the bytes left at the error.
    fn tokens(bytes: &[u8]) -> Result<Vec<Token<'_>>, usize> {
        let mut reader = Reader::new(bytes);
        let mut tokens = Vec::new();
        while let Some(token) = reader.next().map_err(|error| error.left)? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    #[test]
    fn pairs_ahead_are_counted_as_far_as_they_are_plain() {
        // {a = 1, b = 2} without its head, then a table as the second value.
        let flat = [0x0c, b'a', 0x0a, 1, 0x0c, b'b', 0x0a, 2, 0];
        assert_eq!(Reader::new(&flat).pairs_ahead(), 2);
        let nested = [0x0c, b'a', 0x0a, 1, 0x0c, b'b', 0x06, 0, 0];
        assert_eq!(Reader::new(&nested).pairs_ahead(), 2);
        assert_eq!(Reader::new(&[0x0c, b'a', 0x0a]).pairs_ahead(), 0);
        assert_eq!(Reader::new(&[]).pairs_ahead(), 0);
        assert_eq!(Reader::new(&[1; 100]).pairs_ahead(), PAIRS_AHEAD_MAX);
    }

    #[test]
    fn no_bytes_are_no_values() {
        assert_eq!(tokens(&[]), Ok(vec![]));
    }

    #[test]
    fn each_kind_is_read() {
        let bytes = [
            0x00, 0x01, 0x09, 0x02, 0x0a, 7, 0x12, 0, 1, 0x22, 0xff, 0xff, 0xff, 0xff, 0x42, 0, 0,
            0, 0, 0, 0, 0xf0, 0x3f, 0x0c, b'a', 0x15, 1, 0, b'b', 0x25, 1, 0, 0, 0, b'c', 0x03, 1,
            0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(
            tokens(&bytes),
            Ok(vec![
                Token::Nil,
                Token::Boolean(false),
                Token::Boolean(true),
                Token::Integer(0),
                Token::Integer(7),
                Token::Integer(256),
                Token::Integer(-1),
                Token::Float(1.0),
                Token::String(b"a"),
                Token::String(b"b"),
                Token::String(b"c"),
                Token::Pointer(1),
            ])
        );
    }

    #[test]
    fn an_array_size_follows_only_as_an_integer() {
        assert_eq!(tokens(&[0xf6]), Ok(vec![Token::Table { array: 30 }]));
        assert_eq!(tokens(&[0xfe, 0x02]), Ok(vec![Token::Table { array: 0 }]));
        assert_eq!(
            tokens(&[0xfe, 0x12, 0, 1]),
            Ok(vec![Token::Table { array: 256 }])
        );
        assert_eq!(
            tokens(&[0xfe, 0x22, 0xff, 0xff, 0xff, 0xff]),
            Ok(vec![Token::Table { array: 0 }])
        );
        assert_eq!(tokens(&[0xfe]), Err(0));
        assert_eq!(tokens(&[0xfe, 0x00]), Err(0));
        assert_eq!(tokens(&[0xfe, 0x0c, 0x61]), Err(1));
        assert_eq!(tokens(&[0xfe, 0x42, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]), Err(8));
    }

    #[test]
    fn cookies_without_meaning_are_refused_or_ignored() {
        for cookie in (0..32).filter(|cookie| ![0, 1, 2, 4, 6, 8].contains(cookie)) {
            assert_eq!(
                tokens(&[0x02 | cookie << 3, 1, 2, 3]),
                Err(3),
                "number {cookie}"
            );
        }
        for cookie in (0..32).filter(|cookie| ![2, 4].contains(cookie)) {
            assert_eq!(
                tokens(&[0x05 | cookie << 3, 0, 0]),
                Err(2),
                "long string {cookie}"
            );
        }
        for cookie in 0..32 {
            assert_eq!(tokens(&[0x07 | cookie << 3]), Err(0), "type 7, {cookie}");
            assert_eq!(tokens(&[cookie << 3]), Ok(vec![Token::Nil]));
        }
        assert_eq!(tokens(&[0x11]), Ok(vec![Token::Boolean(true)]));
        assert_eq!(
            tokens(&[0xfb, 1, 0, 0, 0, 0, 0, 0, 0]),
            Ok(vec![Token::Pointer(1)])
        );
    }

    #[test]
    fn what_is_cut_off_tells_the_bytes_left() {
        let cases: [(&[u8], usize); 10] = [
            (&[0x0a], 0),
            (&[0x12, 1], 1),
            (&[0x22, 0], 1),
            (&[0x32, 0, 0, 0, 0, 0, 0], 6),
            (&[0x42], 0),
            (&[0x03, 1], 1),
            (&[0xfc, 0x61], 1),
            (&[0x15, 1], 1),
            (&[0x15, 2, 0, 0x61], 1),
            (&[0x25, 0xff, 0xff, 0xff, 0xff, 0x61], 1),
        ];
        for (bytes, left) in cases {
            assert_eq!(tokens(bytes), Err(left), "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[]).value().unwrap_err().left, 0);
    }

    #[test]
    fn the_error_says_what_programs_look_for() {
        let error = SeriError { left: 3, line: 407 };
        assert_eq!(error.to_string(), "Invalid serialize stream 3 (line:407)");
    }

    #[test]
    fn room_is_never_more_than_the_bytes_in_all() {
        let bytes = [0; 10];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.room(4), 4);
        assert_eq!(reader.room(usize::MAX), 6);
        assert_eq!(reader.room(1), 0);
    }
}

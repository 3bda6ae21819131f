//! Values to bytes: each method appends one value to a sink.
//!
//! Every number is handed on as an array of known size, so that a sink whose methods are inlined
//! stores it with one check of its room.

use std::fmt;

use super::wire;

/// Where packed bytes go: something that grows at its end.
pub trait Sink {
    /// Appends one byte.
    fn push(&mut self, byte: u8);
    /// Appends `bytes`.
    fn extend(&mut self, bytes: &[u8]);
    /// Appends `bytes`, behind which so many more are announced: by a stranger, who may lie.
    fn extend_first(&mut self, bytes: &[u8], _announced: usize) {
        self.extend(bytes);
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn push(&mut self, byte: u8) {
        Vec::push(self, byte);
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A string of 2^32 bytes or more, which the format has no length for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "serialize can't pack a string longer than {} bytes",
            u32::MAX
        )
    }
}

impl std::error::Error for TooLong {}

/// Appends values to a [`Sink`]. It keeps no state: that each table gets its items, its pairs and its
/// end is up to the caller.
#[derive(Debug)]
pub struct Writer<'a, B> {
    sink: &'a mut B,
}

impl<'a, B: Sink> Writer<'a, B> {
    /// A writer that appends to `sink`.
    #[inline]
    pub fn new(sink: &'a mut B) -> Self {
        Self { sink }
    }

    /// Nil.
    #[inline]
    pub fn nil(&mut self) {
        self.sink.push(wire::tag(wire::NIL, 0));
    }

    /// True or false.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.sink.push(wire::tag(wire::BOOLEAN, value.into()));
    }

    /// An integer, in the narrowest form that holds it: unsigned up to 65535, else signed.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if let Ok(value) = u8::try_from(value) {
            if value == 0 {
                self.sink.push(wire::tag(wire::NUMBER, wire::ZERO));
            } else {
                self.sink
                    .extend(&[wire::tag(wire::NUMBER, wire::BYTE), value]);
            }
        } else if let Ok(value) = u16::try_from(value) {
            let [a, b] = value.to_le_bytes();
            self.sink
                .extend(&[wire::tag(wire::NUMBER, wire::WORD), a, b]);
        } else if let Ok(value) = i32::try_from(value) {
            let [a, b, c, d] = value.to_le_bytes();
            self.sink
                .extend(&[wire::tag(wire::NUMBER, wire::DWORD), a, b, c, d]);
        } else {
            self.eight(wire::tag(wire::NUMBER, wire::QWORD), value.to_le_bytes());
        }
    }

    /// A float, bit for bit; one with an integral value stays a float.
    #[inline]
    pub fn float(&mut self, value: f64) {
        self.eight(wire::tag(wire::NUMBER, wire::REAL), value.to_le_bytes());
    }

    /// An address, which means something in this process only.
    #[inline]
    pub fn pointer(&mut self, value: usize) {
        self.eight(wire::tag(wire::POINTER, 0), (value as u64).to_le_bytes());
    }

    /// A string of any bytes. Nothing is written when it is too long.
    #[inline]
    pub fn string(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if value.len() <= wire::SHORT_STRING_MAX {
            self.sink
                .push(wire::tag(wire::SHORT_STRING, value.len() as u8));
        } else if let Ok(length) = u16::try_from(value.len()) {
            let [a, b] = length.to_le_bytes();
            self.sink
                .extend(&[wire::tag(wire::LONG_STRING, wire::LENGTH_16), a, b]);
        } else {
            let length = u32::try_from(value.len()).map_err(|_| TooLong)?;
            let [a, b, c, d] = length.to_le_bytes();
            self.sink
                .extend(&[wire::tag(wire::LONG_STRING, wire::LENGTH_32), a, b, c, d]);
        }
        self.sink.extend(value);
        Ok(())
    }

    /// Begins a table. `array` values follow, then pairs of key (not nil) and value, then
    /// [`end_table`](Self::end_table).
    #[inline]
    pub fn table(&mut self, array: usize) {
        if array < usize::from(wire::ARRAY_FOLLOWS) {
            self.sink.push(wire::tag(wire::TABLE, array as u8));
        } else {
            self.sink.push(wire::tag(wire::TABLE, wire::ARRAY_FOLLOWS));
            // No table in memory has more than i64::MAX items.
            self.integer(array as i64);
        }
    }

    /// Ends the pairs of the innermost open table.
    #[inline]
    pub fn end_table(&mut self) {
        self.nil();
    }

    #[inline]
    fn eight(&mut self, tag: u8, [a, b, c, d, e, f, g, h]: [u8; 8]) {
        self.sink.extend(&[tag, a, b, c, d, e, f, g, h]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut Writer::new(&mut bytes));
        bytes
    }

    #[test]
    fn integers_take_the_narrowest_form() {
        let cases: [(i64, &[u8]); 14] = [
            (0, &[0x02]),
            (1, &[0x0a, 1]),
            (255, &[0x0a, 0xff]),
            (256, &[0x12, 0, 1]),
            (65535, &[0x12, 0xff, 0xff]),
            (65536, &[0x22, 0, 0, 1, 0]),
            (0x7fff_ffff, &[0x22, 0xff, 0xff, 0xff, 0x7f]),
            (0x8000_0000, &[0x32, 0, 0, 0, 0x80, 0, 0, 0, 0]),
            (-1, &[0x22, 0xff, 0xff, 0xff, 0xff]),
            (-128, &[0x22, 0x80, 0xff, 0xff, 0xff]),
            (-0x8000_0000, &[0x22, 0, 0, 0, 0x80]),
            (
                -0x8000_0001,
                &[0x32, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff],
            ),
            (
                i64::MAX,
                &[0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            ),
            (i64::MIN, &[0x32, 0, 0, 0, 0, 0, 0, 0, 0x80]),
        ];
        for (value, bytes) in cases {
            assert_eq!(packed(|w| w.integer(value)), bytes, "{value}");
        }
    }

    #[test]
    fn floats_keep_their_bits() {
        assert_eq!(
            packed(|w| w.float(1.0)),
            [0x42, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]
        );
        assert_eq!(packed(|w| w.float(-0.0)), [0x42, 0, 0, 0, 0, 0, 0, 0, 0x80]);
        let nan = f64::from_bits(0xfff8_0000_0000_0001);
        assert_eq!(
            packed(|w| w.float(nan)),
            [0x42, 1, 0, 0, 0, 0, 0, 0xf8, 0xff]
        );
    }

    #[test]
    fn the_small_ones_are_one_byte() {
        assert_eq!(packed(|w| w.nil()), [0x00]);
        assert_eq!(packed(|w| w.boolean(false)), [0x01]);
        assert_eq!(packed(|w| w.boolean(true)), [0x09]);
        assert_eq!(packed(|w| w.string(b"").unwrap()), [0x04]);
        assert_eq!(packed(|w| w.pointer(1)), [0x03, 1, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_string_s_length_grows_with_it() {
        let cases: [(usize, &[u8]); 5] = [
            (31, &[0xfc]),
            (32, &[0x15, 0x20, 0]),
            (65535, &[0x15, 0xff, 0xff]),
            (65536, &[0x25, 0, 0, 1, 0]),
            (65537, &[0x25, 1, 0, 1, 0]),
        ];
        for (length, head) in cases {
            let text = vec![b'x'; length];
            let bytes = packed(|w| w.string(&text).unwrap());
            assert_eq!(bytes.strip_prefix(head), Some(&text[..]), "{length}");
        }
    }

    #[test]
    fn a_table_s_array_size_is_in_the_tag_up_to_30() {
        assert_eq!(packed(|w| w.table(0)), [0x06]);
        assert_eq!(packed(|w| w.table(30)), [0xf6]);
        assert_eq!(packed(|w| w.table(31)), [0xfe, 0x0a, 31]);
        assert_eq!(packed(|w| w.table(256)), [0xfe, 0x12, 0, 1]);
    }

    #[test]
    fn a_pair_stands_between_the_items_and_the_end() {
        let bytes = packed(|w| {
            w.table(0);
            w.string(b"a").unwrap();
            w.integer(1);
            w.end_table();
        });
        assert_eq!(bytes, [0x06, 0x0c, 0x61, 0x0a, 0x01, 0x00]);
    }
}

//! Fields of a packet, one after the other. Each take checks that the bytes are there.

use super::MysqlError;

/// What is left of a packet.
#[derive(Copy, Clone, Debug)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next `n` bytes.
    #[inline]
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], MysqlError> {
        let (bytes, rest) = self.0.split_at_checked(n).ok_or(MysqlError::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], MysqlError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(MysqlError::Short)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, MysqlError> {
        Ok(u8::from_le_bytes(self.chunk()?))
    }

    /// Two bytes.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, MysqlError> {
        Ok(u16::from_le_bytes(self.chunk()?))
    }

    /// Four bytes.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, MysqlError> {
        Ok(u32::from_le_bytes(self.chunk()?))
    }

    /// Eight bytes.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, MysqlError> {
        Ok(u64::from_le_bytes(self.chunk()?))
    }

    /// A number with its length before it.
    #[inline]
    pub fn number(&mut self) -> Result<u64, MysqlError> {
        match self.u8()? {
            small @ 0..=0xfa => Ok(small.into()),
            0xfc => Ok(self.u16()?.into()),
            0xfd => {
                let [a, b, c] = self.chunk()?;
                Ok(u32::from_le_bytes([a, b, c, 0]).into())
            }
            0xfe => self.u64(),
            _ => Err(MysqlError::Length),
        }
    }

    /// Bytes with their number before them.
    #[inline]
    pub fn text(&mut self) -> Result<&'a [u8], MysqlError> {
        let len = self.number()?;
        self.bytes(usize::try_from(len).map_err(|_| MysqlError::Length)?)
    }

    /// Bytes up to a zero, which is taken; without one: all.
    pub fn zero_ended(&mut self) -> &'a [u8] {
        let len = self.0.iter().position(|&byte| byte == 0);
        let (text, rest) = match len {
            Some(len) => (&self.0[..len], &self.0[len + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_widths() {
        let number = |bytes: &[u8]| Cursor(bytes).number();
        assert_eq!(number(b"\xfa"), Ok(250));
        assert_eq!(number(b"\xfc\x01\x02"), Ok(0x201));
        assert_eq!(number(b"\xfd\x01\x02\x03"), Ok(0x30201));
        assert_eq!(
            number(b"\xfe\x01\0\0\0\0\0\0\x80"),
            Ok(0x8000_0000_0000_0001)
        );
        assert_eq!(number(b"\xfb"), Err(MysqlError::Length));
        assert_eq!(number(b"\xfc\x01"), Err(MysqlError::Short));
    }

    #[test]
    fn texts_end_where_they_say_or_not_at_all() {
        let mut cursor = Cursor(b"\x02abc\0d");
        assert_eq!(cursor.text(), Ok(&b"ab"[..]));
        assert_eq!(cursor.zero_ended(), b"c");
        assert_eq!(cursor.zero_ended(), b"d");
        assert_eq!(
            Cursor(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff").text(),
            Err(MysqlError::Short)
        );
    }
}

//! What a result says about a column: its label and how its values are written.

use super::{Cursor, MysqlError};

/// Types of columns and parameters on the wire.
#[allow(missing_docs, reason = "the names of the protocol say what they are")]
pub mod kind {
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const NEWDATE: u8 = 14;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    /// From here to 255: enums, sets, blobs, texts, geometry.
    pub const ENUM: u8 = 247;
}

const UNSIGNED: u16 = 32;

/// A column.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Column<'a> {
    /// Its label, which may be that of another column too.
    pub name: &'a [u8],
    /// See [`kind`].
    pub kind: u8,
    /// Whether its numbers have a sign.
    pub signed: bool,
    /// Digits behind the point of a second, or of a number; 31: any.
    pub decimals: u8,
}

impl<'a> Column<'a> {
    /// Reads the body of a packet.
    pub fn read(body: &'a [u8]) -> Result<Self, MysqlError> {
        let mut cursor = Cursor(body);
        // Catalogue, database, table, the table's own name.
        for _ in 0..4 {
            cursor.text()?;
        }
        let name = cursor.text()?;
        cursor.text()?; // the column's own name
        let mut fixed = Cursor(cursor.text()?);
        // Character set and width.
        fixed.bytes(6)?;
        let kind = fixed.u8()?;
        let flags = fixed.u16()?;
        let decimals = fixed.u8()?;
        Ok(Self {
            name,
            kind,
            signed: flags & UNSIGNED == 0,
            decimals,
        })
    }
}

/// In text form: whether values of this type are numbers.
pub(super) fn is_number(kind: u8) -> bool {
    use kind::{DOUBLE, FLOAT, INT24, LONG, LONGLONG, NEWDECIMAL, SHORT, TINY, YEAR};
    matches!(
        kind,
        TINY | SHORT | LONG | FLOAT | DOUBLE | LONGLONG | INT24 | YEAR | NEWDECIMAL
    )
}

/// A number of text form by the rules of Lua's `tonumber`: without fraction an integer if it fits.
pub(super) fn number(text: &[u8]) -> super::Value<'static> {
    use super::Value;
    let Ok(text) = std::str::from_utf8(text) else {
        return Value::Null;
    };
    match text.parse() {
        Ok(integer) => Value::Integer(integer),
        Err(_) => text.parse().map_or(Value::Null, Value::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;

    #[test]
    fn a_column_is_read_with_its_label() {
        let body = b"\x03def\x01d\x01t\x01t\x05label\x02id\x0c\x3f\0\x0a\0\0\0\x08\x21\x02\x06\0\0";
        let column = Column::read(body).unwrap();
        let expected = Column {
            name: b"label",
            kind: kind::LONGLONG,
            signed: false,
            decimals: 6,
        };
        assert_eq!(column, expected);
        for cut in 0..body.len() - 2 {
            assert!(Column::read(&body[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn numbers_are_integers_when_they_can_be() {
        assert_eq!(number(b"2"), Value::Integer(2));
        assert_eq!(number(b"-00042"), Value::Integer(-42));
        assert_eq!(
            number(b"9223372036854775808"),
            Value::Float(9_223_372_036_854_775_808.0)
        );
        assert_eq!(number(b"2.50"), Value::Float(2.5));
        assert_eq!(number(b"1e+20"), Value::Float(1e20));
        assert_eq!(number(b"what"), Value::Null);
    }
}

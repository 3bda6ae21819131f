//! Rows in text form, as `query` gets them.

use super::column::{is_number, number};
use super::{Column, Cursor, MysqlError, Value};

const NULL: u8 = 0xfb;

/// The values of one row, in the order of the columns.
#[derive(Copy, Clone, Debug)]
pub struct TextRow<'a>(Cursor<'a>);

impl<'a> TextRow<'a> {
    /// Of the body of a packet.
    pub fn new(body: &'a [u8]) -> Self {
        Self(Cursor(body))
    }

    /// The value of the next column, which is of this type.
    #[inline]
    pub fn next(&mut self, column: &Column<'_>) -> Result<Value<'a>, MysqlError> {
        if self.0.0.first() == Some(&NULL) {
            self.0.bytes(1)?;
            return Ok(Value::Null);
        }
        let text = self.0.text()?;
        Ok(if is_number(column.kind) {
            number(text)
        } else {
            Value::Bytes(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind;
    use super::*;

    #[test]
    fn a_row_is_its_columns_in_turn() {
        let column = |kind| Column {
            name: b"",
            kind,
            signed: true,
            decimals: 0,
        };
        let mut row = TextRow::new(b"\x02-7\xfb\x0212\x05");
        assert_eq!(row.next(&column(kind::LONG)), Ok(Value::Integer(-7)));
        assert_eq!(row.next(&column(kind::LONG)), Ok(Value::Null));
        assert_eq!(row.next(&column(kind::VARCHAR)), Ok(Value::Bytes(b"12")));
        assert_eq!(row.next(&column(kind::VARCHAR)), Err(MysqlError::Short));
    }
}

//! Rows in binary form, as prepared statements get them. Dates and times are written as they are in text
//! form, so that a program sees one form of them.

use std::fmt::Write;

use super::column::number;
use super::{Column, Cursor, MysqlError, TimeText, Value, kind};

/// In the map of NULLs, which begins two bits late.
const NULL_OFFSET: usize = 2;

/// The values of one row, in the order of the columns.
#[derive(Copy, Clone, Debug)]
pub struct BinaryRow<'a> {
    nulls: &'a [u8],
    rest: Cursor<'a>,
    at: usize,
}

impl<'a> BinaryRow<'a> {
    /// Of the body of a packet with so many values.
    pub fn new(body: &'a [u8], columns: usize) -> Result<Self, MysqlError> {
        let mut rest = Cursor(body);
        match rest.u8()? {
            0 => {}
            other => return Err(MysqlError::Unexpected(other)),
        }
        let nulls = rest.bytes((columns + NULL_OFFSET).div_ceil(8))?;
        Ok(Self { nulls, rest, at: 0 })
    }

    /// The value of the next column, which is of this type.
    #[inline]
    pub fn next(&mut self, column: &Column<'_>) -> Result<Value<'a>, MysqlError> {
        let bit = self.at + NULL_OFFSET;
        self.at += 1;
        let nulls = self.nulls.get(bit / 8).ok_or(MysqlError::Short)?;
        if nulls >> (bit % 8) & 1 == 1 {
            return Ok(Value::Null);
        }
        self.value(column)
    }

    fn value(&mut self, column: &Column<'_>) -> Result<Value<'a>, MysqlError> {
        let rest = &mut self.rest;
        let signed = column.signed;
        Ok(match column.kind {
            kind::TINY if signed => Value::Integer(rest.u8()?.cast_signed().into()),
            kind::TINY => Value::Integer(rest.u8()?.into()),
            kind::SHORT if signed => Value::Integer(rest.u16()?.cast_signed().into()),
            kind::SHORT | kind::YEAR => Value::Integer(rest.u16()?.into()),
            kind::LONG | kind::INT24 if signed => Value::Integer(rest.u32()?.cast_signed().into()),
            kind::LONG | kind::INT24 => Value::Integer(rest.u32()?.into()),
            // Beyond the signed half it wraps, as in skynet.
            kind::LONGLONG => Value::Integer(rest.u64()?.cast_signed()),
            kind::FLOAT => Value::Float(f32::from_bits(rest.u32()?).into()),
            kind::DOUBLE => Value::Float(f64::from_bits(rest.u64()?)),
            kind::DECIMAL | kind::NEWDECIMAL => number(rest.text()?),
            kind::DATE | kind::NEWDATE => Value::Time(date(rest.text()?, None)?),
            kind::DATETIME | kind::TIMESTAMP => {
                Value::Time(date(rest.text()?, Some(column.decimals))?)
            }
            kind::TIME => Value::Time(time(rest.text()?, column.decimals)?),
            kind::NULL => Value::Null,
            kind::VARCHAR | kind::BIT | kind::JSON | kind::ENUM..=255 => Value::Bytes(rest.text()?),
            other => return Err(MysqlError::Type(other)),
        })
    }
}

/// `decimals`: of the seconds; `None`: a date without time. What is zero at the end is left out.
fn date(bytes: &[u8], decimals: Option<u8>) -> Result<TimeText, MysqlError> {
    let mut fields = Fields(Cursor(bytes));
    let mut text = TimeText::new();
    let year = if bytes.is_empty() { 0 } else { fields.0.u16()? };
    let (month, day) = (fields.byte()?, fields.byte()?);
    let written = write!(text, "{year:04}-{month:02}-{day:02}").and_then(|()| match decimals {
        Some(_) => text.write_char(' '),
        None => Ok(()),
    });
    written.map_err(|_| MysqlError::Time)?;
    if let Some(decimals) = decimals {
        let hour = fields.byte()?;
        clock(&mut text, hour.into(), &mut fields, decimals)?;
    }
    Ok(text)
}

fn time(bytes: &[u8], decimals: u8) -> Result<TimeText, MysqlError> {
    let mut fields = Fields(Cursor(bytes));
    let mut text = TimeText::new();
    let negative = fields.byte()? != 0;
    let days = if bytes.is_empty() { 0 } else { fields.0.u32()? };
    let hours = u64::from(days) * 24 + u64::from(fields.byte()?);
    if negative {
        text.write_char('-').map_err(|_| MysqlError::Time)?;
    }
    clock(&mut text, hours, &mut fields, decimals)?;
    Ok(text)
}

/// The hours are given; minutes, seconds and millionths follow.
fn clock(
    text: &mut TimeText,
    hours: u64,
    fields: &mut Fields<'_>,
    decimals: u8,
) -> Result<(), MysqlError> {
    let (minute, second) = (fields.byte()?, fields.byte()?);
    let fraction = if fields.0.0.is_empty() {
        0
    } else {
        fields.0.u32()?
    };
    let written = write!(text, "{hours:02}:{minute:02}:{second:02}").and_then(|()| {
        let digits = match decimals {
            0..=6 => usize::from(decimals),
            _ if fraction > 0 => 6,
            _ => 0,
        };
        match digits {
            0 => Ok(()),
            _ => {
                let scaled = fraction / 10_u32.pow(6 - digits as u32);
                write!(text, ".{scaled:0digits$}")
            }
        }
    });
    written.map_err(|_| MysqlError::Time)
}

/// Fields of which the last ones may be missing, and are zero.
struct Fields<'a>(Cursor<'a>);

impl Fields<'_> {
    fn byte(&mut self) -> Result<u8, MysqlError> {
        if self.0.0.is_empty() {
            return Ok(0);
        }
        self.0.u8()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: u8, decimals: u8) -> Column<'static> {
        Column {
            name: b"",
            kind,
            signed: true,
            decimals,
        }
    }

    #[test]
    fn integers_have_their_width_and_sign() {
        let body = b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        let mut row = BinaryRow::new(body, 4).unwrap();
        for kind in [kind::TINY, kind::SHORT, kind::INT24, kind::LONGLONG] {
            assert_eq!(row.next(&column(kind, 0)), Ok(Value::Integer(-1)));
        }
        let unsigned = Column {
            signed: false,
            ..column(kind::LONG, 0)
        };
        let mut row = BinaryRow::new(b"\0\0\xff\xff\xff\xff", 1).unwrap();
        assert_eq!(row.next(&unsigned), Ok(Value::Integer(0xffff_ffff)));
    }

    #[test]
    fn a_bit_says_which_values_are_not_there() {
        let mut row = BinaryRow::new(b"\0\x04\x01a", 2).unwrap();
        assert_eq!(row.next(&column(kind::VARCHAR, 0)), Ok(Value::Null));
        assert_eq!(row.next(&column(kind::VARCHAR, 0)), Ok(Value::Bytes(b"a")));
    }

    fn written(column: Column<'_>, value: &[u8]) -> String {
        let body = [b"\0\0", &[value.len() as u8][..], value].concat();
        match BinaryRow::new(&body, 1).unwrap().next(&column) {
            Ok(Value::Time(text)) => String::from_utf8(text.as_bytes().to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dates_and_times_are_written_as_in_text_form() {
        let moment = b"\xe4\x07\x01\x02\x03\x04\x05\x40\xe2\x01\x00";
        let date = column(kind::DATE, 0);
        assert_eq!(written(date, b""), "0000-00-00");
        assert_eq!(written(date, &moment[..4]), "2020-01-02");
        let datetime = column(kind::DATETIME, 0);
        assert_eq!(written(datetime, b""), "0000-00-00 00:00:00");
        assert_eq!(written(datetime, &moment[..4]), "2020-01-02 00:00:00");
        assert_eq!(written(datetime, &moment[..7]), "2020-01-02 03:04:05");
        let fine = column(kind::TIMESTAMP, 6);
        assert_eq!(written(fine, moment), "2020-01-02 03:04:05.123456");
        assert_eq!(written(fine, &moment[..7]), "2020-01-02 03:04:05.000000");
        assert_eq!(
            written(column(kind::DATETIME, 2), moment),
            "2020-01-02 03:04:05.12"
        );
        let time = column(kind::TIME, 0);
        assert_eq!(written(time, b""), "00:00:00");
        assert_eq!(written(time, b"\x01\x22\0\0\0\x16\x3b\x3a"), "-838:59:58");
        let lie = b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(
            written(column(kind::TIME, 6), lie),
            "-103079215335:255:255.4294967295"
        );
    }

    #[test]
    fn cut_rows_and_unknown_types_are_errors() {
        assert!(BinaryRow::new(b"\0", 1).is_err());
        let mut row = BinaryRow::new(b"\0\0\x01", 1).unwrap();
        assert_eq!(row.next(&column(kind::LONG, 0)), Err(MysqlError::Short));
        let mut row = BinaryRow::new(b"\0\0\x01", 1).unwrap();
        assert_eq!(row.next(&column(100, 0)), Err(MysqlError::Type(100)));
    }
}

//! Bytes to elements.

use super::words::first_zero;
use super::{BsonError, DOCUMENT_BYTES_MIN, kind};

/// The elements of a document, or of an array, that are not read yet. Copies go on by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    rest: &'a [u8],
}

/// A key with its value. Keys are as they came: not checked to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Element<'a> {
    /// Name of the field, or the decimal index within an array.
    pub name: &'a [u8],
    /// The value.
    pub value: Value<'a>,
}

/// The value of an element. Strings are as they came: not checked to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the names say what a field is
pub enum Value<'a> {
    Double(f64),
    String(&'a [u8]),
    Document(Document<'a>),
    Array(Document<'a>),
    Binary {
        subtype: u8,
        bytes: &'a [u8],
    },
    ObjectId(&'a [u8; 12]),
    Boolean(bool),
    /// Milliseconds since 1970.
    Date(i64),
    Null,
    Regex {
        pattern: &'a [u8],
        options: &'a [u8],
    },
    Int32(i32),
    /// The increment's four bytes, then those of the seconds, each the lowest first.
    Timestamp(&'a [u8; 8]),
    Int64(i64),
    MinKey,
    MaxKey,
    /// Code, symbols, pointers: kinds that are only kept, as they stand.
    Raw {
        kind: u8,
        bytes: &'a [u8],
    },
}

impl<'a> Document<'a> {
    /// The document at the start of `bytes`; there may be more behind it.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BsonError> {
        let mut rest = bytes;
        take_document(&mut rest)
    }

    /// How many bytes at the start of `bytes` the document there announces, header and end included;
    /// `None` if there is no whole header or it cannot be true of any document.
    pub fn announced_len(bytes: &[u8]) -> Option<usize> {
        let len = i32::from_le_bytes(*bytes.first_chunk()?);
        usize::try_from(len)
            .ok()
            .filter(|len| *len >= DOCUMENT_BYTES_MIN)
    }

    /// The next element; `None` behind the last one.
    #[inline(always)] // as `take_value`
    #[allow(clippy::should_implement_trait)] // an iterator would have to be told to stop after an error
    pub fn next(&mut self) -> Result<Option<Element<'a>>, BsonError> {
        let Some((kind, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let name = take_cstring(&mut self.rest)?;
        let value = take_value(&mut self.rest, *kind)?;
        Ok(Some(Element { name, value }))
    }

    /// How many elements there are, up to the first one that is wrong. None of them takes less than two
    /// bytes, so room can be made for that many.
    pub fn elements_ahead(&self) -> usize {
        let mut rest = self.rest;
        let mut count = 0;
        while let Some((kind, behind)) = rest.split_first() {
            rest = behind;
            if take_cstring(&mut rest).is_err() || skip_value(&mut rest, *kind).is_err() {
                break;
            }
            count += 1;
        }
        count
    }

    /// Bytes of the elements that are not read yet. What stands at offset `n` of a document's elements
    /// is found by it.
    pub fn bytes_ahead(&self) -> usize {
        self.rest.len()
    }
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], BsonError> {
    let Some((taken, behind)) = rest.split_at_checked(len) else {
        return Err(BsonError::Block {
            have: rest.len() as i64,
            need: len as i64,
        });
    };
    *rest = behind;
    Ok(taken)
}

#[inline]
fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], BsonError> {
    let Some((taken, behind)) = rest.split_first_chunk() else {
        return Err(BsonError::Block {
            have: rest.len() as i64,
            need: N as i64,
        });
    };
    *rest = behind;
    Ok(taken)
}

#[inline]
fn take_i32(rest: &mut &[u8]) -> Result<i32, BsonError> {
    take_array(rest).map(|bytes| i32::from_le_bytes(*bytes))
}

/// A length, which the specification says is signed.
#[inline]
fn take_len(rest: &mut &[u8]) -> Result<usize, BsonError> {
    let len = take_i32(rest)?;
    usize::try_from(len).map_err(|_| BsonError::Block {
        have: rest.len() as i64,
        need: len.into(),
    })
}

#[inline]
fn take_cstring<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], BsonError> {
    let Some(end) = first_zero(rest) else {
        return Err(BsonError::Cstring);
    };
    let text = &rest[..end];
    *rest = &rest[end + 1..];
    Ok(text)
}

#[inline]
fn take_string<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], BsonError> {
    let len = take_i32(rest)?;
    let Some(len @ 1..) = usize::try_from(len).ok() else {
        return Err(BsonError::StringLength(len));
    };
    // The last byte is a zero by the specification; skynet does not look at it.
    Ok(&take(rest, len)?[..len - 1])
}

fn take_document<'a>(rest: &mut &'a [u8]) -> Result<Document<'a>, BsonError> {
    let len = take_i32(rest)?;
    let Some(content) = usize::try_from(len)
        .ok()
        .and_then(|len| len.checked_sub(DOCUMENT_BYTES_MIN))
    else {
        return Err(BsonError::Block {
            have: len.into(),
            need: DOCUMENT_BYTES_MIN as i64,
        });
    };
    let have = rest.len();
    let bytes = take(rest, content)?;
    match rest.split_first() {
        Some((0, behind)) => {
            *rest = behind;
            Ok(Document { rest: bytes })
        }
        Some(_) => Err(BsonError::End),
        None => Err(BsonError::Block {
            have: have as i64,
            need: content as i64 + 1,
        }),
    }
}

#[inline(always)] // into the walk, so that no value is put together in memory
fn take_value<'a>(rest: &mut &'a [u8], kind: u8) -> Result<Value<'a>, BsonError> {
    Ok(match kind {
        kind::INT32 => Value::Int32(take_i32(rest)?),
        kind::STRING => Value::String(take_string(rest)?),
        kind::DOUBLE => Value::Double(f64::from_le_bytes(*take_array(rest)?)),
        kind::INT64 => Value::Int64(i64::from_le_bytes(*take_array(rest)?)),
        kind::DOCUMENT => Value::Document(take_document(rest)?),
        kind::ARRAY => Value::Array(take_document(rest)?),
        kind::BOOLEAN => Value::Boolean(take_array::<1>(rest)? != &[0]),
        kind::OBJECT_ID => Value::ObjectId(take_array(rest)?),
        kind::DATE => Value::Date(i64::from_le_bytes(*take_array(rest)?)),
        kind::NULL => Value::Null,
        kind::TIMESTAMP => Value::Timestamp(take_array(rest)?),
        kind::BINARY => {
            let len = take_len(rest)?;
            let [subtype] = *take_array(rest)?;
            let bytes = take(rest, len)?;
            Value::Binary { subtype, bytes }
        }
        kind::REGEX => {
            let pattern = take_cstring(rest)?;
            let options = take_cstring(rest)?;
            Value::Regex { pattern, options }
        }
        kind::MIN_KEY => Value::MinKey,
        kind::MAX_KEY => Value::MaxKey,
        _ => {
            let bytes = take_raw(rest, kind)?;
            Value::Raw { kind, bytes }
        }
    })
}

/// A value of a kind that is only kept: its bytes.
pub(super) fn take_raw<'a>(rest: &mut &'a [u8], kind: u8) -> Result<&'a [u8], BsonError> {
    let all = *rest;
    match kind {
        kind::CODE | kind::SYMBOL => {
            take_string(rest)?;
        }
        kind::DB_POINTER => {
            take_string(rest)?;
            take(rest, 12)?;
        }
        kind::CODE_WITH_SCOPE => {
            let len = take_len(rest)?;
            // The length counts itself.
            let inner = take(rest, len.saturating_sub(4))?;
            let mut parts = inner;
            take_string(&mut parts)?;
            take_document(&mut parts)?;
        }
        _ => return Err(BsonError::Type(kind)),
    }
    Ok(&all[..all.len() - rest.len()])
}

/// As [`take_value`], but nothing within documents is looked at.
#[inline]
fn skip_value(rest: &mut &[u8], kind: u8) -> Result<(), BsonError> {
    let len = match kind {
        kind::NULL | kind::MIN_KEY | kind::MAX_KEY => 0,
        kind::BOOLEAN => 1,
        kind::INT32 => 4,
        kind::DOUBLE | kind::INT64 | kind::DATE | kind::TIMESTAMP => 8,
        kind::OBJECT_ID => 12,
        kind::STRING => take_len(rest)?,
        kind::BINARY => take_len(rest)?.saturating_add(1),
        kind::DOCUMENT | kind::ARRAY => take_len(rest)?.saturating_sub(4),
        _ => return take_value(rest, kind).map(|_| ()),
    };
    take(rest, len).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(bytes: &[u8]) -> Result<Value<'_>, BsonError> {
        let mut document = Document::new(bytes)?;
        let element = document.next()?.expect("an element");
        assert_eq!(element.name, b"a");
        assert_eq!(document.next(), Ok(None));
        Ok(element.value)
    }

    #[test]
    fn values_of_the_specification_are_read() {
        let number = b"\x10\0\0\0\x01a\0\0\0\0\0\0\0\xf8\x3f\0";
        assert_eq!(only(number), Ok(Value::Double(1.5)));
        let text = b"\x0e\0\0\0\x02a\0\x02\0\0\0b\0\0";
        assert_eq!(only(text), Ok(Value::String(b"b")));
        let binary = b"\x0f\0\0\0\x05a\0\x02\0\0\0\x80xy\0";
        let bytes = b"xy";
        let subtype = 0x80;
        assert_eq!(only(binary), Ok(Value::Binary { subtype, bytes }));
        let code = b"\x10\0\0\0\x0da\0\x04\0\0\0abc\0\0";
        let (kind, bytes) = (kind::CODE, &b"\x04\0\0\0abc\0"[..]);
        assert_eq!(only(code), Ok(Value::Raw { kind, bytes }));
    }

    #[test]
    fn lengths_are_compared_with_what_is_there() {
        let block = |have, need| Err(BsonError::Block { have, need });
        assert_eq!(Document::new(b"\x04\0\0\0\0"), block(4, 5));
        assert_eq!(Document::new(b"\xff\xff\xff\xff\0"), block(-1, 5));
        assert_eq!(Document::new(b"\x06\0\0\0\0"), block(1, 2));
        assert_eq!(Document::new(b"\x05\0\0\0\x01"), Err(BsonError::End));
        assert_eq!(
            only(b"\x09\0\0\0\x10a\0\x01\0"),
            Err(BsonError::Block { have: 1, need: 4 })
        );
        assert_eq!(
            only(b"\x0d\0\0\0\x03a\0\xff\0\0\0\0\0"),
            Err(BsonError::Block { have: 1, need: 250 })
        );
        assert_eq!(only(b"\x07\0\0\0\x10a\0"), Err(BsonError::Cstring));
        let empty = b"\x0d\0\0\0\x02a\0\0\0\0\0\0\0";
        assert_eq!(only(empty), Err(BsonError::StringLength(0)));
    }

    #[test]
    fn elements_are_counted_up_to_a_wrong_one() {
        let document = Document::new(b"\x0e\0\0\0\x0aa\0\x0ab\0\x06c\0\0").unwrap();
        assert_eq!(document.elements_ahead(), 2);
    }
}

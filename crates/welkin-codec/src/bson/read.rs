//! Bytes to elements.

use super::words::first_zero;
use super::{BsonError, DOCUMENT_BYTES_MIN, Place, kind};

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

    /// The next element of an array: the number that its name begins with, and its value. `place` is the
    /// same one for the whole array.
    #[inline(always)] // as `take_value`
    pub fn next_item(&mut self, place: &mut Place) -> Result<Option<(i64, Value<'a>)>, BsonError> {
        let number = place.number();
        if let Some([kind, name @ ..]) = self.rest.first_chunk::<9>()
            && let Some(digits) = place.matches(*name)
        {
            self.rest = &self.rest[2 + digits..];
            place.advance();
            return Ok(Some((number, take_value(&mut self.rest, *kind)?)));
        }
        let Some(element) = self.next()? else {
            return Ok(None);
        };
        let found = number_of(element.name);
        if found == number {
            place.advance();
        }
        Ok(Some((found, element.value)))
    }

    /// How many elements there are, up to the first one that is wrong. None of them takes less than two
    /// bytes, so room can be made for that many.
    pub fn elements_ahead(&self) -> usize {
        let bytes = self.rest;
        let (mut at, mut count) = (0, 0);
        while let Some((kind, behind)) = bytes[at..].split_first()
            && let Some(name) = first_zero(behind)
            && let Some(end) = end_of_value(bytes, at + 2 + name, *kind)
        {
            at = end;
            count += 1;
        }
        count
    }

    /// The same for an array, sooner: its names should have as many digits as their numbers.
    pub fn items_ahead(&self) -> usize {
        let bytes = self.rest;
        let (mut at, mut count) = (0, 0);
        let (mut digits, mut longer) = (1, 10);
        while let Some(kind) = bytes.get(at)
            && bytes.get(at + 1 + digits) == Some(&0)
            && let Some(end) = end_of_value(bytes, at + 2 + digits, *kind)
        {
            at = end;
            count += 1;
            if count == longer {
                (digits, longer) = (digits + 1, longer * 10);
            }
        }
        let rest = &bytes[at..];
        count + Self { rest }.elements_ahead()
    }

    /// Bytes of the elements that are not read yet. What stands at offset `n` of a document's elements
    /// is found by it.
    pub fn bytes_ahead(&self) -> usize {
        self.rest.len()
    }
}

#[inline(always)]
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

#[inline(always)]
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

#[inline(always)]
fn take_i32(rest: &mut &[u8]) -> Result<i32, BsonError> {
    take_array(rest).map(|bytes| i32::from_le_bytes(*bytes))
}

/// A length, which the specification says is signed.
#[inline(always)]
fn take_len(rest: &mut &[u8]) -> Result<usize, BsonError> {
    let len = take_i32(rest)?;
    usize::try_from(len).map_err(|_| BsonError::Block {
        have: rest.len() as i64,
        need: len.into(),
    })
}

#[inline(always)]
fn take_cstring<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], BsonError> {
    let Some(end) = first_zero(rest) else {
        return Err(BsonError::Cstring);
    };
    let text = &rest[..end];
    *rest = &rest[end + 1..];
    Ok(text)
}

#[inline(always)]
fn take_string<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], BsonError> {
    let len = take_i32(rest)?;
    let Some(len @ 1..) = usize::try_from(len).ok() else {
        return Err(BsonError::StringLength(len));
    };
    // The last byte is a zero by the specification; skynet does not look at it.
    Ok(&take(rest, len)?[..len - 1])
}

#[inline(always)] // as `take_value`; the walk's place in the bytes stays in registers
fn take_document<'a>(rest: &mut &'a [u8]) -> Result<Document<'a>, BsonError> {
    let (document, behind) = split_document(rest)?;
    *rest = behind;
    Ok(document)
}

fn split_document(bytes: &[u8]) -> Result<(Document<'_>, &[u8]), BsonError> {
    let mut rest = bytes;
    let len = take_i32(&mut rest)?;
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
    let bytes = take(&mut rest, content)?;
    match rest.split_first() {
        Some((0, behind)) => Ok((Document { rest: bytes }, behind)),
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
#[inline(always)] // as `take_document`
pub(super) fn take_raw<'a>(rest: &mut &'a [u8], kind: u8) -> Result<&'a [u8], BsonError> {
    let (bytes, behind) = split_raw(rest, kind)?;
    *rest = behind;
    Ok(bytes)
}

fn split_raw(all: &[u8], kind: u8) -> Result<(&[u8], &[u8]), BsonError> {
    let rest = &mut &*all;
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
    Ok(all.split_at(all.len() - rest.len()))
}

/// The number that an array's key begins with; servers write nothing else.
fn number_of(name: &[u8]) -> i64 {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: i64, digit| {
        number.wrapping_mul(10).wrapping_add((digit - b'0').into())
    })
}

/// How long a value is.
#[derive(Clone, Copy)]
enum Size {
    /// That many bytes.
    Fixed(u8),
    /// As many as the length it begins with says, and that many more.
    Told(u8),
    /// It has to be read.
    Unknown,
}

static SIZES: [Size; 256] = {
    let mut sizes = [Size::Unknown; 256];
    sizes[kind::NULL as usize] = Size::Fixed(0);
    sizes[kind::MIN_KEY as usize] = Size::Fixed(0);
    sizes[kind::MAX_KEY as usize] = Size::Fixed(0);
    sizes[kind::BOOLEAN as usize] = Size::Fixed(1);
    sizes[kind::INT32 as usize] = Size::Fixed(4);
    sizes[kind::DOUBLE as usize] = Size::Fixed(8);
    sizes[kind::INT64 as usize] = Size::Fixed(8);
    sizes[kind::DATE as usize] = Size::Fixed(8);
    sizes[kind::TIMESTAMP as usize] = Size::Fixed(8);
    sizes[kind::OBJECT_ID as usize] = Size::Fixed(12);
    sizes[kind::STRING as usize] = Size::Told(4);
    sizes[kind::BINARY as usize] = Size::Told(5);
    sizes[kind::DOCUMENT as usize] = Size::Told(0);
    sizes[kind::ARRAY as usize] = Size::Told(0);
    sizes
};

/// Where the value that begins at `at` ends, as far as can be told without looking within it; `None` if
/// `bytes` end before.
#[inline(always)]
fn end_of_value(bytes: &[u8], at: usize, kind: u8) -> Option<usize> {
    let size = match SIZES[usize::from(kind)] {
        Size::Fixed(size) => size.into(),
        Size::Told(more) => {
            let told = i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
            usize::try_from(told).ok()?.checked_add(more.into())?.max(4)
        }
        Size::Unknown => size_read(&bytes[at..], kind)?,
    };
    at.checked_add(size).filter(|end| *end <= bytes.len())
}

#[cold]
#[inline(never)]
fn size_read(bytes: &[u8], kind: u8) -> Option<usize> {
    let mut rest = bytes;
    take_value(&mut rest, kind).ok()?;
    Some(bytes.len() - rest.len())
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
        assert_eq!(document.items_ahead(), 2);
    }

    #[test]
    fn items_are_numbered_by_their_names_whatever_these_are() {
        let count = 1234;
        let mut names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        names[17] = "1000".into();
        names[18] = String::new();
        names[500] = "a long name without any number".into();
        names[501] = "12x".into();
        let mut bytes = Vec::new();
        let mut writer = super::super::Writer::new(&mut bytes);
        let start = writer.begin();
        for (at, name) in names.iter().enumerate() {
            match at % 3 {
                0 => writer.integer(name.as_bytes(), at as i64),
                1 => writer.string(name.as_bytes(), b"text").unwrap(),
                _ => writer
                    .special(name.as_bytes(), super::super::Special::Null)
                    .unwrap(),
            }
        }
        writer.end(start).unwrap();
        let mut document = Document::new(&bytes).unwrap();
        assert_eq!(document.elements_ahead(), count);
        assert_eq!(document.items_ahead(), count);
        let mut place = Place::default();
        for (at, name) in names.iter().enumerate() {
            let (number, value) = document.next_item(&mut place).unwrap().expect("an item");
            let digits = name.bytes().take_while(u8::is_ascii_digit).count();
            assert_eq!(number, name[..digits].parse().unwrap_or(0), "{name}");
            let wanted = match at % 3 {
                0 => Value::Int32(at as i32),
                1 => Value::String(b"text"),
                _ => Value::Null,
            };
            assert_eq!(value, wanted);
        }
        assert_eq!(document.next_item(&mut place), Ok(None));
    }
}

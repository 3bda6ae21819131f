//! What Lua has no type for: strings of a zero byte, the type's number and its content.
//!
//! skynet's programs compare, print and store these strings, so their bytes are part of the interface.
//! A text of the program that begins so by chance is taken for one, as on skynet. Their content is
//! checked before it is written: else a text that a stranger supplied could add fields to a document.

use std::fmt;

use super::{kind, read, utf8};

/// A value out of such a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say what a field is
pub enum Special<'a> {
    Null,
    MinKey,
    MaxKey,
    /// Seconds since 1970; the lower 32 bits.
    Date(i32),
    /// The increment, then the seconds.
    Timestamp(&'a [u8; 8]),
    Int64(i64),
    Binary {
        subtype: u8,
        bytes: &'a [u8],
    },
    Regex {
        pattern: &'a [u8],
        options: &'a [u8],
    },
    ObjectId(&'a [u8; 12]),
    /// Code, symbols, pointers, not looked into.
    Raw {
        kind: u8,
        bytes: &'a [u8],
    },
}

/// What is wrong with such a string. `Display` is the text that programs know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialError {
    /// No type has this number.
    Subtype(u8),
    /// Not 12 bytes.
    ObjectId,
    /// Not 4 bytes.
    Date,
    /// Not 8 bytes.
    Timestamp,
    /// Not 8 bytes.
    Int64,
    /// Not two texts with a zero byte behind each.
    Regex,
    /// No byte for the subtype.
    Binary,
    /// The content of a kept value is not what its type has.
    Raw(u8),
    /// A regular expression that is not UTF-8.
    Utf8,
}

impl fmt::Display for SpecialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subtype(kind) => return write!(f, "Invalid subtype {kind}"),
            Self::Raw(kind) => return write!(f, "Invalid value of bson type {kind}"),
            Self::ObjectId => "Invalid object id",
            Self::Date => "Invalid date",
            Self::Timestamp => "Invalid timestamp",
            Self::Int64 => "Invalid int64",
            Self::Regex => "Invalid regex",
            Self::Binary => "Invalid binary",
            Self::Utf8 => "Invalid utf8 string",
        })
    }
}

impl std::error::Error for SpecialError {}

impl<'a> Special<'a> {
    /// The two bytes and the content of such a string; `None`: an ordinary text.
    #[inline]
    pub fn split(text: &'a [u8]) -> Option<(u8, &'a [u8])> {
        match text {
            [0, kind, content @ ..] => Some((*kind, content)),
            _ => None,
        }
    }

    /// The value of [`Special::split`]'s result.
    pub fn parse(kind: u8, content: &'a [u8]) -> Result<Self, SpecialError> {
        Ok(match kind {
            kind::NULL => Self::Null,
            kind::MIN_KEY => Self::MinKey,
            kind::MAX_KEY => Self::MaxKey,
            kind::DATE => Self::Date(i32::from_le_bytes(
                content.try_into().map_err(|_| SpecialError::Date)?,
            )),
            kind::TIMESTAMP => {
                Self::Timestamp(content.try_into().map_err(|_| SpecialError::Timestamp)?)
            }
            kind::INT64 => Self::Int64(i64::from_le_bytes(
                content.try_into().map_err(|_| SpecialError::Int64)?,
            )),
            kind::BINARY => {
                let (subtype, bytes) = content.split_first().ok_or(SpecialError::Binary)?;
                let subtype = *subtype;
                Self::Binary { subtype, bytes }
            }
            kind::REGEX => {
                let (pattern, options) = regex(content).ok_or(SpecialError::Regex)?;
                Self::Regex { pattern, options }
            }
            kind::OBJECT_ID => {
                Self::ObjectId(content.try_into().map_err(|_| SpecialError::ObjectId)?)
            }
            kind::CODE | kind::SYMBOL | kind::DB_POINTER | kind::CODE_WITH_SCOPE => Self::Raw {
                kind,
                bytes: content,
            },
            _ => return Err(SpecialError::Subtype(kind)),
        })
    }

    /// The same, with a look at what could do harm in a document.
    pub fn parse_to_write(kind: u8, content: &'a [u8]) -> Result<Self, SpecialError> {
        let special = Self::parse(kind, content)?;
        match special {
            Self::Regex { pattern, options }
                if !utf8::is_text(pattern) || !utf8::is_text(options) =>
            {
                return Err(SpecialError::Utf8);
            }
            Self::Raw { kind, bytes } if !is_whole(kind, bytes) => {
                return Err(SpecialError::Raw(kind));
            }
            _ => {}
        }
        Ok(special)
    }
}

/// Whether the bytes are one value of this kind and nothing else.
fn is_whole(kind: u8, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    read::take_raw(&mut rest, kind).is_ok() && rest.is_empty()
}

fn regex(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (0, texts) = content.split_last()? else {
        return None;
    };
    let end = texts.iter().position(|byte| *byte == 0)?;
    let (pattern, options) = (&texts[..end], &texts[end + 1..]);
    (!options.contains(&0)).then_some((pattern, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Option<Result<Special<'_>, SpecialError>> {
        Special::split(text).map(|(kind, content)| Special::parse_to_write(kind, content))
    }

    #[test]
    fn a_text_is_special_from_two_bytes_on() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"\0"), None);
        assert_eq!(parse(b"a\0"), None);
        assert_eq!(parse(b"\0\x0a"), Some(Ok(Special::Null)));
        assert_eq!(parse(b"\0\x63"), Some(Err(SpecialError::Subtype(0x63))));
    }

    #[test]
    fn sizes_are_checked() {
        assert_eq!(parse(b"\0\x09\x01\0\0\0"), Some(Ok(Special::Date(1))));
        assert_eq!(parse(b"\0\x09\x01\0\0"), Some(Err(SpecialError::Date)));
        assert_eq!(parse(b"\0\x07abc"), Some(Err(SpecialError::ObjectId)));
        assert_eq!(parse(b"\0\x05"), Some(Err(SpecialError::Binary)));
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_document() {
        let regex = Special::Regex {
            pattern: b"a",
            options: b"",
        };
        assert_eq!(parse(b"\0\x0ba\0\0"), Some(Ok(regex)));
        for text in [
            &b"\0\x0b"[..],
            b"\0\x0ba",
            b"\0\x0ba\0",
            b"\0\x0ba\0b",
            b"\0\x0ba\0b\0c\0",
        ] {
            assert_eq!(parse(text), Some(Err(SpecialError::Regex)), "{text:x?}");
        }
        let code = Special::Raw {
            kind: kind::CODE,
            bytes: b"\x02\0\0\0x\0",
        };
        assert_eq!(parse(b"\0\x0d\x02\0\0\0x\0"), Some(Ok(code)));
        assert_eq!(
            parse(b"\0\x0d\x02\0\0\0x\0\x08admin\0\x01"),
            Some(Err(SpecialError::Raw(kind::CODE)))
        );
    }
}

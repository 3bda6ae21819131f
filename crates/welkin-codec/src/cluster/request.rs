//! One frame of the requesting side.

use std::borrow::Cow;
use std::fmt;

/// Whom a request is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To<'a> {
    /// The address of a service.
    Address(u32),
    /// A name, of 1 to 255 bytes from an honest peer.
    Name(Cow<'a, [u8]>),
}

impl To<'_> {
    /// The same, on its own.
    pub fn into_owned(self) -> To<'static> {
        match self {
            To::Address(address) => To::Address(address),
            To::Name(name) => To::Name(Cow::Owned(name.into_owned())),
        }
    }
}

/// What a frame says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// A whole message.
    Short {
        /// Whom it is for.
        to: To<'a>,
        /// What the answer carries too; 0: none is wanted.
        session: u32,
        /// Packed values.
        message: &'a [u8],
    },
    /// A large message begins.
    Begin {
        /// Whom it is for.
        to: To<'a>,
        /// What its parts and its answer carry.
        session: u32,
        /// Bytes of all parts.
        size: u32,
        /// No answer is wanted.
        push: bool,
    },
    /// A part of it.
    Part {
        /// Which message.
        session: u32,
        /// Its next bytes.
        bytes: &'a [u8],
        /// There are no more.
        last: bool,
    },
    /// The tag of the next request.
    Trace(&'a [u8]),
}

/// A frame that says nothing. It is ignored, and the text is logged.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum BadRequest {
    /// No bytes.
    Empty,
    /// An unknown first byte.
    Kind(u8),
    /// A message of this many bytes, too few.
    Message(usize),
    /// A begin of this many bytes, not 13.
    Begin(usize),
    /// A part without session.
    Part,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRequest::Empty => write!(f, "Invalid req package. size == 0"),
            BadRequest::Kind(kind) => write!(f, "Invalid req package type {}", kind.cast_signed()),
            BadRequest::Message(size) => write!(f, "Invalid cluster message (size={size})"),
            BadRequest::Begin(size) => write!(
                f,
                "Invalid cluster message size {size} (multi req must be 13)"
            ),
            BadRequest::Part => write!(f, "Invalid cluster multi part message"),
        }
    }
}

impl std::error::Error for BadRequest {}

impl<'a> Request<'a> {
    /// Reads the body of a frame.
    #[inline]
    pub fn read(body: &'a [u8]) -> Result<Self, BadRequest> {
        let (&kind, rest) = body.split_first().ok_or(BadRequest::Empty)?;
        match kind {
            0x00 | 0x80 => {
                let bad = BadRequest::Message(body.len());
                let (to, rest) = target(kind, rest).ok_or(bad)?;
                let (session, message) = number(rest).ok_or(bad)?;
                Ok(Request::Short {
                    to,
                    session,
                    message,
                })
            }
            0x01 | 0x41 | 0x81 | 0xc1 => {
                let bad = match kind & 0x80 {
                    0 => BadRequest::Begin(body.len()),
                    _ => BadRequest::Message(body.len()),
                };
                let (to, rest) = target(kind, rest).ok_or(bad)?;
                let (session, rest) = number(rest).ok_or(bad)?;
                let (size, rest) = number(rest).ok_or(bad)?;
                if kind & 0x80 == 0 && !rest.is_empty() {
                    return Err(bad);
                }
                let push = kind & 0x40 != 0;
                Ok(Request::Begin {
                    to,
                    session,
                    size,
                    push,
                })
            }
            0x02 | 0x03 => {
                let (session, bytes) = number(rest).ok_or(BadRequest::Part)?;
                let last = kind == 0x03;
                Ok(Request::Part {
                    session,
                    bytes,
                    last,
                })
            }
            0x04 => Ok(Request::Trace(rest)),
            _ => Err(BadRequest::Kind(kind)),
        }
    }
}

fn target(kind: u8, bytes: &[u8]) -> Option<(To<'_>, &[u8])> {
    if kind & 0x80 == 0 {
        let (address, rest) = number(bytes)?;
        return Some((To::Address(address), rest));
    }
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(length.into())?;
    Some((To::Name(Cow::Borrowed(name)), rest))
}

pub(super) fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

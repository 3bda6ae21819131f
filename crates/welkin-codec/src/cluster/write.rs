//! Frames into a sink, lengths included.

use std::fmt;

use super::request::To;
use super::{ERROR_MAX, NAME_MAX, PART, RESULT_SHORT_MAX, TRACE_MAX};
use crate::seri::Sink;

const PUSH: u8 = 0x40;
const NAME: u8 = 0x80;

/// A name of no bytes, or of more than 255.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct NameLength;

impl fmt::Display for NameLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "name length is invalid, must be between 1 and 255 characters"
        )
    }
}

impl std::error::Error for NameLength {}

impl To<'_> {
    /// Whether it can be written.
    pub fn check(&self) -> Result<(), NameLength> {
        match self {
            To::Name(name) if name.is_empty() || name.len() > NAME_MAX => Err(NameLength),
            _ => Ok(()),
        }
    }

    /// Bytes of the first byte and the target.
    fn len(&self) -> usize {
        match self {
            To::Address(_) => 5,
            To::Name(name) => 2 + name.len(),
        }
    }

    fn write(&self, sink: &mut impl Sink, kind: u8) {
        match self {
            To::Address(address) => {
                sink.push(kind);
                sink.extend(&address.to_le_bytes());
            }
            To::Name(name) => {
                sink.push(kind | NAME);
                // Checked by `check`.
                sink.push(name.len() as u8);
                sink.extend(name);
            }
        }
    }
}

fn length(sink: &mut impl Sink, bytes: usize) {
    debug_assert!(
        bytes <= usize::from(u16::MAX),
        "a frame has 65535 bytes at most"
    );
    sink.extend(&(bytes as u16).to_be_bytes());
}

/// A request of less than [`PART`] bytes; session 0: a push. `to` has been checked.
#[inline]
pub fn write_request(sink: &mut impl Sink, to: &To<'_>, session: u32, message: &[u8]) {
    debug_assert!(message.len() < PART, "longer ones travel in parts");
    length(sink, to.len() + 4 + message.len());
    to.write(sink, 0x00);
    sink.extend(&session.to_le_bytes());
    sink.extend(message);
}

/// The begin of a large request of `size` bytes.
pub fn write_begin(sink: &mut impl Sink, to: &To<'_>, session: u32, size: u32, push: bool) {
    length(sink, to.len() + 8);
    to.write(sink, if push { 0x01 | PUSH } else { 0x01 });
    sink.extend(&session.to_le_bytes());
    sink.extend(&size.to_le_bytes());
}

/// One part of a large request, at most [`PART`] bytes.
pub fn write_part(sink: &mut impl Sink, session: u32, part: &[u8], last: bool) {
    write_part_head(sink, session, part.len(), last);
    sink.extend(part);
}

/// What stands in front of a part of `bytes` bytes.
pub fn write_part_head(sink: &mut impl Sink, session: u32, bytes: usize, last: bool) {
    length(sink, 5 + bytes);
    sink.push(if last { 0x03 } else { 0x02 });
    sink.extend(&session.to_le_bytes());
}

/// The parts that a large message travels in, and whether each is the last one.
pub fn parts(message: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let count = message.len().div_ceil(PART);
    let numbered = message.chunks(PART).zip(1..);
    numbered.map(move |(part, number)| (part, number == count))
}

/// The tag of the next request. False, and nothing written: it is longer than [`TRACE_MAX`].
pub fn write_trace(sink: &mut impl Sink, tag: &[u8]) -> bool {
    if tag.len() > TRACE_MAX {
        return false;
    }
    length(sink, 1 + tag.len());
    sink.push(0x04);
    sink.extend(tag);
    true
}

fn response(sink: &mut impl Sink, session: u32, kind: u8, bytes: &[u8]) {
    response_head(sink, session, kind, bytes.len());
    sink.extend(bytes);
}

fn response_head(sink: &mut impl Sink, session: u32, kind: u8, bytes: usize) {
    length(sink, 5 + bytes);
    sink.extend(&session.to_le_bytes());
    sink.push(kind);
}

/// The error of a request; cut at [`ERROR_MAX`] bytes.
pub fn write_error(sink: &mut impl Sink, session: u32, text: &[u8]) {
    response(sink, session, 0, &text[..text.len().min(ERROR_MAX)]);
}

/// The result of a request, at most [`super::RESULT_SHORT_MAX`] bytes.
#[inline]
pub fn write_result(sink: &mut impl Sink, session: u32, result: &[u8]) {
    debug_assert!(
        result.len() <= RESULT_SHORT_MAX,
        "longer ones travel in parts"
    );
    response(sink, session, 1, result);
}

/// The begin of a large result of `size` bytes.
pub fn write_result_begin(sink: &mut impl Sink, session: u32, size: u32) {
    response(sink, session, 2, &size.to_le_bytes());
}

/// One part of a large result, at most [`PART`] bytes.
pub fn write_result_part(sink: &mut impl Sink, session: u32, part: &[u8], last: bool) {
    write_result_part_head(sink, session, part.len(), last);
    sink.extend(part);
}

/// What stands in front of a part of `bytes` bytes.
pub fn write_result_part_head(sink: &mut impl Sink, session: u32, bytes: usize, last: bool) {
    response_head(sink, session, if last { 4 } else { 3 }, bytes);
}

//! Frames: four bytes of length (big endian, of what follows), one byte of kind, the body.
//!
//! ```text
//! kind 0   a message: JSON
//! kind 1   a piece of a stream: 8 bytes stream number, 32 bytes SHA-256 of the data, data
//! kind 2   end of a stream: 8 bytes stream number, text (empty: all of it came; else what failed)
//! kind 3   the beginning of a message that goes on in the next frame of kind 3 or 0
//! kind 4   a sign of life, no body
//! ```
//!
//! A length above [`MAX`] is never waited for: the connection is of no use any more. Nor is a length that
//! may be true believed: the buffer grows with the bytes that come. What a frame's digest is worth is
//! for the link to say, which knows SHA-256.

use std::fmt;

/// Longest frame, length field not counted.
pub const MAX: usize = 1 << 20;
/// Most data in one piece of a stream.
pub const PIECE: usize = 256 << 10;
/// Longest message, all its frames together.
pub const MESSAGE_MAX: usize = 16 << 20;

const LENGTH: usize = 4;
const STREAM: usize = 8;
const DIGEST: usize = 32;
/// Room that is made for the next read.
const ROOM: usize = 8 << 10;
/// An empty buffer larger than this is given back.
const KEEP: usize = 64 << 10;

/// One frame, as it lies in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message, or its last part.
    Message(&'a [u8]),
    /// A part of a message that goes on.
    Part(&'a [u8]),
    /// Data of a stream.
    Piece {
        /// Which.
        stream: u64,
        /// SHA-256 that the sender says the data has.
        digest: &'a [u8; DIGEST],
        /// The data.
        data: &'a [u8],
    },
    /// A stream has ended.
    End {
        /// Which.
        stream: u64,
        /// What failed; empty: nothing.
        failure: &'a str,
    },
    /// Nothing but life.
    Beat,
}

/// Why bytes are no frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The length is beyond what is taken.
    TooLong {
        /// What it says.
        announced: usize,
        /// What is taken.
        max: usize,
    },
    /// No such kind.
    Kind(u8),
    /// Too few bytes for the kind, or too many.
    Size {
        /// The kind.
        kind: u8,
        /// Bytes of the body.
        size: usize,
    },
    /// The end of a stream gives a reason that is not UTF-8.
    Text,
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { announced, max } => {
                write!(out, "a frame of {announced} bytes, at most {max} are taken")
            }
            Self::Kind(kind) => write!(out, "a frame of unknown kind {kind}"),
            Self::Size { kind, size } => {
                write!(out, "a frame of kind {kind} cannot have {size} bytes")
            }
            Self::Text => write!(out, "the end of a stream gives a reason that is not text"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Takes bytes as they come and gives frames. After an error it is of no more use.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were given out.
    taken: usize,
    max: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(MAX)
    }
}

impl Decoder {
    /// Takes frames of up to `max` bytes, and never more than [`MAX`].
    pub fn new(max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            max: max.min(MAX),
        }
    }

    /// Where to append what was read; there is room for some KiB without growing.
    pub fn room(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(ROOM);
        &mut self.buffer
    }

    /// Raises or lowers the longest frame from here on.
    pub fn set_max(&mut self, max: usize) {
        self.max = max.min(MAX);
    }

    /// Whether bytes lie here that are not a whole frame (after [`Self::frame`] gave none).
    pub fn is_empty(&self) -> bool {
        self.buffer.len() == self.taken
    }

    /// The next whole frame. `None`: more bytes are needed.
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let rest = &self.buffer[self.taken..];
        let Some(length) = rest.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.max {
            return Err(FrameError::TooLong {
                announced: length,
                max: self.max,
            });
        }
        if length == 0 {
            return Err(FrameError::Size { kind: 0, size: 0 });
        }
        if rest.len() < LENGTH + length {
            return Ok(None);
        }
        let start = self.taken + LENGTH;
        self.taken = start + length;
        parse(&self.buffer[start..self.taken]).map(Some)
    }
}

fn parse(frame: &[u8]) -> Result<Frame<'_>, FrameError> {
    let (kind, body) = (frame[0], &frame[1..]);
    let wrong = FrameError::Size {
        kind,
        size: body.len(),
    };
    match kind {
        0 => Ok(Frame::Message(body)),
        1 => {
            let (stream, rest) = stream_of(body).ok_or(wrong.clone())?;
            let (digest, data) = rest.split_first_chunk().ok_or(wrong.clone())?;
            if data.len() > PIECE {
                return Err(wrong);
            }
            Ok(Frame::Piece {
                stream,
                digest,
                data,
            })
        }
        2 => {
            let (stream, failure) = stream_of(body).ok_or(wrong)?;
            let failure = std::str::from_utf8(failure).map_err(|_| FrameError::Text)?;
            Ok(Frame::End { stream, failure })
        }
        3 => Ok(Frame::Part(body)),
        4 if body.is_empty() => Ok(Frame::Beat),
        4 => Err(wrong),
        _ => Err(FrameError::Kind(kind)),
    }
}

fn stream_of(body: &[u8]) -> Option<(u64, &[u8])> {
    let (stream, rest) = body.split_first_chunk::<STREAM>()?;
    Some((u64::from_be_bytes(*stream), rest))
}

/// Appends a message, in as many frames as it needs. The caller holds it below [`MESSAGE_MAX`].
pub fn message(out: &mut Vec<u8>, mut body: &[u8]) {
    while body.len() > MAX - 1 {
        let (part, rest) = body.split_at(MAX - 1);
        frame(out, 3, &[part]);
        body = rest;
    }
    frame(out, 0, &[body]);
}

/// Appends a piece of a stream; `data` is at most [`PIECE`] bytes.
pub fn piece(out: &mut Vec<u8>, stream: u64, digest: &[u8; DIGEST], data: &[u8]) {
    debug_assert!(data.len() <= PIECE, "a piece of {} bytes", data.len());
    frame(out, 1, &[&stream.to_be_bytes(), digest, data]);
}

/// Appends the end of a stream. A reason too long for a frame is cut.
pub fn end(out: &mut Vec<u8>, stream: u64, failure: &str) {
    let cut = failure.floor_char_boundary(MAX / 2);
    frame(out, 2, &[&stream.to_be_bytes(), &failure.as_bytes()[..cut]]);
}

/// Appends a sign of life.
pub fn beat(out: &mut Vec<u8>) {
    frame(out, 4, &[]);
}

fn frame(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let size = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    debug_assert!(size <= MAX, "a frame of {size} bytes");
    out.reserve(LENGTH + size);
    // The callers above keep every part below MAX.
    #[allow(clippy::cast_possible_truncation)]
    out.extend_from_slice(&(size as u32).to_be_bytes());
    out.push(kind);
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests;

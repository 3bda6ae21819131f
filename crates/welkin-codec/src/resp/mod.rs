//! The protocol of Redis, version 2 (RESP2): commands to bytes, and answers from bytes.
//!
//! An answer is a line that begins with a letter for its type; bytes of a known length, or more answers,
//! may follow. [`token`] reads one such piece, [`Scan`] finds where an answer ends that arrives in
//! pieces. Lengths are only believed when the bytes are there; what is no RESP2 is an error, after
//! which nothing on that connection means anything.
//!
//! Format: the protocol specification in the Redis documentation.

mod scan;
mod slot;
mod write;

pub use scan::{DEPTH_MAX, Scan};
pub use slot::{SLOTS, crc16, key_slot};
pub use write::{Room, write_command};

use std::fmt;

/// Longest text line, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Longest line that holds a number; 20 digits and a sign are enough for any that a server means.
const NUMBER_BYTES_MAX: usize = 64;

/// One piece of an answer.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Token<'a> {
    /// `+`: a short text.
    Status(&'a [u8]),
    /// `-`: what the server refuses, and why.
    Error(&'a [u8]),
    /// `:`
    Integer(i64),
    /// `:` beyond 64 bits.
    Float(f64),
    /// `$`: any bytes.
    Bulk(&'a [u8]),
    /// `$-1` or `*-1`.
    Null,
    /// `*`: this many answers follow.
    Array(usize),
}

/// Why bytes are no answer.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum RespError {
    /// An answer begins with this byte, which names no type of RESP2.
    Type(u8),
    /// A line without end.
    Line,
    /// A number or a length that is none.
    Number,
    /// Bytes longer than they were announced.
    Length,
    /// Arrays in arrays beyond [`DEPTH_MAX`].
    Depth,
}

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(byte) => write!(
                f,
                "malformed answer: {:?} is no type of RESP2",
                char::from(*byte)
            ),
            Self::Line => write!(f, "malformed answer: a line does not end"),
            Self::Number => write!(f, "malformed answer: a number is none"),
            Self::Length => write!(f, "malformed answer: bytes are longer than announced"),
            Self::Depth => write!(
                f,
                "malformed answer: more than {DEPTH_MAX} arrays in each other"
            ),
        }
    }
}

impl std::error::Error for RespError {}

/// Reads the piece at the beginning of `bytes` and gives how many bytes it takes; `None`: it is not
/// whole yet.
pub fn token(bytes: &[u8]) -> Result<Option<(Token<'_>, usize)>, RespError> {
    let Some((&kind, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let longest = match kind {
        b'+' | b'-' => LINE_BYTES_MAX,
        b':' | b'$' | b'*' => NUMBER_BYTES_MAX,
        other => return Err(RespError::Type(other)),
    };
    let Some(line) = line(rest, longest)? else {
        return Ok(None);
    };
    let used = 1 + line.len() + 2;
    let token = match kind {
        b'+' => Token::Status(line),
        b'-' => Token::Error(line),
        b':' => number(line)?,
        b'$' => return bulk(line, &bytes[used..], used),
        _ => length(line)?.map_or(Token::Null, Token::Array),
    };
    Ok(Some((token, used)))
}

/// The bytes before the first line end.
fn line(bytes: &[u8], longest: usize) -> Result<Option<&[u8]>, RespError> {
    let within = &bytes[..bytes.len().min(longest + 2)];
    let mut from = 0;
    while let Some(distance) = within[from..].iter().position(|&byte| byte == b'\r') {
        let at = from + distance;
        match within.get(at + 1) {
            Some(b'\n') => return Ok(Some(&within[..at])),
            Some(_) => from = at + 1,
            None => break,
        }
    }
    if within.len() < longest + 2 {
        Ok(None)
    } else {
        Err(RespError::Line)
    }
}

fn digits(line: &[u8]) -> Result<&str, RespError> {
    let unsigned = line.strip_prefix(b"-").unwrap_or(line);
    if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
        return Err(RespError::Number);
    }
    std::str::from_utf8(line).map_err(|_| RespError::Number)
}

fn number(line: &[u8]) -> Result<Token<'static>, RespError> {
    let line = line.strip_prefix(b"+").unwrap_or(line);
    let text = digits(line)?;
    match text.parse() {
        Ok(integer) => Ok(Token::Integer(integer)),
        Err(_) => text
            .parse()
            .map(Token::Float)
            .map_err(|_| RespError::Number),
    }
}

/// `None`: -1, there is nothing.
fn length(line: &[u8]) -> Result<Option<usize>, RespError> {
    match line {
        b"-1" => Ok(None),
        _ => digits(line)?
            .parse()
            .map(Some)
            .map_err(|_| RespError::Number),
    }
}

fn bulk<'a>(
    line: &[u8],
    rest: &'a [u8],
    used: usize,
) -> Result<Option<(Token<'a>, usize)>, RespError> {
    let Some(size) = length(line)? else {
        return Ok(Some((Token::Null, used)));
    };
    let end = size.checked_add(2).ok_or(RespError::Number)?;
    if rest.len() < end {
        return Ok(None);
    }
    if &rest[size..end] != b"\r\n" {
        return Err(RespError::Length);
    }
    Ok(Some((Token::Bulk(&rest[..size]), used + end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Token<'_> {
        let (token, used) = token(bytes).unwrap().expect("it is whole");
        assert_eq!(used, bytes.len());
        token
    }

    #[test]
    fn each_type_is_read() {
        assert_eq!(whole(b"+OK\r\n"), Token::Status(b"OK"));
        assert_eq!(whole(b"+a\rb\n\r\n"), Token::Status(b"a\rb\n"));
        assert_eq!(whole(b"-ERR x\r\n"), Token::Error(b"ERR x"));
        assert_eq!(whole(b":-12\r\n"), Token::Integer(-12));
        let beyond = Token::Float(12_345_678_901_234_567_890.0);
        assert_eq!(whole(b":12345678901234567890\r\n"), beyond);
        assert_eq!(whole(b"$3\r\na\r\n\r\n"), Token::Bulk(b"a\r\n"));
        assert_eq!(whole(b"$-1\r\n"), Token::Null);
        assert_eq!(whole(b"*2\r\n"), Token::Array(2));
    }

    #[test]
    fn a_piece_cut_anywhere_is_awaited() {
        for bytes in [&b"+OK\r\n"[..], b":12\r\n", b"$3\r\nabc\r\n", b"*2\r\n"] {
            for cut in 0..bytes.len() {
                assert_eq!(token(&bytes[..cut]), Ok(None), "{cut} of {bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let error = |bytes: &[u8]| token(bytes).unwrap_err();
        assert_eq!(error(b"_\r\n"), RespError::Type(b'_'));
        assert_eq!(error(b"\r\n"), RespError::Type(b'\r'));
        assert_eq!(error(b":1x\r\n"), RespError::Number);
        assert_eq!(error(b"$-2\r\n"), RespError::Number);
        assert_eq!(error(b"$18446744073709551615\r\n"), RespError::Number);
        assert_eq!(error(b"*99999999999999999999\r\n"), RespError::Number);
        assert_eq!(error(b"$1\r\nabc"), RespError::Length);
        assert_eq!(error(&[b'$'; NUMBER_BYTES_MAX + 3]), RespError::Line);
        assert_eq!(error(&vec![b'+'; LINE_BYTES_MAX + 3]), RespError::Line);
    }
}

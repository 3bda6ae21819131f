//! One frame of the answering side.

use std::fmt;

use super::request::number;

/// What a frame says.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Response<'a> {
    /// The request failed, and why.
    Error(&'a [u8]),
    /// Its results, packed. Behind a begin this is the last part.
    Result(&'a [u8]),
    /// A large result of this many bytes begins.
    Begin(u32),
    /// A part of it.
    Part(&'a [u8]),
    /// Its last part.
    Last(&'a [u8]),
}

/// A frame that is no response: the connection is of no use any more.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed response")
    }
}

impl std::error::Error for Malformed {}

impl<'a> Response<'a> {
    /// Reads the body of a frame: the session, and what it says of it.
    #[inline]
    pub fn read(body: &'a [u8]) -> Result<(u32, Self), Malformed> {
        let (session, rest) = number(body).ok_or(Malformed)?;
        let (&kind, rest) = rest.split_first().ok_or(Malformed)?;
        let response = match kind {
            0 => Response::Error(rest),
            1 => Response::Result(rest),
            2 => match number(rest) {
                Some((size, [])) => Response::Begin(size),
                _ => return Err(Malformed),
            },
            3 => Response::Part(rest),
            4 => Response::Last(rest),
            _ => return Err(Malformed),
        };
        Ok((session, response))
    }
}

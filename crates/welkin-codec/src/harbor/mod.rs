//! What two nodes of a harbor network say on their data connection.
//!
//! First one byte from each side, its own id. Then frames in both directions, big endian:
//!
//! ```text
//! length u32, without itself | message bytes | source u32 | kind u8, number u24 | session u32
//! ```
//!
//! What else stands in front of a message stands behind it here, so a sender may put the trailer after
//! bytes that lie there already. The length is below 16 MiB. The destination is a running number: the
//! node that receives it adds its own id. The format is skynet's; its nodes are on the other end.
//!
//! [`Reader`] is a state machine over the bytes as they come. It makes room only for what is there.

use std::fmt;

use crate::frame::{Header, Package, Packages, Stream, TOO_LONG};
use crate::seri::Sink;

/// Bytes behind a message.
pub const TRAILER_BYTES: usize = 12;
/// Longest message that fits a frame, in bytes.
pub const MESSAGE_BYTES_MAX: usize = TOO_LONG - 1 - TRAILER_BYTES;
/// The part of an address that goes over the wire as destination.
pub const NUMBER_MASK: u32 = 0x00ff_ffff;

/// Who sends what to whom.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Trailer {
    /// The sender's whole address.
    pub source: u32,
    /// Kind of the message.
    pub kind: u8,
    /// The receiver's number, at most [`NUMBER_MASK`]: its address without the node.
    pub number: u32,
    /// The session, as the sender's node counts it (or the receiver's, of an answer).
    pub session: i32,
}

/// What a peer must not say. The connection is of no use after it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Another id than the one that was called.
    Id(u8),
    /// A frame of 16 MiB or more is announced.
    TooLong,
    /// A frame without room for the trailer.
    TooShort,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Id(id) => write!(f, "it says that it is harbor {id}"),
            Fault::TooLong => write!(f, "a frame of 16 MiB or more is announced"),
            Fault::TooShort => write!(
                f,
                "a frame is shorter than its {TRAILER_BYTES} byte trailer"
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// Puts a frame into `sink`. False, and nothing done: the message is longer than
/// [`MESSAGE_BYTES_MAX`].
#[inline]
pub fn write(sink: &mut impl Sink, message: &[u8], trailer: Trailer) -> bool {
    let Some(head) = head(message.len()) else {
        return false;
    };
    sink.extend(&head);
    sink.extend(message);
    sink.extend(&trailer.to_bytes());
    true
}

/// What stands in front of a message of so many bytes. `None`: it is too long.
#[inline]
pub fn head(message_bytes: usize) -> Option<[u8; 4]> {
    // Fits, as has been seen by then.
    (message_bytes <= MESSAGE_BYTES_MAX)
        .then(|| ((message_bytes + TRAILER_BYTES) as u32).to_be_bytes())
}

impl Trailer {
    /// What stands behind the message.
    #[inline]
    pub fn to_bytes(self) -> [u8; TRAILER_BYTES] {
        let destination = u32::from(self.kind) << 24 | self.number & NUMBER_MASK;
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..4].copy_from_slice(&self.source.to_be_bytes());
        bytes[4..8].copy_from_slice(&destination.to_be_bytes());
        bytes[8..].copy_from_slice(&self.session.to_be_bytes());
        bytes
    }

    #[inline]
    fn from_bytes(bytes: [u8; TRAILER_BYTES]) -> Self {
        let [s0, s1, s2, s3, kind, n0, n1, n2, e0, e1, e2, e3] = bytes;
        Self {
            source: u32::from_be_bytes([s0, s1, s2, s3]),
            kind,
            number: u32::from_be_bytes([0, n0, n1, n2]),
            session: i32::from_be_bytes([e0, e1, e2, e3]),
        }
    }
}

/// One thing that a peer has said.
#[derive(PartialEq, Eq, Debug)]
pub enum Heard<'a, B> {
    /// Its id, the one that was expected.
    Id,
    /// A message, and behind it (in `Package::Joined` too) [`TRAILER_BYTES`] to be cut off.
    Frame(Package<'a, B>, Trailer),
}

/// The receiving side of one connection.
#[derive(Debug)]
pub struct Reader<B> {
    /// The id that must come first; `None`: it has come.
    expected: Option<u8>,
    stream: Stream<B>,
}

/// A buffer that can be looked at.
pub trait Body: Sink + Default {
    /// The bytes so far.
    fn bytes(&self) -> &[u8];
}

impl Body for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl<B: Body> Reader<B> {
    /// Of a connection whose peer has not said its id, which must be `id`.
    pub fn greeting(id: u8) -> Self {
        Self {
            expected: Some(id),
            stream: Stream::default(),
        }
    }

    /// Of a connection whose peer has said its id.
    pub fn greeted() -> Self {
        Self {
            expected: None,
            stream: Stream::default(),
        }
    }

    /// Takes the next bytes. To be used up, as what is not looked at is lost; nothing follows a fault.
    pub fn feed<'a>(&'a mut self, data: &'a [u8]) -> Hearing<'a, B> {
        let (hello, data) = match (self.expected, data.split_first()) {
            (Some(id), Some((&first, rest))) if first == id => {
                self.expected = None;
                (Some(Ok(())), rest)
            }
            (Some(_), Some((&first, _))) => (Some(Err(Fault::Id(first))), &[][..]),
            _ => (None, data),
        };
        Hearing {
            hello,
            packages: Some(self.stream.feed(Header::Long, data)),
        }
    }
}

/// What one feed brought.
#[derive(Debug)]
pub struct Hearing<'a, B> {
    hello: Option<Result<(), Fault>>,
    /// `None` after a fault.
    packages: Option<Packages<'a, B>>,
}

impl<'a, B: Body> Iterator for Hearing<'a, B> {
    type Item = Result<Heard<'a, B>, Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(hello) = self.hello.take() {
            return Some(hello.map(|()| Heard::Id));
        }
        let package = self.packages.as_mut()?.next()?;
        let heard = package.map_err(|_| Fault::TooLong).and_then(frame);
        if heard.is_err() {
            self.packages = None;
        }
        Some(heard)
    }
}

#[inline]
fn frame<'a, B: Body>(package: Package<'a, B>) -> Result<Heard<'a, B>, Fault> {
    let bytes = match &package {
        Package::Whole(bytes) => bytes,
        Package::Joined(body) => body.bytes(),
    };
    let (_, trailer) = bytes.split_last_chunk().ok_or(Fault::TooShort)?;
    let trailer = Trailer::from_bytes(*trailer);
    Ok(Heard::Frame(package, trailer))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frame that the format's description shows.
    const EXAMPLE: &[u8] = b"\0\0\0\x0e\x0cx\x03\0\0\x99\x0a\0\0\x10\0\0\0\x4d";
    const TRAILER: Trailer = Trailer {
        source: 0x0300_0099,
        kind: 10,
        number: 0x10,
        session: 77,
    };

    fn hear(reader: &mut Reader<Vec<u8>>, data: &[u8]) -> Vec<Result<Option<Trailer>, Fault>> {
        reader
            .feed(data)
            .map(|heard| {
                heard.map(|heard| match heard {
                    Heard::Id => None,
                    Heard::Frame(_, trailer) => Some(trailer),
                })
            })
            .collect()
    }

    #[test]
    fn the_example_of_the_description_reads_and_writes() {
        let mut out = Vec::new();
        let address = Trailer {
            number: 0x0100_0010,
            ..TRAILER
        };
        assert!(write(&mut out, b"\x0cx", address));
        assert_eq!(out, EXAMPLE);
        assert_eq!(hear(&mut Reader::greeted(), EXAMPLE), [Ok(Some(TRAILER))]);
    }

    #[test]
    fn the_id_comes_before_the_frames() {
        let mut reader = Reader::greeting(3);
        assert!(hear(&mut reader, b"").is_empty());
        assert_eq!(hear(&mut reader, &[3, 0, 0]), [Ok(None)]);
        assert_eq!(hear(&mut reader, &EXAMPLE[2..]), [Ok(Some(TRAILER))]);
        let mut other = Reader::greeting(3);
        assert_eq!(hear(&mut other, &[4, 0, 0]), [Err(Fault::Id(4))]);
    }

    #[test]
    fn nothing_follows_a_fault() {
        let faults: [(&[u8], Fault); 2] = [
            (b"\0\0\0\x0beleven byte", Fault::TooShort),
            (b"\x01\0\0\0sixteen MiB", Fault::TooLong),
        ];
        for (wrong, fault) in faults {
            let data = [EXAMPLE, wrong, EXAMPLE].concat();
            let heard = hear(&mut Reader::greeted(), &data);
            assert_eq!(heard, [Ok(Some(TRAILER)), Err(fault)]);
        }
    }

    #[test]
    fn the_longest_message_fits_and_one_byte_more_is_refused() {
        let message = vec![7; MESSAGE_BYTES_MAX + 1];
        let mut out = Vec::new();
        assert!(!write(&mut out, &message, TRAILER));
        assert!(out.is_empty());
        assert!(write(&mut out, &message[1..], TRAILER));
        assert_eq!(hear(&mut Reader::greeted(), &out), [Ok(Some(TRAILER))]);
    }
}

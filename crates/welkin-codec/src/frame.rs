//! Packages out of a stream of bytes that a stranger cuts as he likes: a length, big endian and
//! without itself, then that many bytes.
//!
//! The announced length is never believed. Room is made for the bytes that have come, by a buffer of
//! the caller's that grows; between two packages a stream holds nothing. Most connections are idle
//! most of the time, and most packages come in one piece: these are handed on where they lie.

use std::fmt;

use crate::seri::Sink;

/// First length that a 4 byte header may not announce, in bytes: 16 MiB.
pub const TOO_LONG: usize = 1 << 24;

/// The length in front of a package.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Header {
    /// 2 bytes; all lengths that fit.
    Short,
    /// 4 bytes, less than [`TOO_LONG`].
    Long,
}

/// A package of [`TOO_LONG`] bytes or more is announced. A short header cannot.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a package of 16 MiB or more is announced")
    }
}

impl std::error::Error for TooLong {}

/// One package.
#[derive(PartialEq, Eq, Debug)]
pub enum Package<'a, B> {
    /// Lies in the bytes that were fed.
    Whole(&'a [u8]),
    /// Came in pieces.
    Joined(B),
}

/// The stream of one connection: what has come of a package that is not whole.
#[derive(Debug)]
pub struct Stream<B> {
    part: Part<B>,
}

#[derive(Debug)]
enum Part<B> {
    /// Between two packages.
    Nothing,
    /// Some bytes of a header, not all.
    Header { bytes: [u8; 4], count: usize },
    /// At least one byte is missing.
    Body { body: B, missing: usize },
}

impl Header {
    /// Length of the header itself, in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Header::Short => 2,
            Header::Long => 4,
        }
    }

    fn length(self, header: &[u8]) -> Result<usize, TooLong> {
        let length = header
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte));
        (length < TOO_LONG).then_some(length).ok_or(TooLong)
    }
}

impl<B> Default for Stream<B> {
    fn default() -> Self {
        Self {
            part: Part::Nothing,
        }
    }
}

impl<B: Sink + Default> Stream<B> {
    /// Whether the last package is complete and nothing of another one has come.
    pub fn is_between_packages(&self) -> bool {
        matches!(self.part, Part::Nothing)
    }

    /// Takes the next bytes: the packages that they make whole, in order, empty ones too. To be used up,
    /// as what is not looked at is lost. After an error there are no more, and the stream is of no use.
    pub fn feed<'a>(&'a mut self, header: Header, data: &'a [u8]) -> Packages<'a, B> {
        Packages {
            stream: self,
            header,
            data,
        }
    }
}

/// The packages of one feed.
#[derive(Debug)]
pub struct Packages<'a, B> {
    stream: &'a mut Stream<B>,
    header: Header,
    /// What is not used yet.
    data: &'a [u8],
}

impl<'a, B: Sink + Default> Iterator for Packages<'a, B> {
    type Item = Result<Package<'a, B>, TooLong>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.data.is_empty() {
            return None;
        }
        match std::mem::replace(&mut self.stream.part, Part::Nothing) {
            Part::Nothing => match self.data.split_at_checked(self.header.bytes()) {
                Some((header, rest)) => {
                    self.data = rest;
                    self.body(header)
                }
                None => self.more_header([0; 4], 0),
            },
            Part::Header { bytes, count } => self.more_header(bytes, count),
            Part::Body { body, missing } => self.more_body(body, missing),
        }
    }
}

impl<'a, B: Sink + Default> Packages<'a, B> {
    /// The package behind a complete header.
    #[inline]
    fn body(&mut self, header: &[u8]) -> Option<<Self as Iterator>::Item> {
        let length = match self.header.length(header) {
            Ok(length) => length,
            Err(error) => {
                self.data = &[];
                return Some(Err(error));
            }
        };
        if let Some((body, rest)) = self.data.split_at_checked(length) {
            self.data = rest;
            return Some(Ok(Package::Whole(body)));
        }
        self.more_body(B::default(), length)
    }

    fn more_header(
        &mut self,
        mut bytes: [u8; 4],
        count: usize,
    ) -> Option<<Self as Iterator>::Item> {
        let wanted = self.header.bytes();
        let (now, rest) = self.data.split_at((wanted - count).min(self.data.len()));
        bytes[count..count + now.len()].copy_from_slice(now);
        let count = count + now.len();
        self.data = rest;
        if count == wanted {
            return self.body(&bytes[..wanted]);
        }
        self.stream.part = Part::Header { bytes, count };
        None
    }

    fn more_body(&mut self, mut body: B, missing: usize) -> Option<<Self as Iterator>::Item> {
        let (now, rest) = self.data.split_at(missing.min(self.data.len()));
        let missing = missing - now.len();
        body.extend_first(now, missing);
        self.data = rest;
        if missing == 0 {
            return Some(Ok(Package::Joined(body)));
        }
        self.stream.part = Part::Body { body, missing };
        None
    }
}

/// Puts a package with a short header into `sink`. False, and nothing done: it has more than 65535
/// bytes.
pub fn write_short(sink: &mut impl Sink, body: &[u8]) -> bool {
    let Ok(length) = u16::try_from(body.len()) else {
        return false;
    };
    sink.extend(&length.to_be_bytes());
    sink.extend(body);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"\0\x05hello\0\0\0\x01x\0\x03abc";

    fn fed(stream: &mut Stream<Vec<u8>>, header: Header, data: &[u8]) -> Vec<Vec<u8>> {
        stream
            .feed(header, data)
            .map(|package| match package.unwrap() {
                Package::Whole(bytes) => bytes.to_vec(),
                Package::Joined(bytes) => bytes,
            })
            .collect()
    }

    #[test]
    fn packages_are_the_same_wherever_the_stream_is_cut() {
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                let mut stream = Stream::default();
                let mut packages = fed(&mut stream, Header::Short, &STREAM[..first]);
                packages.extend(fed(&mut stream, Header::Short, &STREAM[first..second]));
                packages.extend(fed(&mut stream, Header::Short, &STREAM[second..]));
                assert_eq!(
                    packages,
                    [&b"hello"[..], b"", b"x", b"abc"],
                    "{first} {second}"
                );
                assert!(stream.is_between_packages());
            }
        }
    }

    #[test]
    fn a_package_in_one_piece_is_not_copied() {
        let mut stream = Stream::<Vec<u8>>::default();
        let mut packages = stream.feed(Header::Short, b"\0\x02ab\0\x01");
        assert_eq!(packages.next(), Some(Ok(Package::Whole(&b"ab"[..]))));
        assert_eq!(packages.next(), None);
        assert!(!stream.is_between_packages());
        let mut packages = stream.feed(Header::Short, b"c");
        assert_eq!(packages.next(), Some(Ok(Package::Joined(b"c".to_vec()))));
    }

    #[test]
    fn a_short_header_reaches_to_65535() {
        let body = vec![7; 65535];
        let mut bytes = Vec::new();
        assert!(write_short(&mut bytes, &body));
        bytes.push(0);
        let mut stream = Stream::default();
        assert_eq!(fed(&mut stream, Header::Short, &bytes), [body]);
        assert!(!stream.is_between_packages());
        assert!(!write_short(&mut bytes, &vec![7; 65536]));
    }

    #[test]
    fn sixteen_mib_are_refused_as_soon_as_the_header_is_there() {
        for header in [[1, 0, 0, 0], [0xff; 4]] {
            let mut stream = Stream::<Vec<u8>>::default();
            let mut packages = stream.feed(Header::Long, &header);
            assert_eq!(packages.next(), Some(Err(TooLong)));
            assert_eq!(packages.next(), None);
            let mut stream = Stream::default();
            assert!(fed(&mut stream, Header::Long, &header[..3]).is_empty());
            let mut packages = stream.feed(Header::Long, &header[3..]);
            assert_eq!(packages.next(), Some(Err(TooLong)));
        }
    }

    #[test]
    fn an_announced_length_makes_no_room() {
        let mut stream = Stream::default();
        assert!(fed(&mut stream, Header::Long, b"\0\xff\xff\xff").is_empty());
        assert!(fed(&mut stream, Header::Long, b"little").is_empty());
        let Part::Body { body, missing } = &stream.part else {
            panic!("a package has begun");
        };
        assert!(body.capacity() < 100);
        assert_eq!(*missing, TOO_LONG - 1 - 6);
    }

    #[test]
    fn the_longest_package_arrives() {
        let mut stream = Stream::default();
        let body = vec![1; TOO_LONG - 1];
        assert!(fed(&mut stream, Header::Long, b"\0\xff").is_empty());
        assert!(fed(&mut stream, Header::Long, b"\xff\xff").is_empty());
        for part in body[..TOO_LONG - 2].chunks(65536) {
            assert!(fed(&mut stream, Header::Long, part).is_empty());
        }
        assert_eq!(fed(&mut stream, Header::Long, &[1]), [body]);
    }
}

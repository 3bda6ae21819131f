//! Packages out of a stream of bytes that a stranger cuts as he likes.
//!
//! The announced length is never believed: room is made for the bytes that have come, so a connection
//! holds at most about twice what its peer has sent of one package, and a package has less than 16 MiB.

/// First length that is refused, in bytes.
const TOO_LONG: usize = 1 << 24;

/// The length in front of a package, big endian, without itself.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Header {
    /// 2 bytes.
    Short,
    /// 4 bytes, the first of them 0.
    Long,
}

/// A package of 16 MiB or more is announced.
#[derive(PartialEq, Eq, Debug)]
pub struct TooLong;

/// The stream of one connection.
#[derive(Debug)]
pub struct Frames {
    header: Header,
    /// The package that is not whole yet, from its header on.
    part: Vec<u8>,
}

impl Header {
    fn bytes(self) -> usize {
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

impl Frames {
    /// A stream of which nothing has come.
    pub fn new(header: Header) -> Frames {
        Frames {
            header,
            part: Vec::new(),
        }
    }

    /// Takes the next bytes and hands on each package that they make whole, in order; empty ones are
    /// skipped. After an error the stream is of no use any more.
    pub fn feed(&mut self, data: &[u8], mut package: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let head = self.header.bytes();
        let mut data = data;
        if !self.part.is_empty() {
            if !self.fill(head, &mut data) {
                return Ok(());
            }
            let whole = head + self.header.length(&self.part[..head])?;
            if !self.fill(whole, &mut data) {
                return Ok(());
            }
            // Its room is given back: most connections are idle most of the time.
            hand_on(&std::mem::take(&mut self.part)[head..], &mut package);
        }
        while let Some((header, rest)) = data.split_at_checked(head) {
            let length = self.header.length(header)?;
            let Some((body, rest)) = rest.split_at_checked(length) else {
                break;
            };
            hand_on(body, &mut package);
            data = rest;
        }
        self.part.extend_from_slice(data);
        Ok(())
    }

    /// Moves bytes into the part until it has `len` of them. False: there were too few.
    fn fill(&mut self, len: usize, data: &mut &[u8]) -> bool {
        let missing = len.saturating_sub(self.part.len()).min(data.len());
        let (now, later) = data.split_at(missing);
        self.part.extend_from_slice(now);
        *data = later;
        self.part.len() >= len
    }
}

fn hand_on(body: &[u8], package: &mut impl FnMut(&[u8])) {
    if !body.is_empty() {
        package(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"\0\x05hello\0\0\0\x01x\0\x03abc";

    fn fed(frames: &mut Frames, data: &[u8]) -> Vec<Vec<u8>> {
        let mut packages = Vec::new();
        frames
            .feed(data, |package| packages.push(package.to_vec()))
            .unwrap();
        packages
    }

    #[test]
    fn packages_are_the_same_wherever_the_stream_is_cut() {
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                let mut frames = Frames::new(Header::Short);
                let mut packages = fed(&mut frames, &STREAM[..first]);
                packages.extend(fed(&mut frames, &STREAM[first..second]));
                packages.extend(fed(&mut frames, &STREAM[second..]));
                assert_eq!(packages, [&b"hello"[..], b"x", b"abc"], "{first} {second}");
                assert_eq!(frames.part, b"");
            }
        }
    }

    #[test]
    fn a_short_header_reaches_to_65535() {
        let body = vec![7; 65535];
        let stream = [&[0xff, 0xff], &body[..], &[0]].concat();
        let mut frames = Frames::new(Header::Short);
        assert_eq!(fed(&mut frames, &stream), [body]);
        assert_eq!(frames.part, [0]);
    }

    #[test]
    fn sixteen_mib_are_refused_as_soon_as_the_header_is_there() {
        for header in [[1, 0, 0, 0], [0xff; 4]] {
            let mut frames = Frames::new(Header::Long);
            assert_eq!(frames.feed(&header, |_| ()), Err(TooLong));
            let mut frames = Frames::new(Header::Long);
            assert_eq!(fed(&mut frames, &header[..3]), Vec::<Vec<u8>>::new());
            assert_eq!(frames.feed(&header[3..], |_| ()), Err(TooLong));
        }
    }

    #[test]
    fn an_announced_length_makes_no_room() {
        let mut frames = Frames::new(Header::Long);
        assert!(fed(&mut frames, b"\0\xff\xff\xff").is_empty());
        assert!(fed(&mut frames, b"little").is_empty());
        assert!(frames.part.capacity() < 100);
    }

    #[test]
    fn the_longest_package_arrives() {
        let mut frames = Frames::new(Header::Long);
        let body = vec![1; TOO_LONG - 1];
        assert!(fed(&mut frames, b"\0\xff").is_empty());
        assert!(fed(&mut frames, b"\xff\xff").is_empty());
        for part in body[..TOO_LONG - 2].chunks(65536) {
            assert!(fed(&mut frames, part).is_empty());
        }
        assert_eq!(fed(&mut frames, &[1]), [body]);
    }
}

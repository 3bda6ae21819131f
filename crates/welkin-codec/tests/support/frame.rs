//! What must hold for every stream of packages, however it is cut. The property tests and the fuzz
//! target share this file.

use welkin_codec::frame::{Header, Package, Stream, TOO_LONG};

/// What comes of a stream: its packages, and whether it ended by an error.
pub type Outcome = (Vec<Vec<u8>>, bool);

/// Feeds `pieces` one after the other.
pub fn read<'a>(header: Header, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut stream = Stream::<Vec<u8>>::default();
    let mut packages = Vec::new();
    for piece in pieces {
        for package in stream.feed(header, piece) {
            match package {
                Ok(Package::Whole(bytes)) => packages.push(bytes.to_vec()),
                Ok(Package::Joined(bytes)) => packages.push(bytes),
                Err(_) => return (packages, true),
            }
        }
    }
    (packages, false)
}

/// The same by the definition, for a stream that is there as a whole.
pub fn expected(header: Header, mut bytes: &[u8]) -> Outcome {
    let mut packages = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(header.bytes()) {
        let length = head.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
        if length >= TOO_LONG {
            return (packages, true);
        }
        let Some((body, rest)) = rest.split_at_checked(length) else {
            break;
        };
        packages.push(body.to_vec());
        bytes = rest;
    }
    (packages, false)
}

/// Cuts the stream into pieces of these lengths, over and over; a length of 0 is one of 1.
pub fn check_cut(header: Header, bytes: &[u8], lengths: &[u8]) {
    let mut lengths = lengths.iter().cycle();
    let mut rest = bytes;
    let pieces = std::iter::from_fn(|| {
        let wanted = lengths
            .next()
            .map_or(rest.len(), |&n| usize::from(n).max(1));
        let (piece, behind) = rest.split_at(wanted.min(rest.len()));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(read(header, pieces), expected(header, bytes));
}

/// Any bytes: the first says how many of the next are lengths of pieces, the others are the stream.
pub fn check_any_bytes(bytes: &[u8]) {
    let Some((&count, rest)) = bytes.split_first() else {
        return;
    };
    let (lengths, stream) = rest.split_at(usize::from(count % 16).min(rest.len()));
    for header in [Header::Short, Header::Long] {
        check_cut(header, stream, lengths);
    }
}

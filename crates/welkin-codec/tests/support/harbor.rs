//! What must hold for every data connection of a harbor, however it is cut. The property tests and the
//! fuzz target share this file.

use welkin_codec::frame::{Package, TOO_LONG};
use welkin_codec::harbor::{Fault, Heard, Reader, TRAILER_BYTES, Trailer, write};

/// What comes of a connection: its messages, and how it ended if it did.
pub type Outcome = (Vec<(Vec<u8>, Trailer)>, Option<Fault>);

/// Feeds `pieces` one after the other to a reader that expects `id` first.
pub fn read<'a>(id: u8, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut reader = Reader::<Vec<u8>>::greeting(id);
    let mut messages = Vec::new();
    for piece in pieces {
        for heard in reader.feed(piece) {
            match heard {
                Ok(Heard::Id) => assert!(messages.is_empty(), "the id comes first"),
                Ok(Heard::Frame(package, trailer)) => {
                    let mut bytes = match package {
                        Package::Whole(bytes) => bytes.to_vec(),
                        Package::Joined(bytes) => bytes,
                    };
                    bytes.truncate(bytes.len() - TRAILER_BYTES);
                    messages.push((bytes, trailer));
                }
                Err(fault) => return (messages, Some(fault)),
            }
        }
    }
    (messages, None)
}

/// The same by the definition, for a connection that is there as a whole.
pub fn expected(id: u8, bytes: &[u8]) -> Outcome {
    let mut messages = Vec::new();
    let mut rest = match bytes.split_first() {
        Some((&first, rest)) if first == id => rest,
        Some((&first, _)) => return (messages, Some(Fault::Id(first))),
        None => return (messages, None),
    };
    while let Some((head, behind)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*head) as usize;
        if length >= TOO_LONG {
            return (messages, Some(Fault::TooLong));
        }
        let Some((frame, behind)) = behind.split_at_checked(length) else {
            break;
        };
        let Some((message, trailer)) = frame.split_at_checked(length.wrapping_sub(TRAILER_BYTES))
        else {
            return (messages, Some(Fault::TooShort));
        };
        let word = |at: usize| {
            trailer[at..at + 4]
                .iter()
                .fold(0, |n, &b| n << 8 | u32::from(b))
        };
        let trailer = Trailer {
            source: word(0),
            kind: trailer[4],
            number: word(4) & 0x00ff_ffff,
            session: word(8).cast_signed(),
        };
        messages.push((message.to_vec(), trailer));
        rest = behind;
    }
    (messages, None)
}

/// Cuts the connection into pieces of these lengths, over and over; a length of 0 is one of 1.
pub fn check_cut(id: u8, bytes: &[u8], lengths: &[u8]) {
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
    assert_eq!(read(id, pieces), expected(id, bytes));
}

/// What is written is read.
pub fn check_round(messages: &[(Vec<u8>, Trailer)], lengths: &[u8]) {
    let mut bytes = vec![9];
    for (message, trailer) in messages {
        assert!(write(&mut bytes, message, *trailer));
    }
    assert_eq!(read(9, [&bytes[..]]), (messages.to_vec(), None));
    check_cut(9, &bytes, lengths);
}

/// Any bytes: the first says how many of the next are lengths of pieces, the others are the connection.
pub fn check_any_bytes(bytes: &[u8]) {
    let Some((&count, rest)) = bytes.split_first() else {
        return;
    };
    let (lengths, stream) = rest.split_at(usize::from(count % 16).min(rest.len()));
    let id = stream.first().copied().unwrap_or(1);
    check_cut(id, stream, lengths);
    check_cut(id ^ 1, stream, lengths);
}

//! Messages of MongoDB's wire protocol: OP_MSG with one document, which is all that is spoken.
//!
//! ```text
//! i32 length of all, i32 id, i32 id answered to, i32 opcode, u32 flags, u8 0, document
//! ```
//! Numbers have their lowest byte first. The length is read off by whoever cuts the stream; a reply is
//! what stands behind it.

use std::fmt;

/// Bytes before the document of a message.
pub const HEADER_BYTES: usize = 21;

/// Bytes of the length that stands first.
pub const LENGTH_BYTES: usize = 4;

/// Bytes of the longest message, by MongoDB's own limit (`maxMessageSizeBytes`).
pub const MESSAGE_BYTES_MAX: usize = 48_000_000;

const OP_MSG: i32 = 2013;
/// Flag: a checksum stands at the end.
const CHECKSUM: u32 = 1;
/// Flag: more messages follow without being asked for.
const MORE_TO_COME: u32 = 2;
/// Bytes of a reply, without its length, up to the flags' end, and with the kind of the first section.
const FLAGS_END: usize = 16;

/// Why a reply is refused. `Display` is the text that programs know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// Another kind of message.
    Opcode(i32),
    /// A checksum that nobody asked for.
    Checksum,
    /// A flag that must not be ignored.
    Flag(i32),
    /// The first section is no document.
    Payload(u8),
    /// More sections than one.
    Sections,
    /// The document announces more bytes than there are.
    Cut {
        /// Bytes that are there.
        have: usize,
        /// Bytes that it takes.
        need: usize,
    },
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opcode(code) => write!(f, "Unsupported opcode:{code}"),
            Self::Checksum => f.write_str("Unsupported OP_MSG flag checksumPresent"),
            Self::Flag(flags) => write!(f, "Unsupported OP_MSG flag:{flags}"),
            Self::Payload(kind) => write!(f, "Unsupported OP_MSG payload type: {kind}"),
            Self::Sections => f.write_str("Unsupported OP_MSG reply: >1 section"),
            Self::Cut { have, need } => write!(f, "Invalid bson block ({have}:{need})"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Which request is answered.
    pub response_to: i32,
    /// Everything behind the header: one document, if the server is honest. Nothing of it is checked.
    pub document: &'a [u8],
}

/// The header of a request.
pub fn header(id: i32, flags: u32, document_len: usize) -> Option<[u8; HEADER_BYTES]> {
    let len = i32::try_from(document_len.checked_add(HEADER_BYTES)?).ok()?;
    let mut header = [0; HEADER_BYTES];
    let numbers = [len, id, 0, OP_MSG, flags.cast_signed()];
    for (place, number) in header.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    Some(header)
}

/// Reads a reply, the bytes behind its length. `None`: too short to be a message.
pub fn read_reply(bytes: &[u8]) -> Option<Result<Reply<'_>, ReplyError>> {
    let (header, rest) = bytes.split_first_chunk::<FLAGS_END>()?;
    let number = |index: usize| {
        let at = index * 4;
        i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (response_to, opcode, flags) = (number(1), number(2), number(3));
    if opcode != OP_MSG {
        return Some(Err(ReplyError::Opcode(opcode)));
    }
    if flags.cast_unsigned() & CHECKSUM != 0 {
        return Some(Err(ReplyError::Checksum));
    }
    if flags.cast_unsigned() & !MORE_TO_COME != 0 {
        return Some(Err(ReplyError::Flag(flags)));
    }
    Some(match rest.split_first() {
        None => Err(ReplyError::Cut { have: 0, need: 1 }),
        Some((0, document)) => Ok(Reply {
            response_to,
            document,
        }),
        Some((kind, _)) => Err(ReplyError::Payload(*kind)),
    })
}

impl Reply<'_> {
    /// Whether the document's length is that of the bytes. A document that says it is shorter has a
    /// section behind it; what else it holds is not looked at.
    pub fn check_sections(&self) -> Result<(), ReplyError> {
        let have = self.document.len();
        let need = match self.document.first_chunk() {
            Some(len) => u32::from_le_bytes(*len) as usize,
            None => 4,
        };
        match have.cmp(&need) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(ReplyError::Sections),
            std::cmp::Ordering::Less => Err(ReplyError::Cut { have, need }),
        }
    }
}

/// How many bytes of a message follow its length.
pub fn rest_of_message(length: [u8; LENGTH_BYTES]) -> i64 {
    i64::from(i32::from_le_bytes(length)) - LENGTH_BYTES as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(opcode: i32, flags: i32, kind: u8, document: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = [1, 7, opcode, flags].map(i32::to_le_bytes).concat();
        bytes.push(kind);
        bytes.extend(document);
        bytes
    }

    const EMPTY: &[u8] = b"\x05\0\0\0\0";

    #[test]
    fn a_request_is_the_known_one() {
        let known = b"\x1a\0\0\0\x07\0\0\0\0\0\0\0\xdd\x07\0\0\x02\0\0\0\0";
        assert_eq!(header(7, 2, EMPTY.len()).as_ref(), Some(known));
        assert_eq!(header(7, 2, i32::MAX as usize), None);
    }

    #[test]
    fn replies_are_refused_for_what_they_are() {
        let read = |bytes: &[u8]| {
            read_reply(bytes).map(|reply| {
                reply.and_then(|reply| reply.check_sections().map(|()| reply.response_to))
            })
        };
        assert_eq!(read(&reply(2013, 0, 0, EMPTY)), Some(Ok(7)));
        assert_eq!(read(&reply(2013, 2, 0, EMPTY)), Some(Ok(7)));
        assert_eq!(
            read(&reply(1, 0, 0, EMPTY)),
            Some(Err(ReplyError::Opcode(1)))
        );
        assert_eq!(
            read(&reply(2013, 1, 0, EMPTY)),
            Some(Err(ReplyError::Checksum))
        );
        assert_eq!(
            read(&reply(2013, 4, 0, EMPTY)),
            Some(Err(ReplyError::Flag(4)))
        );
        assert_eq!(
            read(&reply(2013, 0, 1, EMPTY)),
            Some(Err(ReplyError::Payload(1)))
        );
        assert_eq!(
            read(&reply(2013, 0, 0, b"\x05\0\0\0\0x")),
            Some(Err(ReplyError::Sections))
        );
        let cut = ReplyError::Cut { have: 5, need: 9 };
        assert_eq!(read(&reply(2013, 0, 0, b"\x09\0\0\0\0")), Some(Err(cut)));
        assert_eq!(read(b"short"), None);
    }
}

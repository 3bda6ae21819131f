//! What a socket tells its owner: the message of kind `SOCKET`.
//!
//! The payload begins with the C struct `{int type, id, ud, padding; char *buffer;}` in the byte order
//! of the machine: 24 bytes, as native modules written for skynet expect it. A text follows the
//! struct; for UDP it is the peer's address bytes ([`crate::address`]). The buffer of DATA and UDP is a
//! second `malloc`ed block, attached to the payload: whoever takes the payload apart owns both, and
//! both are freed if nobody does.

use std::mem::size_of;
use std::ptr;

use welkin_runtime::{Address, Message, Node, Payload, kind};

use crate::raw;

/// Bytes were read; `ud` counts them, `buffer` has them.
pub const DATA: i32 = 1;
/// Connected, started, resumed, listening or bound; for a listener `ud` is the port.
pub const CONNECT: i32 = 2;
/// The receive side ended, or the own side closed. Once per socket.
pub const CLOSE: i32 = 3;
/// A connection was accepted; `ud` is its id, the text `ip:port` of the peer.
pub const ACCEPT: i32 = 4;
/// Something failed; the text says what.
pub const ERROR: i32 = 5;
/// A datagram; `ud` counts its bytes, the text is the sender's address.
pub const UDP: i32 = 6;
/// `ud` KiB wait to be sent; 0: all is sent again.
pub const WARNING: i32 = 7;

/// Longest text of an event, in bytes; the rest is cut.
pub const TEXT_MAX: usize = 128;

const HEAD: usize = 16 + size_of::<usize>();

/// One event, read from a payload.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// [`DATA`] to [`WARNING`].
    pub kind: i32,
    /// The socket.
    pub id: i32,
    /// Depends on the kind.
    pub ud: i32,
    /// The data of DATA and UDP, else null.
    pub buffer: *mut u8,
    /// What follows the struct.
    pub text: &'a [u8],
}

/// Reads a payload. `None`: too short to be an event. The pointer is only as good as the bytes are.
pub fn decode(bytes: &[u8]) -> Option<Event<'_>> {
    let (head, text) = bytes.split_at_checked(HEAD)?;
    let int = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (_, pointer) = head.split_last_chunk::<{ size_of::<usize>() }>()?;
    Some(Event {
        kind: int(0),
        id: int(4),
        ud: int(8),
        buffer: ptr::with_exposed_provenance_mut(usize::from_ne_bytes(*pointer)),
        text,
    })
}

/// The bytes that a DATA or UDP event carries; none for other events, and none for a payload that only
/// looks like an event: any service may send another one a SOCKET message of its own making, so only a
/// buffer that travels with this very payload is looked into.
pub fn data(payload: &Payload) -> &[u8] {
    match decode(payload.as_bytes()) {
        Some(Event {
            kind: DATA | UDP,
            ud,
            buffer,
            ..
        }) if !buffer.is_null() && buffer == payload.attached_ptr().cast() => {
            raw::attached(payload, usize::try_from(ud).unwrap_or(0))
        }
        _ => &[],
    }
}

/// Posts an event without data. If `to` is gone the event is dropped.
pub(crate) fn tell(node: &Node, to: Address, kind: i32, id: i32, ud: i32, text: &str) {
    let mut cut = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    post(
        node,
        to,
        encode(kind, id, ud, ptr::null(), &text.as_bytes()[..cut]),
    );
}

/// Posts an event with data.
pub(crate) fn tell_data(node: &Node, to: Address, kind: i32, id: i32, data: Payload, text: &[u8]) {
    // One read is far smaller than 2 GiB.
    let ud = data.len() as i32;
    post(
        node,
        to,
        encode(kind, id, ud, data.as_ptr(), text).attach(data),
    );
}

fn encode(kind: i32, id: i32, ud: i32, buffer: *const u8, text: &[u8]) -> Payload {
    let mut bytes = [0; HEAD + TEXT_MAX];
    bytes[0..4].copy_from_slice(&kind.to_ne_bytes());
    bytes[4..8].copy_from_slice(&id.to_ne_bytes());
    bytes[8..12].copy_from_slice(&ud.to_ne_bytes());
    bytes[16..HEAD].copy_from_slice(&buffer.expose_provenance().to_ne_bytes());
    bytes[HEAD..HEAD + text.len()].copy_from_slice(text);
    Payload::copy_from(&bytes[..HEAD + text.len()])
}

fn post(node: &Node, to: Address, payload: Payload) {
    let message = Message {
        source: Address::NONE,
        session: 0,
        kind: kind::SOCKET,
        payload,
    };
    // A receiver that is gone hands the message back; dropping it frees the data too.
    drop(node.post(to, message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_it_was_written() {
        let data = Payload::copy_from(b"abc");
        let payload = encode(UDP, 7, 3, data.as_ptr(), b"from");
        let event = decode(payload.as_bytes()).unwrap();
        assert_eq!(
            (event.kind, event.id, event.ud, event.text),
            (UDP, 7, 3, &b"from"[..])
        );
        assert_eq!(event.buffer.cast_const(), data.as_ptr());
    }

    #[test]
    fn only_data_that_travels_with_the_event_is_read() {
        let bytes = Payload::copy_from(b"abc");
        let honest = encode(DATA, 7, 3, bytes.as_ptr(), b"").attach(bytes);
        assert_eq!(data(&honest), b"abc");
        let forged = encode(DATA, 7, 3, ptr::without_provenance(0x1000), b"");
        assert_eq!(data(&forged), b"");
        assert_eq!(data(&Payload::copy_from(b"short")), b"");
        assert_eq!(data(&encode(CLOSE, 7, 3, ptr::null(), b"")), b"");
    }

    #[test]
    fn the_struct_is_24_bytes_where_pointers_are_8() {
        assert_eq!(
            encode(CLOSE, 1, 0, ptr::null(), b"").len(),
            16 + size_of::<usize>()
        );
    }

    #[test]
    fn a_short_payload_is_no_event() {
        assert!(decode(b"").is_none());
        assert!(decode(&[0; HEAD - 1]).is_none());
    }
}

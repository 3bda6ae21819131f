//! What must hold for every datagram, shared by the property tests and the fuzz target.

use welkin_codec::dns::{TYPE_A, TYPE_AAAA, read_reply, write_query};

/// Longest text of a name that a message can hold.
const NAME_TEXT_MAX: usize = 253;
/// An address record: the shortest name, type, class, time, length, four bytes.
const RECORD_BYTES_MIN: usize = 15;

/// Reads any bytes; what comes out must have been in them.
pub fn check_any_bytes(bytes: &[u8]) {
    let Ok(reply) = read_reply(bytes) else {
        return;
    };
    assert!(bytes.starts_with(&reply.id.to_be_bytes()));
    assert!(reply.name.len() <= NAME_TEXT_MAX);
    assert!(!reply.name.iter().any(u8::is_ascii_uppercase));
    assert!(reply.addresses.len() * RECORD_BYTES_MIN <= bytes.len());
    for kind in [TYPE_A, TYPE_AAAA] {
        if let Ok(query) = write_query(reply.id, &reply.name, kind) {
            let again = read_reply(&query).expect("a query reads as an empty reply");
            assert_eq!((again.id, again.kind), (reply.id, kind));
            assert_eq!(again.name, reply.name);
            assert!(again.addresses.is_empty());
        }
    }
}

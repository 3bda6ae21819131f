//! Messages between nodes come out as they went in, wherever the connection is cut, and no bytes
//! whatever do harm.

#[path = "support/harbor.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{check_any_bytes, check_round};
use welkin_codec::harbor::Trailer;

fn trailer() -> impl Strategy<Value = Trailer> {
    let parts = (any::<u32>(), any::<u8>(), 0u32..1 << 24, any::<i32>());
    parts.prop_map(|(source, kind, number, session)| Trailer {
        source,
        kind,
        number,
        session,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        messages in vec((vec(any::<u8>(), 0..300), trailer()), 0..20),
        lengths in vec(any::<u8>(), 1..8),
    ) {
        check_round(&messages, &lengths);
    }

    #[test]
    fn any_bytes_read_the_same_however_they_are_cut(bytes in vec(0u8..16, 0..300)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn noise_does_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        check_any_bytes(&bytes);
    }
}

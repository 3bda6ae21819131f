//! Packages come out as they went in, wherever the stream is cut, and no bytes whatever do harm.

#[path = "support/frame.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{check_any_bytes, check_cut, read};
use welkin_codec::frame::{Header, write_short};

proptest! {
    #[test]
    fn what_is_written_is_read(
        bodies in vec(vec(any::<u8>(), 0..300), 0..20),
        lengths in vec(any::<u8>(), 1..8),
    ) {
        let mut stream = Vec::new();
        for body in &bodies {
            prop_assert!(write_short(&mut stream, body));
        }
        prop_assert_eq!(read(Header::Short, [&stream[..]]), (bodies, false));
        check_cut(Header::Short, &stream, &lengths);
    }

    #[test]
    fn any_bytes_read_the_same_however_they_are_cut(bytes in vec(0u8..4, 0..200)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn noise_does_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        check_any_bytes(&bytes);
    }
}

//! Ciphers and text forms on texts that nobody chose.

use proptest::collection::vec;
use proptest::prelude::*;
use welkin_codec::crypt::{dh64, xor};

#[path = "support/crypt.rs"]
mod support;

/// The group rules of base64, letter by letter: slow, and without the way for plain groups.
fn plainly_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let (mut group, mut padded) = (Vec::new(), 0);
        while at < text.len() && group.len() + padded < 4 {
            let letter = text[at];
            at += 1;
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    padded += 1;
                    continue;
                }
                _ => continue,
            };
            if padded > 0 {
                return None;
            }
            group.push(u32::from(value));
        }
        let whole = group.len().checked_sub(1).filter(|&bytes| bytes > 0)?;
        group.resize(4, 0);
        let bits = group.iter().fold(0, |bits, value| bits << 6 | value);
        let bytes = bits.to_be_bytes();
        if bytes[1 + whole..].iter().any(|&rest| rest != 0) {
            return None;
        }
        out.extend_from_slice(&bytes[1..=whole]);
    }
    Some(out)
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..100)) {
        support::check_any_bytes(&bytes);
    }

    #[test]
    fn digits_are_read_or_refused(text in "[0-9a-g]{0,40}") {
        support::check_any_bytes(text.as_bytes());
    }

    #[test]
    fn texts_that_are_nearly_base64_are_read_by_the_rules(text in "[YWJjAQg/+=\n ]{0,24}|[a-zA-Z]{0,40}={0,2}") {
        support::check_any_bytes(text.as_bytes());
        prop_assert_eq!(support::decoded(text.as_bytes()).ok(), plainly_decoded(text.as_bytes()));
    }

    #[test]
    fn both_sides_of_an_exchange_get_the_same_secret(a in any::<u64>(), b in any::<u64>()) {
        prop_assert_eq!(dh64::secret(dh64::public(a), b), dh64::secret(dh64::public(b), a));
    }

    #[test]
    fn xor_twice_is_nothing(text in vec(any::<u8>(), 0..50), key in vec(any::<u8>(), 1..60)) {
        let (mut once, mut twice) = (text.clone(), text.clone());
        xor(&text, &key, &mut once).unwrap();
        xor(&once, &key, &mut twice).unwrap();
        prop_assert_eq!(twice, text);
    }
}

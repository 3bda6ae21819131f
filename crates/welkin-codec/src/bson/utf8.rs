//! Which texts may be written: UTF-8, where halves of UTF-16 pairs pass as well. Programs whose texts
//! come from JavaScript or Java have such, and skynet lets them through.

use super::words::{HIGHS, all_words};

/// Whether `text` is well-formed: no overlong forms, nothing above U+10FFFF, no cut characters.
#[inline]
pub fn is_text(text: &[u8]) -> bool {
    all_words(text, 0, |word| word & HIGHS == 0) || is_wide_text(text)
}

fn is_wide_text(mut text: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(text) {
        let behind = &text[error.valid_up_to()..];
        match behind {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => text = rest,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogates_pass_and_nothing_else_that_utf8_has_not() {
        for text in [
            &b""[..],
            b"a\0b",
            "\u{1f600}\u{10ffff}".as_bytes(),
            b"x\xed\xa0\x80y\xed\xbf\xbf",
        ] {
            assert!(is_text(text), "{text:x?}");
        }
        for text in [
            &b"\xff"[..],
            b"\xc0\x80",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xed\xa0",
            b"\xc3",
            b"\x80",
        ] {
            assert!(!is_text(text), "{text:x?}");
        }
    }
}

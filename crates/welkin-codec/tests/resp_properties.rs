//! Commands and answers of Redis come out as they went in, and no bytes whatever do harm.

#[path = "support/resp.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::check_any_bytes;
use welkin_codec::resp::{Room, Scan, Token, token, write_command};

fn command(parts: &[Option<Vec<u8>>]) -> Vec<u8> {
    let parts = || parts.iter().map(Option::as_deref);
    let mut room = Room::default();
    room.add_head(parts().count());
    parts().for_each(|part| room.add(part));
    let mut out = vec![0; room.0];
    assert!(write_command(&mut out, parts().count(), parts()).is_empty());
    out
}

proptest! {
    /// A command is an array of texts, so it reads as an answer.
    #[test]
    fn commands_read_as_what_they_hold(parts in vec(proptest::option::of(vec(any::<u8>(), 0..300)), 1..20)) {
        let bytes = command(&parts);
        prop_assert_eq!(Scan::default().end(&bytes), Ok(Some(bytes.len())));
        let (head, mut at) = token(&bytes).unwrap().unwrap();
        prop_assert_eq!(head, Token::Array(parts.len()));
        for part in &parts {
            let (token, used) = token(&bytes[at..]).unwrap().unwrap();
            prop_assert_eq!(token, part.as_ref().map_or(Token::Null, |part| Token::Bulk(part)));
            at += used;
        }
        check_any_bytes(&bytes);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn nearly_answers_do_no_harm(text in "[-+:$*0-9a\r\n]{0,60}") {
        check_any_bytes(text.as_bytes());
    }
}

//! The bytes that nodes in the field send, and what comes of those that none should.

use std::borrow::Cow;

use super::*;
use crate::frame::{Header, Package, Stream};

type Seen = Vec<Event<'static, Vec<u8>>>;

fn name(text: &[u8]) -> To<'_> {
    To::Name(Cow::Borrowed(text))
}

/// All events of a stream of frames.
fn requests(stream: &[u8]) -> Seen {
    let (mut frames, mut requests) = (Stream::<Vec<u8>>::default(), Requests::<Vec<u8>>::default());
    let mut seen = Vec::new();
    for frame in frames.feed(Header::Short, stream) {
        let Ok(Package::Whole(body)) = frame else {
            panic!("all of it is there");
        };
        seen.extend(requests.take(body).map(owned));
    }
    assert_eq!(requests.kept(), 0, "the stream ends between messages");
    seen
}

fn owned(event: Event<'_, Vec<u8>>) -> Event<'static, Vec<u8>> {
    match event {
        Event::Call(call) => Event::Call(Call {
            to: call.to.into_owned(),
            session: call.session,
            message: match call.message {
                Package::Whole(bytes) => Package::Joined(bytes.to_vec()),
                Package::Joined(bytes) => Package::Joined(bytes),
            },
            trace: call.trace,
        }),
        Event::Refuse(session, text) => Event::Refuse(session, text),
        Event::Bad(bad) => Event::Bad(bad),
    }
}

fn call(to: To<'static>, session: Option<u32>, message: &[u8]) -> Event<'static, Vec<u8>> {
    Event::Call(Call {
        to,
        session,
        message: Package::Joined(message.to_vec()),
        trace: None,
    })
}

#[test]
fn a_request_has_the_bytes_that_skynet_sends() {
    let mut bytes = Vec::new();
    write_request(&mut bytes, &To::Address(0x10203), 1, b"\x2chello\x0a\x07");
    let expected = b"\x00\x11\x00\x03\x02\x01\x00\x01\x00\x00\x00\x2chello\x0a\x07";
    assert_eq!(bytes, expected);
    bytes.clear();
    write_request(&mut bytes, &name(b"@nm"), 0, b"\x0cx");
    assert_eq!(bytes, b"\x00\x0b\x80\x03@nm\x00\x00\x00\x00\x0cx");
    bytes.clear();
    write_begin(&mut bytes, &To::Address(5), 2, 40003, true);
    assert_eq!(bytes, b"\x00\x0d\x41\x05\0\0\0\x02\0\0\0\x43\x9c\0\0");
    bytes.clear();
    assert!(write_trace(&mut bytes, b"(vm13803-z-6):00000008-1"));
    assert_eq!(bytes, b"\x00\x19\x04(vm13803-z-6):00000008-1");
    assert!(!write_trace(&mut bytes, &[0; TRACE_MAX + 1]));
}

#[test]
fn a_response_has_the_bytes_that_skynet_sends() {
    let mut bytes = Vec::new();
    write_result(&mut bytes, 1, b"\x34answer\x0a\x01");
    assert_eq!(bytes, b"\x00\x0e\x01\0\0\0\x01\x34answer\x0a\x01");
    bytes.clear();
    write_error(&mut bytes, 2, &[b'x'; ERROR_MAX + 1]);
    assert_eq!(bytes.len(), 2 + 5 + ERROR_MAX);
    bytes.clear();
    write_result_begin(&mut bytes, 3, 40000);
    write_result_part(&mut bytes, 3, b"ab", true);
    assert_eq!(
        bytes,
        b"\0\x09\x03\0\0\0\x02\x40\x9c\0\0\0\x07\x03\0\0\0\x04ab"
    );
}

#[test]
fn a_large_message_is_cut_into_full_parts() {
    let message = vec![7; PART * 2];
    let all: Vec<_> = parts(&message).collect();
    assert_eq!(all, [(&message[..PART], false), (&message[PART..], true)]);
    assert_eq!(parts(&message[..PART + 1]).last(), Some((&[7][..], true)));
}

#[test]
fn names_have_a_length() {
    assert!(name(b"").check().is_err());
    assert!(name(&[b'n'; 256]).check().is_err());
    assert!(name(&[b'n'; 255]).check().is_ok());
}

#[test]
fn parts_of_several_messages_may_be_mixed() {
    let mut stream = Vec::new();
    write_begin(&mut stream, &To::Address(5), 1, 4, false);
    write_begin(&mut stream, &name(b"@n"), 2, 3, true);
    write_part(&mut stream, 1, b"ab", false);
    write_part(&mut stream, 2, b"xyz", true);
    write_request(&mut stream, &To::Address(6), 3, b"short");
    write_part(&mut stream, 1, b"cd", true);
    let expected = [
        call(name(b"@n"), None, b"xyz"),
        call(To::Address(6), Some(3), b"short"),
        call(To::Address(5), Some(1), b"abcd"),
    ];
    assert_eq!(requests(&stream), expected);
}

#[test]
fn a_trace_belongs_to_the_next_request_only() {
    let mut stream = Vec::new();
    write_trace(&mut stream, b"tag");
    write_begin(&mut stream, &To::Address(5), 1, 0, false);
    write_request(&mut stream, &To::Address(6), 2, b"");
    write_part(&mut stream, 1, b"", true);
    let tags: Vec<_> = requests(&stream)
        .into_iter()
        .map(|event| match event {
            Event::Call(call) => call.trace,
            _ => panic!("only calls"),
        })
        .collect();
    assert_eq!(tags, [None, Some(Box::from(&b"tag"[..]))]);
}

#[test]
fn a_large_request_that_is_not_what_it_said_is_refused() {
    let begin = |size| {
        let mut stream = Vec::new();
        write_begin(&mut stream, &To::Address(5), 9, size, false);
        stream
    };
    let mut last = Vec::new();
    write_part(&mut last, 9, b"abc", true);
    let mut part = Vec::new();
    write_part(&mut part, 9, b"abc", false);
    let refused = [Event::Refuse(9, "Invalid large req")];
    assert_eq!(requests(&[begin(4), last.clone()].concat()), refused);
    assert_eq!(requests(&[begin(2), last.clone()].concat()), refused);
    assert_eq!(
        requests(&[begin(3), begin(3), last.clone()].concat()),
        refused
    );
    assert_eq!(requests(&[part, last.clone()].concat()), refused);
    assert_eq!(requests(&last), [Event::Refuse(9, "Invalid name")]);
}

#[test]
fn a_frame_that_says_nothing_is_named() {
    let cases: [(&[u8], &str); 10] = [
        (b"", "Invalid req package. size == 0"),
        (b"\x05abc", "Invalid req package type 5"),
        (b"\xff", "Invalid req package type -1"),
        (b"\0abc", "Invalid cluster message (size=4)"),
        (b"\x80", "Invalid cluster message (size=1)"),
        (b"\x80\x04ab", "Invalid cluster message (size=4)"),
        (
            b"\x01abc",
            "Invalid cluster message size 4 (multi req must be 13)",
        ),
        (
            b"\x81\x01a\0\0\0\0\0\0\0",
            "Invalid cluster message (size=10)",
        ),
        (b"\x02abc", "Invalid cluster multi part message"),
        (b"\x03", "Invalid cluster multi part message"),
    ];
    for (body, text) in cases {
        assert_eq!(Request::read(body).unwrap_err().to_string(), text);
    }
    assert!(Request::read(&[1; 14]).is_err(), "a begin has 13 bytes");
}

#[test]
fn no_more_is_kept_than_announced() {
    let mut requests = Requests::<Vec<u8>>::default();
    assert!(
        requests
            .take(b"\x01\0\0\0\0\x01\0\0\0\xff\xff\xff\xff")
            .is_none()
    );
    assert!(requests.take(b"\x02\x01\0\0\0abc").is_none());
    assert_eq!(requests.kept(), 3);
    assert!(requests.take(b"\x01\0\0\0\0\x02\0\0\0\x02\0\0\0").is_none());
    assert!(requests.take(b"\x02\x02\0\0\0abc").is_none());
    assert_eq!(requests.kept(), 3);
    for session in 10..20_000_u32 {
        let begin = [b"\x01\0\0\0\0", &session.to_le_bytes()[..], b"\x02\0\0\0"].concat();
        let full = session >= 10 + LARGE_OPEN_MAX as u32 - 2;
        let refused = Event::Refuse(session, "Invalid large req");
        assert_eq!(requests.take(&begin), full.then_some(refused));
    }
}

fn answers(responses: &mut Responses<Vec<u8>>, body: &[u8]) -> Option<(u32, Vec<u8>)> {
    let answer = responses.take(body, |session| session < 10).unwrap();
    answer.map(|(session, answer)| {
        let text = match answer {
            Answer::Result(Package::Whole(bytes)) => bytes.to_vec(),
            Answer::Result(Package::Joined(bytes)) => bytes,
            Answer::Error(text) => [b"error ", text].concat(),
            Answer::Nothing => b"nothing".to_vec(),
        };
        (session, text)
    })
}

#[test]
fn answers_come_whole() {
    let mut all = Responses::default();
    let mut take = |body: &[u8]| answers(&mut all, body);
    assert_eq!(take(b"\x01\0\0\0\x01abc"), Some((1, b"abc".to_vec())));
    assert_eq!(take(b"\x01\0\0\0\x00why"), Some((1, b"error why".to_vec())));
    assert_eq!(take(b"\x02\0\0\0\x02\x04\0\0\0"), None);
    assert_eq!(take(b"\x02\0\0\0\x03ab"), None);
    assert_eq!(take(b"\x03\0\0\0\x01x"), Some((3, b"x".to_vec())));
    assert_eq!(take(b"\x02\0\0\0\x04cd"), Some((2, b"abcd".to_vec())));
    // Behind a begin a plain result is the last part; without one a last part is the result.
    assert_eq!(take(b"\x02\0\0\0\x02\x02\0\0\0"), None);
    assert_eq!(take(b"\x02\0\0\0\x01cd"), Some((2, b"cd".to_vec())));
    assert_eq!(take(b"\x02\0\0\0\x04cd"), Some((2, b"cd".to_vec())));
}

#[test]
fn an_answer_that_does_not_add_up_is_nothing() {
    let mut all = Responses::default();
    let mut take = |body: &[u8]| answers(&mut all, body);
    assert_eq!(take(b"\x02\0\0\0\x02\x04\0\0\0"), None);
    assert_eq!(take(b"\x02\0\0\0\x04cd"), Some((2, b"nothing".to_vec())));
    assert_eq!(take(b"\x02\0\0\0\x03cd"), None);
    assert_eq!(take(b"\x02\0\0\0\x04cd"), Some((2, b"nothing".to_vec())));
    assert_eq!(take(b"\x02\0\0\0\x02\x04\0\0\0"), None);
    assert_eq!(take(b"\x02\0\0\0\0stop"), Some((2, b"error stop".to_vec())));
    assert_eq!(
        take(b"\x0b\0\0\0\x02\x04\0\0\0"),
        Some((11, b"nothing".to_vec()))
    );
    assert_eq!(all.kept(), 0);
}

#[test]
fn a_malformed_response_is_told() {
    for body in [
        &b""[..],
        b"abcd",
        b"x",
        b"\x01\0\0\0\x09xx",
        b"\x01\0\0\0\x02\x05\0",
    ] {
        assert_eq!(Response::read(body), Err(Malformed));
    }
}

#[test]
fn sessions_begin_again_after_the_last_one() {
    assert_eq!(next_session(1), 2);
    assert_eq!(next_session(SESSION_LAST), 1);
}

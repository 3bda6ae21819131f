//! Frames: whatever way the bytes are cut, and whatever the bytes are.

use super::*;
use proptest::prelude::*;

/// A frame that owns what it holds, to be compared after the buffer went on.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Message(Vec<u8>),
    Piece(u64, Vec<u8>),
    End(u64, String),
    Beat,
}

fn write(frame: &Owned, out: &mut Vec<u8>) {
    match frame {
        Owned::Message(body) => message(out, body),
        Owned::Piece(stream, data) => piece(out, *stream, &[7; 32], data),
        Owned::End(stream, failure) => end(out, *stream, failure),
        Owned::Beat => beat(out),
    }
}

/// All whole frames, messages put together.
fn read(decoder: &mut Decoder, message: &mut Vec<u8>, into: &mut Vec<Owned>) {
    while let Some(frame) = decoder.frame().expect("good frames") {
        into.push(match frame {
            Frame::Part(part) => {
                message.extend_from_slice(part);
                continue;
            }
            Frame::Message(last) => {
                message.extend_from_slice(last);
                Owned::Message(std::mem::take(message))
            }
            Frame::Piece { stream, data, .. } => Owned::Piece(stream, data.to_vec()),
            Frame::End { stream, failure } => Owned::End(stream, failure.to_owned()),
            Frame::Beat => Owned::Beat,
        });
    }
}

fn some_frame() -> impl Strategy<Value = Owned> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Owned::Message),
        (any::<u64>(), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(stream, data)| Owned::Piece(stream, data)),
        (any::<u64>(), ".{0,40}").prop_map(|(stream, text)| Owned::End(stream, text)),
        Just(Owned::Beat),
    ]
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in_however_the_bytes_are_cut(
        frames in prop::collection::vec(some_frame(), 0..12),
        cut in 1..97_usize,
    ) {
        let mut bytes = Vec::new();
        for frame in &frames {
            write(frame, &mut bytes);
        }
        let (mut decoder, mut message, mut found) = (Decoder::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            decoder.room().extend_from_slice(piece);
            read(&mut decoder, &mut message, &mut found);
        }
        prop_assert!(decoder.is_empty());
        prop_assert_eq!(found, frames);
    }

    #[test]
    fn any_bytes_end_in_frames_or_in_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut decoder = Decoder::new(300);
        for piece in bytes.chunks(7) {
            decoder.room().extend_from_slice(piece);
            while let Ok(Some(_)) = decoder.frame() {}
        }
    }
}

#[test]
fn a_message_above_one_frame_is_sent_in_parts() {
    let body: Vec<u8> = (0..3 * MAX + 5).map(|at| (at % 251) as u8).collect();
    let mut bytes = Vec::new();
    message(&mut bytes, &body);
    let (mut decoder, mut whole, mut found) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in bytes.chunks(100_000) {
        decoder.room().extend_from_slice(piece);
        read(&mut decoder, &mut whole, &mut found);
    }
    assert_eq!(found, [Owned::Message(body)]);
}

#[test]
fn a_length_is_refused_before_its_bytes_are_there() {
    let mut decoder = Decoder::default();
    decoder.room().extend_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(
        decoder.frame(),
        Err(FrameError::TooLong { max: MAX, .. })
    ));
}

#[test]
fn a_length_that_may_be_true_costs_no_memory() {
    let mut decoder = Decoder::default();
    decoder
        .room()
        .extend_from_slice(&(MAX as u32).to_be_bytes());
    assert_eq!(decoder.frame(), Ok(None));
    assert!(decoder.room().capacity() <= 2 * ROOM);
}

#[test]
fn what_lies_in_a_frame_must_fit_its_kind() {
    let cases: [(&[u8], FrameError); 6] = [
        (&[], FrameError::Size { kind: 0, size: 0 }),
        (&[9], FrameError::Kind(9)),
        (&[1; 20], FrameError::Size { kind: 1, size: 19 }),
        (&[2; 5], FrameError::Size { kind: 2, size: 4 }),
        (&[2, 0, 0, 0, 0, 0, 0, 0, 1, 255], FrameError::Text),
        (&[4, 0], FrameError::Size { kind: 4, size: 1 }),
    ];
    for (frame, error) in cases {
        let mut decoder = Decoder::default();
        let room = decoder.room();
        room.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        room.extend_from_slice(frame);
        assert_eq!(decoder.frame(), Err(error));
    }
}

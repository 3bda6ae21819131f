//! Any bytes, in pieces of any size, are frames of the fleet's links or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use welkin_fleet_model::wire::frame::{self, Decoder, Frame};

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (cut, bytes) = input;
    let mut decoder = Decoder::default();
    for piece in bytes.chunks(usize::from(cut).max(1)) {
        decoder.room().extend_from_slice(piece);
        loop {
            match decoder.frame() {
                Ok(Some(frame)) => again(&frame),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        // What was announced costs nothing before it is there.
        assert!(decoder.room().capacity() <= 4 * bytes.len() + (32 << 10));
    }
});

/// What was read is written to the same frame.
fn again(frame: &Frame<'_>) {
    let mut out = Vec::new();
    match frame {
        Frame::Message(body) => frame::message(&mut out, body),
        Frame::Piece {
            stream,
            digest,
            data,
        } => frame::piece(&mut out, *stream, digest, data),
        Frame::End { stream, failure } => frame::end(&mut out, *stream, failure),
        Frame::Beat => frame::beat(&mut out),
        Frame::Part(_) => return,
    }
    let mut decoder = Decoder::default();
    decoder.room().extend_from_slice(&out);
    if let Ok(Some(found)) = decoder.frame() {
        assert_eq!(&found, frame);
    }
}

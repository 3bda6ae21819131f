//! Frames out of what a peer sends, in memory that becomes the message.

use welkin_codec::frame::Package;
use welkin_codec::harbor::{Body, TRAILER_BYTES};
use welkin_codec::seri::Sink;
use welkin_runtime::{Payload, PayloadBuf};

/// When a frame that comes in pieces needs room, some is made for what is missing: at most so many times
/// the bytes that are there.
const AHEAD: usize = 64;

/// A frame that came in pieces.
#[derive(Debug, Default)]
pub(super) struct Joined(PayloadBuf);

impl Sink for Joined {
    fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn extend_first(&mut self, bytes: &[u8], announced: usize) {
        let there = self.0.len() + bytes.len();
        self.0
            .extend_ahead(bytes, announced.min(there.saturating_mul(AHEAD)));
    }
}

impl Body for Joined {
    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// The message of a frame; the reader has seen that there is a trailer.
pub(super) fn message(frame: Package<'_, Joined>) -> Payload {
    match frame {
        Package::Whole(bytes) => Payload::copy_from(&bytes[..bytes.len() - TRAILER_BYTES]),
        Package::Joined(Joined(mut buffer)) => {
            buffer.truncate(buffer.len() - TRAILER_BYTES);
            buffer.finish()
        }
    }
}

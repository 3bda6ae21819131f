//! Messages being put together, in the memory that services hand on, and frames that come in pieces.

use welkin_codec::cluster::{PART, Room};
use welkin_codec::seri::Sink;
use welkin_runtime::{Payload, PayloadBuf};

/// Bytes as they come; becomes a [`Payload`] without a copy.
#[derive(Default, Debug)]
pub struct Body(PayloadBuf);

impl Body {
    /// Room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(PayloadBuf::with_capacity(bytes))
    }

    /// All of it.
    pub fn finish(self) -> Payload {
        self.0.finish()
    }
}

impl Sink for Body {
    #[inline]
    fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

impl Room for Body {
    fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }
}

/// A frame that comes in pieces. The frames of large messages are nearly all of one length and come in
/// large pieces, so the first piece tells how much room to make: some times its own length.
#[derive(Default, Debug)]
pub struct Frame(Vec<u8>);

impl Frame {
    const AHEAD: usize = 16;
    const ROOM_MAX: usize = PART + 64;

    /// The bytes so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Sink for Frame {
    fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.0.is_empty() {
            let ahead = bytes.len().saturating_mul(Self::AHEAD);
            self.0.reserve_exact(ahead.min(Self::ROOM_MAX));
        }
        self.0.extend_from_slice(bytes);
    }
}

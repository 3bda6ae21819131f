//! Messages being put together, in the memory that services hand on, and frames that come in pieces.

use std::sync::Arc;

use welkin_codec::cluster::{PART, Room, parts};
use welkin_codec::seri::Sink;
use welkin_runtime::{Payload, PayloadBuf};

/// Bytes as they come; becomes a [`Payload`] without a copy.
#[derive(Default, Debug)]
pub struct Body(PayloadBuf);

impl Body {
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

/// A message of which the last bytes are to be sent: what stands before them told whom it is for.
#[derive(Clone, Debug)]
pub struct Tail {
    /// All of it.
    pub message: Arc<Payload>,
    /// The first byte to send.
    pub from: usize,
}

impl Tail {
    /// The bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        &self.message.as_bytes()[self.from..]
    }

    /// A head for each of the parts that they travel in, written with the part's number, from 0, its
    /// length, and whether it is the last one.
    pub fn heads(&self, mut write: impl FnMut(&mut Body, usize, usize, bool)) -> Vec<Payload> {
        let numbered = parts(self.as_bytes()).zip(0..);
        let heads = numbered.map(|((part, last), number)| {
            let mut head = Body::default();
            write(&mut head, number, part.len(), last);
            head.finish()
        });
        heads.collect()
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

//! A message being put together, in the memory that services hand on.

use welkin_codec::cluster::Room;
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

    /// The bytes so far.
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
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

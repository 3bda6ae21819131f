//! Messages that these services send.

use welkin_codec::seri::{Sink, Writer};
use welkin_runtime::{Address, Context, Message, Payload, PayloadBuf, kind};

use crate::Body;

/// Who asked, and under which session the answer is awaited.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Asker {
    /// The service.
    pub address: Address,
    /// Never 0.
    pub session: i32,
}

impl Asker {
    /// Who sent a request; `None`: it wants no answer.
    pub fn of(message: &Message) -> Option<Self> {
        (message.session != 0).then_some(Self {
            address: message.source,
            session: message.session,
        })
    }

    /// Answers. Who is gone needs none.
    pub fn answer(self, cx: &Context<'_>, payload: Payload) {
        self.post(cx, kind::RESPONSE, payload);
    }

    /// Answers that the request failed.
    pub fn fail(self, cx: &Context<'_>) {
        self.post(cx, kind::ERROR, Payload::empty());
    }

    fn post(self, cx: &Context<'_>, kind: u8, payload: Payload) {
        let message = Message {
            source: cx.slot.address(),
            session: self.session,
            kind,
            payload,
        };
        drop(cx.node.post(self.address, message));
    }
}

/// Values, packed.
pub fn packed(write: impl FnOnce(&mut Writer<'_, Body>)) -> Payload {
    let mut body = Body::default();
    write(&mut Writer::new(&mut body));
    body.finish()
}

/// One nil, packed: what a Lua service answers that has nothing to say.
pub fn nil() -> Payload {
    packed(|writer| writer.nil())
}

/// `head` and then `tail`, in one payload.
pub fn joined(head: &[u8], tail: &[u8]) -> Payload {
    let mut both = PayloadBuf::with_capacity(head.len() + tail.len());
    both.extend(head);
    both.extend(tail);
    both.finish()
}

/// A trace line, as Lua services write them.
pub fn trace_line(cx: &Context<'_>, tag: &[u8], text: &[u8]) {
    let now = format!("> {} ", welkin_runtime::Node::hpc());
    let line = [b"<TRACE ", tag, now.as_bytes(), text].concat();
    cx.node.log(cx.slot.address(), line);
}

/// Appends a word; one of ours is never too long.
pub fn word<B: Sink>(writer: &mut Writer<'_, B>, word: &[u8]) {
    let written = writer.string(word);
    debug_assert!(written.is_ok(), "shorter than 4 GiB");
}

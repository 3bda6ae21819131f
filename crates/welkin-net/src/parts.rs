//! Large messages that travel in parts, each with a head: sent from where they lie.

use std::sync::Arc;

use welkin_runtime::{Node, Payload};

use crate::event;
use crate::net::Net;
use crate::outbox::{Chunk, Priority};
use crate::socket::Body;

impl Net {
    /// Sends the bytes of `message` from `from` on at low priority: parts of `part` bytes, the last one
    /// with what is left, and in front of each the next of `heads`. Messages of high priority may come
    /// between the parts. As [`Net::send`], of a TCP connection; nothing is copied.
    pub fn send_parts(
        &self,
        node: &Node,
        id: i32,
        heads: Vec<Payload>,
        message: &Arc<Payload>,
        from: usize,
        part: usize,
    ) {
        let Some(socket) = self.table.get(id) else {
            return;
        };
        let mut state = socket.state.lock();
        let state = &mut *state;
        let takes = matches!(
            state.body,
            Body::Resolving | Body::Connecting { .. } | Body::Stream(_)
        );
        if state.closing || state.write_ended || !takes {
            return;
        }
        let at_once = state.outbox.is_empty();
        let end = message.as_bytes().len();
        for (head, begin) in heads.into_iter().zip((from..end).step_by(part)) {
            let chunk = Chunk {
                payload: head,
                part: Some((message.clone(), begin..end.min(begin + part))),
                sent: 0,
                to: None,
            };
            state.outbox.push(chunk, Priority::Low);
        }
        if at_once {
            // Goes round a few times at most: there is this message only.
            while self.flush(node, &socket, state) {}
        }
        if let Some(kib) = state.outbox.crossed() {
            state.tell(node, id, event::WARNING, kib, "");
        }
    }
}

//! What goes back to the peer: small answers gathered, large ones beneath them.

use std::sync::Arc;

use welkin_codec::cluster::{
    PART, RESULT_SHORT_MAX, write_error, write_result, write_result_begin, write_result_part_head,
};
use welkin_net::{Net, Priority};
use welkin_runtime::{Context, Payload};

use crate::body::Tail;

/// Gathered bytes that go out at once.
const FLUSH_BYTES: usize = 64 * 1024;

pub struct Answers {
    net: Arc<Net>,
    fd: i32,
    out: Vec<u8>,
    /// Bytes that wait at the socket, at most.
    unsent_max: usize,
    queue_max: usize,
    /// The limit is reached.
    pub over: bool,
}

impl Answers {
    pub fn new(net: Arc<Net>, fd: i32, queue_max: usize) -> Self {
        Self {
            net,
            fd,
            out: Vec::new(),
            unsent_max: 0,
            queue_max,
            over: false,
        }
    }

    /// A request failed.
    pub fn error(&mut self, cx: &Context<'_>, session: u32, why: &str) {
        if self.admit(cx, why.len()) {
            write_error(&mut self.out, session, why.as_bytes());
            self.flush_if_much(cx);
        }
    }

    /// The results of a request, packed.
    pub fn result(&mut self, cx: &Context<'_>, session: u32, result: Payload) {
        let bytes = result.as_bytes();
        if !self.admit(cx, bytes.len()) {
            return;
        }
        if bytes.len() <= RESULT_SHORT_MAX {
            write_result(&mut self.out, session, bytes);
            return self.flush_if_much(cx);
        }
        let Ok(size) = u32::try_from(bytes.len()) else {
            return self.error(cx, session, "the result is too large for the cluster");
        };
        self.flush(cx);
        let message = Arc::new(result);
        let result = Tail { message, from: 0 };
        let heads = result.heads(|head, number, bytes, last| {
            if number == 0 {
                write_result_begin(head, session, size);
            }
            write_result_part_head(head, session, bytes, last);
        });
        self.unsent_max += size as usize + heads.iter().map(Payload::len).sum::<usize>();
        self.net
            .send_parts(cx.node, self.fd, heads, &result.message, 0, PART);
    }

    /// Whether so many more bytes may wait; one answer may be larger by itself.
    fn admit(&mut self, cx: &Context<'_>, bytes: usize) -> bool {
        if self.over || self.unsent_max + self.out.len() + bytes <= self.queue_max {
            return !self.over;
        }
        self.unsent_max = self.net.unsent(self.fd);
        let waits = self.unsent_max + self.out.len();
        if waits == 0 || waits + bytes <= self.queue_max {
            return true;
        }
        self.over = true;
        self.out = Vec::new();
        let line = format!(
            "the peer does not read its answers: {waits} bytes wait to be sent to it and {bytes} more \
             would be over the limit (welkin_cluster_queue_max_mb); the connection is closed"
        );
        cx.node.log(cx.slot.address(), line);
        self.net.shutdown(cx.node, cx.slot.address(), self.fd);
        false
    }

    /// Sends what is gathered.
    pub fn flush(&mut self, cx: &Context<'_>) {
        if !self.out.is_empty() {
            let (fd, out) = (self.fd, &self.out);
            self.net.send_bytes(cx.node, fd, out, Priority::High);
            self.unsent_max += self.out.len();
            self.out.clear();
            self.out.shrink_to(FLUSH_BYTES + PART);
        }
    }

    fn flush_if_much(&mut self, cx: &Context<'_>) {
        if self.out.len() >= FLUSH_BYTES {
            self.flush(cx);
        }
    }
}

//! What goes back to the peer: small answers gathered, large ones beneath them.

use std::sync::Arc;

use welkin_codec::cluster::{
    PART, RESULT_SHORT_MAX, parts, write_error, write_result, write_result_begin, write_result_part,
};
use welkin_net::{Net, Priority};
use welkin_runtime::Context;

use crate::body::Body;
use crate::link::{HEADS_MAX, PARTS_AT_ONCE};

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
    pub fn result(&mut self, cx: &Context<'_>, session: u32, result: &[u8]) {
        if !self.admit(cx, result.len()) {
            return;
        }
        if result.len() <= RESULT_SHORT_MAX {
            write_result(&mut self.out, session, result);
            return self.flush_if_much(cx);
        }
        let Ok(size) = u32::try_from(result.len()) else {
            return self.error(cx, session, "the result is too large for the cluster");
        };
        self.flush(cx);
        let mut piece = Body::with_capacity(PARTS_AT_ONCE * PART + HEADS_MAX);
        write_result_begin(&mut piece, session, size);
        for (number, (part, last)) in (1..).zip(parts(result)) {
            write_result_part(&mut piece, session, part, last);
            if last || number % PARTS_AT_ONCE == 0 {
                let room = if last {
                    0
                } else {
                    PARTS_AT_ONCE * PART + HEADS_MAX
                };
                let piece = std::mem::replace(&mut piece, Body::with_capacity(room)).finish();
                self.unsent_max += piece.len();
                self.net.send(cx.node, self.fd, piece, Priority::Low);
            }
        }
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

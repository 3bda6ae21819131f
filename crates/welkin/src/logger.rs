//! The native logger: the service behind `.logger` that writes the node's log lines.
//!
//! Lines come as TEXT messages, so they are in order for each service and cost a service no disk. They
//! are written together when the mailbox is empty, or at every 64 KiB. SYSTEM opens the file again,
//! for rotation. A logger that cannot keep up would eat the memory of the node: while more than
//! [`WAITING_MAX`] messages wait, lines are thrown away, counted, and the count is said.

mod format;
mod sink;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Node, Service, kind,
};

pub use format::Format;
use sink::Sink;

/// Messages that may wait before lines are thrown away. At a usual hundred bytes a line some 40 MB.
const WAITING_MAX: usize = 1 << 18;

/// What the logger services of a node and the rest of the program know of each other.
#[derive(Default)]
pub struct Writers {
    /// Why the last logger could not be made, for the message of a failed boot.
    failure: Mutex<Option<String>>,
    /// Requests of `drain` that were answered.
    drained: Mutex<u64>,
    changed: Condvar,
}

impl Writers {
    /// The reason why no logger could be made, once.
    pub fn take_failure(&self) -> Option<String> {
        self.failure.lock().take()
    }

    /// Waits until the logger has written what was sent to it before, at most for `limit`. Another
    /// service than the native logger does not answer; then the whole limit is waited.
    pub fn drain(&self, node: &Node, limit: Duration) {
        let end = Instant::now() + limit;
        let mut drained = self.drained.lock();
        let before = *drained;
        let Some(logger) = node.name_query(b"logger") else {
            return;
        };
        // Nobody else sends a logger a response, so it stands for "write out, then say so".
        let request = Message::bare(Address::NONE, 0, kind::RESPONSE);
        if node.post(logger, request).is_err() {
            return;
        }
        while *drained == before && !self.changed.wait_until(&mut drained, end).timed_out() {}
    }

    fn say_drained(&self) {
        *self.drained.lock() += 1;
        self.changed.notify_all();
    }
}

/// The module `logger`; its argument is the file, none is standard output.
pub struct LoggerModule(pub Arc<Writers>, pub Format);

impl Module for LoggerModule {
    fn patient(&self) -> bool {
        true
    }

    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let sink = Sink::open(args, self.1).map_err(|reason| {
            *self.0.failure.lock() = Some(reason);
            match cx.node.name_query(b"logger") {
                Some(_) => LaunchError::Failed,
                // The node's own logger: the boot says why, on standard error.
                None => LaunchError::Silent,
            }
        })?;
        let service = Logger {
            sink,
            writers: Arc::clone(&self.0),
            thrown_away: 0,
        };
        Ok(NewService {
            service: Box::new(service),
            control: None,
        })
    }
}

struct Logger {
    sink: Sink,
    writers: Arc<Writers>,
    /// Lines not written since this was last said.
    thrown_away: u64,
}

impl Service for Logger {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        let waiting = cx.slot.mailbox_len();
        match message.kind {
            kind::TEXT if waiting > WAITING_MAX => self.thrown_away += 1,
            kind::TEXT => {
                self.say_thrown_away(cx);
                self.sink
                    .line(cx.node, message.source, message.payload.as_bytes());
            }
            kind::SYSTEM => {
                if let Err(reason) = self.sink.reopen() {
                    self.sink
                        .line(cx.node, cx.slot.address(), reason.as_bytes());
                }
            }
            kind::RESPONSE => {
                self.sink.flush();
                self.writers.say_drained();
            }
            _ => {}
        }
        if waiting == 0 {
            self.sink.flush();
        }
        Flow::Done
    }

    fn ended(&mut self, cx: &Context<'_>) {
        self.say_thrown_away(cx);
        self.sink.flush();
    }
}

impl Logger {
    fn say_thrown_away(&mut self, cx: &Context<'_>) {
        let unwritten = self.sink.take_unwritten();
        if self.thrown_away > 0 {
            let text = format!(
                "log: {} lines thrown away, as more than {WAITING_MAX} waited to be written: services log faster than the log is written",
                std::mem::take(&mut self.thrown_away)
            );
            self.sink.line(cx.node, cx.slot.address(), text.as_bytes());
        }
        if let Some(text) = unwritten {
            self.sink.line(cx.node, cx.slot.address(), text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;

//! Messages on their way: to a mailbox, to another node, to the logger, from a timer; and what
//! happens when a mailbox is full or gone.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::mailbox::Pushed;
use crate::message::{Address, Message, kind};
use crate::node::Node;
use crate::os;
use crate::payload::Payload;
use crate::slot::Slot;

/// Bytes of a global name that count.
const GLOBAL_NAME_BYTES: usize = 16;
/// How often refused messages of one service are logged.
const REFUSALS_NS: i64 = 60_000_000_000;

impl Node {
    /// Puts a message into the mailbox of `to`, or hands it to the remote hook. The error is the
    /// message: there is no such service. A message that a full mailbox refuses is gone (`Ok`); if it
    /// was a request, its sender gets an error.
    pub fn post(&self, to: Address, message: Message) -> Result<(), Message> {
        let room = self.room(&message);
        let pushed = self.slots.with_value(to, message, |slot, message| {
            let room = room.map(|room| room.saturating_sub(slot.taken()));
            match slot.mailbox.push(message, room) {
                Pushed::Queued => Outcome::Waits,
                Pushed::Schedule => Outcome::Schedule(Arc::clone(slot)),
                Pushed::Full(message) => Outcome::Full(message),
                Pushed::Closed(message) => Outcome::NoService(message),
            }
        });
        match pushed.unwrap_or_else(Outcome::NoService) {
            Outcome::Waits => Ok(()),
            Outcome::Schedule(slot) => {
                self.sched.schedule(slot);
                Ok(())
            }
            Outcome::Full(message) => {
                self.refuse(to, &message);
                Ok(())
            }
            Outcome::NoService(message) if self.is_remote(to) => self.post_remote(to, message),
            Outcome::NoService(message) => Err(message),
        }
    }

    /// Sends to a global name (of which the first 16 bytes count) by the remote hook.
    pub fn post_name(&self, global_name: &[u8], message: Message) -> Result<(), Message> {
        let name = &global_name[..global_name.len().min(GLOBAL_NAME_BYTES)];
        let Some(remote) = self.remote.get() else {
            let to = format!("the global name {}", String::from_utf8_lossy(name));
            return Err(self.no_remote(&to, message));
        };
        remote.post_name(self, name, message);
        Ok(())
    }

    fn post_remote(&self, to: Address, message: Message) -> Result<(), Message> {
        // The harbor protocol has no room for these two kinds.
        if matches!(message.kind, kind::SYSTEM | kind::HARBOR) {
            self.log(
                message.source,
                format!(
                    "error: a message of kind {} to {to} was not sent: this kind does not leave the node",
                    message.kind
                ),
            );
            return Err(message);
        }
        let Some(remote) = self.remote.get() else {
            return Err(self.no_remote(&to.to_string(), message));
        };
        remote.post(self, to, message);
        Ok(())
    }

    #[cold]
    fn no_remote(&self, to: &str, message: Message) -> Message {
        self.log(
            message.source,
            format!(
                "error: a message to {to} was not sent: it is on another node and this one has no \
                 harbor service (configuration keys harbor, master, address)"
            ),
        );
        message
    }

    /// Writes a log line: a TEXT message to the service named `logger`. Before there is one the line
    /// goes to standard error.
    pub fn log(&self, source: Address, text: impl Into<Vec<u8>>) {
        let text = text.into();
        if self.try_log(source, &text).is_err() {
            eprintln!("[{source}] {}", String::from_utf8_lossy(&text));
        }
    }

    /// As [`Node::log`]; the error: there is no logger.
    pub(crate) fn try_log(&self, source: Address, text: &[u8]) -> Result<(), ()> {
        let logger = self.names.query(b"logger").ok_or(())?;
        let line = Message {
            source,
            session: 0,
            kind: kind::TEXT,
            payload: Payload::copy_from(text),
        };
        self.post(logger, line).map_err(drop)
    }

    /// Lets a RESPONSE without payload from nobody come to `slot` when `ticks` hundredths of a second
    /// are over; 0 and less: at once. The session of that message is returned.
    pub fn timeout(&self, slot: &Slot, ticks: i32) -> i32 {
        let session = slot.next_session();
        self.timeout_with(slot, ticks, session);
        session
    }

    /// As [`Node::timeout`], with a session that the caller took from the slot before.
    pub fn timeout_with(&self, slot: &Slot, ticks: i32, session: i32) {
        if ticks <= 0 {
            return self.post_timeout(slot.address(), session);
        }
        let tick = self.now() + i64::from(ticks);
        let first = self.timers.set(&self.clock, tick, slot.address(), session);
        // A worker looks at the timers before it sleeps; for any other thread the leader must know.
        if let Some(due) = first
            && self.sched.role().is_none()
        {
            self.sched.wake(self.sched.idle.notify_timer(due));
        }
    }

    pub(crate) fn post_timeout(&self, to: Address, session: i32) {
        // A timer of a service that is gone is dropped.
        drop(self.post(to, Message::bare(Address::NONE, session, kind::RESPONSE)));
    }

    /// Tells the sender of a message that nobody will handle it. Not the publisher of a channel: what stands
    /// in the place of the session is the channel, which as a session may be that of another call of his.
    pub(crate) fn answer_error(&self, dead: Address, message: &Message) {
        if !message.source.is_none() && message.kind != kind::MULTICAST {
            // Who asked may be gone itself.
            drop(self.post(
                message.source,
                Message::bare(dead, message.session, kind::ERROR),
            ));
        }
    }

    /// How many messages may wait for this one to be let in; `None`: no limit.
    fn room(&self, message: &Message) -> Option<usize> {
        let passes = matches!(
            message.kind,
            kind::RESPONSE | kind::ERROR | kind::SYSTEM | kind::SOCKET
        ) || (message.kind == kind::DEBUG && message.source.is_none()); // the node itself asks
        (self.mailbox_max > 0 && !passes).then_some(self.mailbox_max)
    }

    #[cold]
    fn refuse(&self, to: Address, message: &Message) {
        if message.session != 0 {
            self.answer_error(to, message);
        }
        let Some(count) = self.refusals.count(to, os::monotonic_ns()) else {
            return;
        };
        let text = format!(
            "error: the mailbox of {to} is full (welkin_mailbox_max = {}), messages refused: {count}, the \
             last of kind {} from {}; requests were answered with an error",
            self.mailbox_max, message.kind, message.source
        );
        if self.names.query(b"logger") == Some(to) {
            // The logger cannot be told about itself.
            eprintln!("[{to}] {text}");
        } else {
            self.log(to, text);
        }
    }
}

enum Outcome {
    Waits,
    Schedule(Arc<Slot>),
    Full(Message),
    NoService(Message),
}

/// Messages that full mailboxes refused and that have not been told of yet. An entry lives as long as
/// its service.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Address, Refused>>);

struct Refused {
    count: u64,
    told_ns: i64,
}

impl Refusals {
    /// Counts one; the number to tell of when it is time.
    fn count(&self, to: Address, now_ns: i64) -> Option<u64> {
        let mut all = self.0.lock();
        let refused = all.entry(to).or_insert(Refused {
            count: 0,
            told_ns: now_ns - REFUSALS_NS,
        });
        refused.count += 1;
        if now_ns - refused.told_ns < REFUSALS_NS {
            return None;
        }
        refused.told_ns = now_ns;
        Some(std::mem::take(&mut refused.count))
    }

    pub(crate) fn forget(&self, address: Address) {
        self.0.lock().remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_once_a_minute_with_their_count() {
        let refusals = Refusals::default();
        let told =
            [0, 1, 2, REFUSALS_NS, REFUSALS_NS + 1].map(|now| refusals.count(Address(1), now));
        assert_eq!(told, [Some(1), None, None, Some(3), None]);
    }
}

//! Global names: what is known of them, and the messages that wait for one to become known.
//!
//! A global name is one without `.` or `:` in front. Senders look names up on their own thread, under
//! a read lock. Names are few: `.cslave` bounds them. Messages are bounded by their bytes, all names
//! together.

use std::collections::HashMap;

use parking_lot::{Mutex, RwLock};
use welkin_runtime::{Address, Message};

use super::link::{MESSAGE_OVERHEAD, QUEUE_BYTES_MAX};

/// Longest global name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 15;

/// The names of the network, as far as this node knows them.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Written only by who holds `waiting`.
    known: RwLock<HashMap<Vec<u8>, Address>>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Messages to names that were asked for, in the order of sending.
    messages: HashMap<Vec<u8>, Vec<Message>>,
    bytes: usize,
}

/// What becomes of a message to a name.
#[derive(Debug)]
pub(super) enum Named {
    /// It goes to this address.
    Known(Address, Message),
    /// It waits.
    Waits,
    /// Too much waits.
    Full(Message),
}

impl Names {
    /// Looks `name` up for a message, which is kept if the name is not known.
    pub(super) fn find(&self, name: &[u8], message: Message) -> Named {
        if let Some(address) = self.known(name) {
            return Named::Known(address, message);
        }
        let mut waiting = self.waiting.lock();
        // It may have become known between the look-up and here.
        if let Some(address) = self.known(name) {
            return Named::Known(address, message);
        }
        let bytes = waiting.bytes + size(&message);
        if bytes > QUEUE_BYTES_MAX {
            return Named::Full(message);
        }
        waiting.bytes = bytes;
        waiting
            .messages
            .entry(name.to_vec())
            .or_default()
            .push(message);
        Named::Waits
    }

    /// A name is known from now on. What waited for it goes to `deliver` before anybody can see it as
    /// known, so nothing overtakes it. False: it cannot be a name.
    pub(super) fn learn(
        &self,
        name: &[u8],
        address: Address,
        mut deliver: impl FnMut(Message),
    ) -> bool {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return false;
        }
        let mut waiting = self.waiting.lock();
        for message in waiting.messages.remove(name).unwrap_or_default() {
            waiting.bytes -= size(&message);
            deliver(message);
        }
        self.known.write().insert(name.to_vec(), address);
        true
    }

    fn known(&self, name: &[u8]) -> Option<Address> {
        self.known.read().get(name).copied()
    }
}

fn size(message: &Message) -> usize {
    message.payload.len() + MESSAGE_OVERHEAD
}

#[cfg(test)]
mod tests {
    use welkin_runtime::{Payload, kind};

    use super::*;

    fn text(bytes: &[u8]) -> Message {
        Message {
            payload: Payload::copy_from(bytes),
            ..Message::bare(Address::NONE, 0, kind::TEXT)
        }
    }

    #[test]
    fn messages_wait_for_their_name_in_order() {
        let names = Names::default();
        for n in 0..3 {
            assert!(matches!(names.find(b"A", text(&[n])), Named::Waits));
        }
        assert!(matches!(names.find(b"B", text(b"b")), Named::Waits));
        let mut seen = Vec::new();
        let learned = names.learn(b"A", Address(5), |message| {
            seen.extend_from_slice(message.payload.as_bytes());
        });
        assert!(learned);
        assert_eq!(seen, [0, 1, 2]);
        let found = names.find(b"A", text(b""));
        assert!(matches!(found, Named::Known(Address(5), _)));
        assert_eq!(names.waiting.lock().bytes, 1 + MESSAGE_OVERHEAD);
    }

    #[test]
    fn what_is_no_name_is_not_learned() {
        let names = Names::default();
        assert!(!names.learn(b"", Address(1), |_| {}));
        assert!(!names.learn(b"0123456789012345", Address(1), |_| {}));
        assert!(names.learn(b"012345678901234", Address(1), |_| {}));
    }

    #[test]
    fn there_is_an_end_to_waiting() {
        let names = Names::default();
        let large = vec![0; 8 << 20];
        let taken = (0..20).filter(|_| matches!(names.find(b"A", text(&large)), Named::Waits));
        assert_eq!(taken.count(), 7);
        names.learn(b"A", Address(1), drop);
        assert!(matches!(names.find(b"B", text(&large)), Named::Waits));
    }
}

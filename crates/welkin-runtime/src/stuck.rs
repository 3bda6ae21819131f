//! Which services do not get on: for people who ask why nobody answers.
//!
//! Nothing is kept for it beyond what each slot has anyway, when its message began and of what type.
//! Where in its code a service is, it can only say itself; so [`Node::stop_briefly`] makes the workers
//! of long messages give way once, and what they note then is in [`Stuck::place`].

use std::sync::Arc;

use crate::message::Address;
use crate::node::Node;
use crate::os;
use crate::sched::monitor;
use crate::slot::Slot;

/// A service that is in one message for long.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Stuck {
    /// Who.
    pub address: Address,
    /// How long it is in this message, in nanoseconds.
    pub age_ns: i64,
    /// Who sent the message.
    pub source: Address,
    /// Type of the message.
    pub kind: u8,
    /// Messages that wait behind it.
    pub waiting: usize,
    /// Where it was seen in this message: `chat.lua:88`. Empty: nowhere, so not in the code of a
    /// program but in a native or blocking call.
    pub place: String,
    /// The function there, or empty.
    pub function: String,
}

impl Node {
    /// The services that are in one message for at least `age_ns` nanoseconds, by address.
    pub fn stuck(&self, age_ns: i64) -> Vec<Stuck> {
        let mut stuck: Vec<Stuck> = self
            .long_messages(age_ns)
            .iter()
            .map(|(slot, age_ns)| describe(slot, *age_ns))
            .collect();
        stuck.sort_unstable_by_key(|stuck| stuck.address);
        stuck
    }

    /// Makes services that are in one message for at least `age_ns` nanoseconds give their workers up
    /// for a moment, so that they note where they are. False: there is none.
    pub fn stop_briefly(&self, age_ns: i64) -> bool {
        let long = self.long_messages(age_ns);
        for worker in &self.sched.workers {
            if let Some((visited, _)) = worker.visit()
                && long.iter().any(|(slot, _)| slot.address() == visited)
            {
                monitor::preempt_worker(worker);
            }
        }
        !long.is_empty()
    }

    fn long_messages(&self, age_ns: i64) -> Vec<(Arc<Slot>, i64)> {
        let now = os::monotonic_ns();
        let mut long = Vec::new();
        self.slots.for_each(|slot| {
            let age = now - slot.since_ns();
            if slot.messages() > 0 && age >= age_ns && slot.is_busy() {
                long.push((Arc::clone(slot), age));
            }
        });
        long
    }
}

fn describe(slot: &Slot, age_ns: i64) -> Stuck {
    let seen = slot.control().filter(|control| {
        let (_, message) = control.function();
        message == slot.messages()
    });
    Stuck {
        address: slot.address(),
        age_ns,
        source: slot.source(),
        kind: slot.kind(),
        waiting: slot.mailbox_len(),
        place: seen.map(|control| control.describe()).unwrap_or_default(),
        function: seen.map(|control| control.function().0).unwrap_or_default(),
    }
}

//! One service as the rest of the node sees it: address, mailbox, figures.
//!
//! The service itself is in the mailbox while nobody runs it, and in a worker's hands otherwise.
//! Figures are written by that one worker, with plain stores, and read by anybody; so they are never
//! torn but may be a message behind. Flags say on the field who sets them. A slot without messages
//! takes less than 300 bytes.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::mailbox::Mailbox;
use crate::message::{Address, Message};
use crate::sched::meter;
use crate::service::{Control, Service};
use crate::warm::Warm;

/// One service of a node.
// In this order: what each message uses stands together, what its worker only looks at ahead behind it.
#[repr(C)]
pub struct Slot {
    pub(crate) mailbox: Mailbox<Message, Box<dyn Service>>,
    /// Messages started.
    messages: AtomicU64,
    /// CPU time of messages, in nanoseconds.
    cpu_ns: AtomicU64,
    /// CPU time of the current message in earlier slices, in nanoseconds.
    message_ns: AtomicU64,
    /// When the current or last message began, in monotonic nanoseconds; without profiling when the visit
    /// began.
    since_ns: AtomicI64,
    address: Address,
    /// Who sent that message.
    source: AtomicU32,
    /// Messages in the worker's batch that are not started.
    taken: AtomicU32,
    /// The session given last; the sign bit is not used.
    session: AtomicU32,
    /// Type of the current or last message.
    kind: AtomicU8,
    /// Whether it keeps the node alive.
    pub(crate) counts: bool,
    /// No worker is woken for its messages.
    pub(crate) patient: bool,
    /// Removed from the table; set once, by who ends it.
    ended: AtomicBool,
    /// Ended, and still to be handed what is in its mailbox (the logger).
    last_words: AtomicBool,
    /// Ended, and its time to finish the current message is over. Set by the monitor.
    overdue: AtomicBool,
    /// Ended and dropped. Set by the worker that did it.
    gone: AtomicBool,
    /// Used up its slice at its last visit: goes to the slow queue. Set by its worker.
    slow: AtomicBool,
    /// The endless-loop alarm was raised. Set by the monitor, cleared by who reads it.
    endless: AtomicBool,
    /// Its messages are dumped.
    tapped: AtomicBool,
    /// What its messages touch. Noted by its worker.
    warm: Warm,
    control: OnceLock<Arc<dyn Control>>,
}

impl Slot {
    pub(crate) fn new(address: Address, counts: bool, patient: bool) -> Slot {
        Slot {
            address,
            session: AtomicU32::new(0),
            mailbox: Mailbox::new(),
            control: OnceLock::new(),
            messages: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
            message_ns: AtomicU64::new(0),
            source: AtomicU32::new(0),
            since_ns: AtomicI64::new(0),
            kind: AtomicU8::new(0),
            taken: AtomicU32::new(0),
            counts,
            patient,
            ended: AtomicBool::new(false),
            last_words: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            endless: AtomicBool::new(false),
            tapped: AtomicBool::new(false),
            warm: Warm::new(),
        }
    }

    /// Its address, which never changes.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The next session number: 1, 2, ... `i32::MAX`, then 1 again.
    pub fn next_session(&self) -> i32 {
        loop {
            let number = self.session.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let session = (number & i32::MAX.cast_unsigned()).cast_signed();
            if session != 0 {
                return session;
            }
        }
    }

    /// Messages dispatched, the current one included.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// CPU time of all messages before the current one, in nanoseconds; 0 when profiling is off.
    pub fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    /// CPU time of the current message so far, in nanoseconds. Meaningful when called by the service
    /// itself; 0 when profiling is off.
    pub fn message_cpu_ns(&self) -> u64 {
        self.message_ns.load(Ordering::Relaxed) + meter::current(self.address)
    }

    /// Messages waiting, without the current one.
    pub fn mailbox_len(&self) -> usize {
        self.mailbox.len() + self.taken()
    }

    /// Whether the endless-loop alarm was raised since the last call.
    pub fn take_endless(&self) -> bool {
        self.endless.swap(false, Ordering::Relaxed)
    }

    /// Whether the service has been ended. It may still be in the middle of its last message.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Who sent the message that is handled now, or the last one.
    pub fn source(&self) -> Address {
        Address(self.source.load(Ordering::Relaxed))
    }

    /// Type of that message.
    pub fn kind(&self) -> u8 {
        self.kind.load(Ordering::Relaxed)
    }

    /// When that message began, as [`crate::Node::hpc`] tells time.
    pub fn since_ns(&self) -> i64 {
        self.since_ns.load(Ordering::Relaxed)
    }

    /// Whether it is in the middle of a message (or between two of one visit).
    pub fn is_busy(&self) -> bool {
        self.mailbox.is_busy()
    }

    /// The service's handle for other threads, if it has one.
    pub fn control(&self) -> Option<&Arc<dyn Control>> {
        self.control.get()
    }

    pub(crate) fn set_control(&self, control: Option<Arc<dyn Control>>) {
        if let Some(control) = control {
            // A slot is opened once; a second control cannot come.
            let _ = self.control.set(control);
        }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed) as usize
    }

    /// Its worker starts a message; `taken` others are in the batch.
    pub(crate) fn begin_message(&self, message: &Message, now_ns: i64, taken: usize) {
        let messages = self.messages.load(Ordering::Relaxed) + 1;
        self.messages.store(messages, Ordering::Relaxed);
        self.message_ns.store(0, Ordering::Relaxed);
        self.source.store(message.source.0, Ordering::Relaxed);
        self.kind.store(message.kind, Ordering::Relaxed);
        self.since_ns.store(now_ns, Ordering::Relaxed);
        self.set_taken(taken);
    }

    pub(crate) fn set_taken(&self, taken: usize) {
        self.taken
            .store(u32::try_from(taken).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Its worker has measured a part of the current message.
    pub(crate) fn add_cpu(&self, ns: u64) {
        let total = self.cpu_ns.load(Ordering::Relaxed) + ns;
        self.cpu_ns.store(total, Ordering::Relaxed);
        let message = self.message_ns.load(Ordering::Relaxed) + ns;
        self.message_ns.store(message, Ordering::Relaxed);
    }

    /// Notes where the memory is that the service's messages touch, as addresses with lengths in bytes: it
    /// is fetched into the processor's cache before the next message. For the service itself to call; a
    /// hint, which may be wrong or old. The slot's own memory need not be told.
    pub fn note_warm(&self, stretches: &mut [(usize, usize)]) {
        self.warm.note(stretches);
    }

    /// Has the processor fetch what its next message touches; the slot itself is read.
    pub(crate) fn fetch(&self) {
        self.mailbox.fetch();
        self.warm.fetch();
    }

    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_last_words(&self) -> bool {
        self.last_words.load(Ordering::Relaxed)
    }

    pub(crate) fn set_last_words(&self) {
        self.last_words.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.overdue.load(Ordering::Relaxed)
    }

    /// True: it was not before.
    pub(crate) fn set_overdue(&self) -> bool {
        !self.overdue.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// True: it was not before, and the caller accounts for it.
    pub(crate) fn set_gone(&self) -> bool {
        !self.gone.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    pub(crate) fn set_slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::Relaxed);
    }

    pub(crate) fn set_endless(&self) {
        self.endless.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_tapped(&self) -> bool {
        self.tapped.load(Ordering::Relaxed)
    }

    pub(crate) fn set_tapped(&self, tapped: bool) {
        self.tapped.store(tapped, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sessions_begin_again_at_one() {
        let slot = Slot::new(Address(1), true, false);
        assert_eq!(slot.next_session(), 1);
        slot.session
            .store(i32::MAX.cast_unsigned() - 1, Ordering::Relaxed);
        assert_eq!(slot.next_session(), i32::MAX);
        assert_eq!(slot.next_session(), 1);
        slot.session.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(slot.next_session(), 1);
    }

    #[test]
    fn an_idle_slot_is_small() {
        assert!(size_of::<Slot>() < 300, "{}", size_of::<Slot>());
    }
}

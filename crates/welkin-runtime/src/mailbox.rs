//! The mailbox of one service: what waits for it, the service itself while nobody runs it, and
//! whether it is on a run queue.
//!
//! All of that is under one lock, so that the two questions that matter have one answer each: who
//! puts a message into an idle mailbox (and must schedule it), and whether a worker that is done may
//! leave (nothing came meanwhile). `scheduled` is true from the push that found it false until a
//! worker's `finish` finds nothing left; in between the service is on exactly one queue or in the
//! hands of exactly one worker, who has taken it out of the box: no lock is held while it runs.
//!
//! The number of messages has no limit here (`welkin_mailbox_max` is the caller's to pass); memory is
//! the limit, as in skynet.

use std::collections::VecDeque;

use crate::backlog::Backlog;
use crate::sync::Mutex;

/// Above this many waiting messages a service is reported as overloaded; doubles with each report.
const OVERLOAD_FIRST: usize = 1024;

/// `M`: message, `S`: service.
pub(crate) struct Mailbox<M, S> {
    inbox: Mutex<Inbox<M, S>>,
}

struct Inbox<M, S> {
    queue: Backlog<M>,
    /// `None` while a worker has it, and before it is made.
    service: Option<S>,
    state: State,
    /// On a run queue or with a worker.
    scheduled: bool,
    /// The service gave up in the middle of a message.
    preempted: bool,
    /// See [`OVERLOAD_FIRST`].
    threshold: usize,
}

#[derive(Copy, Clone, Eq, PartialEq)]
enum State {
    /// The service's init runs: messages wait.
    Held,
    Open,
    /// The service has ended: no more messages.
    Closed,
}

/// What became of a pushed message.
#[derive(Debug)]
pub(crate) enum Pushed<M> {
    /// It waits; somebody is or will be told.
    Queued,
    /// It waits, and the caller must put the slot on a run queue.
    Schedule,
    /// The mailbox has reached its limit.
    Full(M),
    /// The service has ended.
    Closed(M),
}

/// A worker's turn with a service.
pub(crate) struct Turn<S> {
    /// `None`: the service was closed before it was made.
    pub(crate) service: Option<S>,
    /// It must go on with its message before it gets another.
    pub(crate) preempted: bool,
    /// Messages behind the first, when that is worth a report.
    pub(crate) overload: Option<usize>,
}

impl<M, S> Mailbox<M, S> {
    /// A mailbox that holds what comes until [`Mailbox::open`].
    pub(crate) fn new() -> Self {
        Mailbox {
            inbox: Mutex::new(Inbox {
                queue: Backlog::new(),
                service: None,
                state: State::Held,
                scheduled: false,
                preempted: false,
                threshold: OVERLOAD_FIRST,
            }),
        }
    }

    /// Adds a message. `room`: how many may wait at most when this one has to observe a limit.
    pub(crate) fn push(&self, message: M, room: Option<usize>) -> Pushed<M> {
        let mut inbox = self.inbox.lock();
        if inbox.state == State::Closed {
            return Pushed::Closed(message);
        }
        if room.is_some_and(|room| inbox.queue.len() >= room) {
            return Pushed::Full(message);
        }
        inbox.queue.push_back(message);
        if inbox.scheduled || inbox.state == State::Held {
            return Pushed::Queued;
        }
        inbox.scheduled = true;
        Pushed::Schedule
    }

    /// The service is made. True: the caller must schedule the slot.
    pub(crate) fn open(&self, service: S) -> bool {
        let mut inbox = self.inbox.lock();
        debug_assert!(!inbox.scheduled, "opened twice");
        inbox.service = Some(service);
        if inbox.state == State::Held {
            inbox.state = State::Open;
        }
        inbox.scheduled = !inbox.queue.is_empty() || inbox.state == State::Closed;
        inbox.scheduled
    }

    /// No more messages. What waits stays for the worker that ends the service. True: the caller must
    /// schedule the slot, so that there is one.
    pub(crate) fn close(&self) -> bool {
        let mut inbox = self.inbox.lock();
        let held = inbox.state == State::Held;
        inbox.state = State::Closed;
        // A held service is ended by `open`, or by who learns that it could not be made.
        if held || inbox.scheduled {
            return false;
        }
        inbox.scheduled = true;
        true
    }

    /// Takes the service and up to `limit` messages, into the empty `batch`.
    pub(crate) fn begin(&self, batch: &mut VecDeque<M>, limit: usize) -> Turn<S> {
        debug_assert!(batch.is_empty());
        let mut inbox = self.inbox.lock();
        debug_assert!(inbox.scheduled, "a turn without being scheduled");
        let overload = inbox.overload();
        inbox.queue.take(batch, limit);
        Turn {
            service: inbox.service.take(),
            preempted: std::mem::take(&mut inbox.preempted),
            overload,
        }
    }

    /// Puts the service back, and what is left of its batch in front of what came meanwhile. True:
    /// nothing is left to do; false: it stays scheduled and the caller must queue it.
    pub(crate) fn finish(&self, service: S, batch: &mut VecDeque<M>, preempted: bool) -> bool {
        let mut inbox = self.inbox.lock();
        while let Some(message) = batch.pop_back() {
            inbox.queue.push_front(message);
        }
        inbox.service = Some(service);
        inbox.preempted = preempted;
        if preempted || !inbox.queue.is_empty() || inbox.state == State::Closed {
            return false;
        }
        inbox.scheduled = false;
        inbox.threshold = OVERLOAD_FIRST;
        inbox.queue.trim();
        true
    }

    /// Has the processor fetch what [`Mailbox::begin`] will touch beside the mailbox itself.
    pub(crate) fn fetch(&self) {
        // Who holds the lock has it all in a cache.
        if let Some(inbox) = self.inbox.try_lock() {
            inbox.queue.fetch();
        }
    }

    /// Takes all that waits.
    pub(crate) fn drain(&self) -> VecDeque<M> {
        let mut all = VecDeque::new();
        self.inbox.lock().queue.take(&mut all, usize::MAX);
        all
    }

    /// Messages that wait here; those in a worker's batch are not counted.
    pub(crate) fn len(&self) -> usize {
        self.inbox.lock().queue.len()
    }

    /// Whether the service waits to go on with a message.
    pub(crate) fn is_preempted(&self) -> bool {
        self.inbox.lock().preempted
    }

    /// Whether a worker has the service, or it waits to go on with a message.
    pub(crate) fn is_busy(&self) -> bool {
        let inbox = self.inbox.lock();
        inbox.preempted || (inbox.scheduled && inbox.service.is_none())
    }
}

impl<M, S> Inbox<M, S> {
    fn overload(&mut self) -> Option<usize> {
        let behind = self.queue.len().saturating_sub(1);
        if behind <= self.threshold {
            return None;
        }
        while self.threshold < behind {
            self.threshold *= 2;
        }
        Some(behind)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn opened() -> Mailbox<u32, &'static str> {
        let mailbox = Mailbox::new();
        assert!(!mailbox.open("service"));
        mailbox
    }

    #[test]
    fn only_the_first_push_schedules() {
        let mailbox = opened();
        assert!(matches!(mailbox.push(1, None), Pushed::Schedule));
        assert!(matches!(mailbox.push(2, None), Pushed::Queued));
        let mut batch = VecDeque::new();
        let turn = mailbox.begin(&mut batch, 64);
        assert_eq!(batch, [1, 2]);
        assert!(matches!(mailbox.push(3, None), Pushed::Queued));
        batch.clear();
        assert!(!mailbox.finish(turn.service.unwrap(), &mut batch, false));
    }

    #[test]
    fn what_is_left_of_a_batch_comes_before_later_messages() {
        let mailbox = opened();
        for n in 0..5 {
            mailbox.push(n, None);
        }
        let mut batch = VecDeque::new();
        let turn = mailbox.begin(&mut batch, 4);
        batch.pop_front();
        mailbox.push(5, None);
        assert!(!mailbox.finish(turn.service.unwrap(), &mut batch, true));
        let turn = mailbox.begin(&mut batch, 64);
        assert!(turn.preempted);
        assert_eq!(batch, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_held_mailbox_keeps_its_messages_for_the_opening() {
        let mailbox = Mailbox::new();
        assert!(matches!(mailbox.push(1, None), Pushed::Queued));
        assert!(mailbox.open("service"));
    }

    #[test]
    fn a_limit_refuses_what_is_beyond_it() {
        let mailbox = opened();
        mailbox.push(1, Some(1));
        assert!(matches!(mailbox.push(2, Some(1)), Pushed::Full(2)));
        assert!(matches!(mailbox.push(3, None), Pushed::Queued));
    }

    #[test]
    fn overload_is_told_once_for_each_doubling_until_empty() {
        let mailbox = opened();
        let mut batch = VecDeque::new();
        for round in 0..2 {
            for n in 0..1026 {
                mailbox.push(n, None);
            }
            let turn = mailbox.begin(&mut batch, 1);
            assert_eq!(turn.overload, Some(1025), "round {round}");
            mailbox.finish(turn.service.unwrap(), &mut batch, false);
            for n in 0..900 {
                mailbox.push(n, None);
            }
            let turn = mailbox.begin(&mut batch, 1);
            assert_eq!(turn.overload, None);
            mailbox.drain();
            batch.clear();
            assert!(mailbox.finish(turn.service.unwrap(), &mut batch, false));
        }
    }

    #[test]
    fn a_closed_mailbox_gets_one_last_turn() {
        let mailbox = opened();
        assert!(mailbox.close());
        assert!(!mailbox.close());
        assert!(matches!(mailbox.push(1, None), Pushed::Closed(1)));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::{AtomicUsize, Ordering};
    use std::sync::Arc;

    /// Two senders and two workers; `queued` counts the slot's places on the run queue.
    #[test]
    fn no_message_is_lost_and_the_slot_is_queued_at_most_once() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::<u32, ()>::new());
            mailbox.open(());
            let queued = Arc::new(AtomicUsize::new(0));
            let handled = Arc::new(AtomicUsize::new(0));
            let senders: Vec<_> = (0..2)
                .map(|n| {
                    let (mailbox, queued) = (Arc::clone(&mailbox), Arc::clone(&queued));
                    loom::thread::spawn(move || {
                        if let Pushed::Schedule = mailbox.push(n, None) {
                            assert_eq!(queued.fetch_add(1, Ordering::AcqRel), 0);
                        }
                    })
                })
                .collect();
            let work = {
                let (mailbox, queued, handled) = (
                    Arc::clone(&mailbox),
                    Arc::clone(&queued),
                    Arc::clone(&handled),
                );
                move || {
                    while queued
                        .compare_exchange(1, 0, Ordering::AcqRel, Ordering::Acquire)
                        .is_ok()
                    {
                        let mut batch = VecDeque::new();
                        let turn = mailbox.begin(&mut batch, 1);
                        let service = turn.service.expect("one worker at a time");
                        handled.fetch_add(batch.len(), Ordering::AcqRel);
                        batch.clear();
                        if !mailbox.finish(service, &mut batch, false) {
                            assert_eq!(queued.fetch_add(1, Ordering::AcqRel), 0);
                        }
                    }
                }
            };
            let worker = loom::thread::spawn(work.clone());
            for sender in senders {
                sender.join().unwrap();
            }
            worker.join().unwrap();
            work();
            assert_eq!(handled.load(Ordering::Acquire), 2);
        });
    }
}

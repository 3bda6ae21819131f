//! What a worker does with one service: up to [`BATCH`] messages, and the end of a service.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::os;
use crate::preempt;
use crate::sched::meter;
use crate::sched::worker::Loop;
use crate::service::{Context, Flow, Service};
use crate::slot::Slot;

/// Messages of one visit at most; then it is another service's turn.
const BATCH: usize = 64;
/// Capacity, in messages, that the batch buffer may keep.
const SPARE_CAPACITY: usize = 2 * BATCH;
/// A visit shorter than this did not use up a slice: the monitor meant the one before.
const SLICE_NS_MIN: i64 = 300_000;

/// Why a visit is over.
#[derive(Copy, Clone, Eq, PartialEq)]
enum Leave {
    /// The batch is done.
    Done,
    /// The monitor asked for the worker, between two messages.
    Sliced,
    /// The service gave up in the middle of a message.
    Preempted,
    /// The service has ended and handles no more messages.
    Ended,
}

impl Loop {
    /// Visits `slot`. It is returned when it has more to do and is on no queue.
    pub(super) fn visit(&mut self, slot: Arc<Slot>) -> Option<Arc<Slot>> {
        let node = Arc::clone(&self.node);
        let turn = slot.mailbox.begin(&mut self.batch, BATCH);
        slot.set_taken(self.batch.len());
        let Some(mut service) = turn.service else {
            debug_assert!(false, "a turn with a service that another worker has");
            return None;
        };
        if let Some(behind) = turn.overload {
            let text = format!("error: May overload, message queue length = {behind}");
            node.log(slot.address(), text);
        }
        let start = self.now_ns;
        self.role().enter(slot.address(), start);
        let cx = Context {
            node: &node,
            slot: &slot,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.run_batch(&cx, &mut service, turn.preempted)
        }));
        if !self.node.profile() {
            // Else the end of the last message was the time already.
            self.now_ns = os::monotonic_ns();
        }
        let leave = match outcome {
            Ok(leave) => leave,
            Err(panic) => {
                self.panicked(&cx, service, &*panic);
                return None;
            }
        };
        if leave == Leave::Ended {
            node.finish_service(&slot, Some(service), false);
            self.role().leave();
            return None;
        }
        self.role().leave();
        self.put_back(slot, service, leave, start)
    }

    fn put_back(
        &mut self,
        slot: Arc<Slot>,
        service: Box<dyn Service>,
        leave: Leave,
        start: i64,
    ) -> Option<Arc<Slot>> {
        let used_up = leave != Leave::Done && self.now_ns - start >= SLICE_NS_MIN;
        if slot.is_slow() != used_up {
            slot.set_slow(used_up);
        }
        slot.set_taken(0);
        let preempted = leave == Leave::Preempted;
        if slot.mailbox.finish(service, &mut self.batch, preempted) {
            if self.batch.capacity() > SPARE_CAPACITY {
                self.batch = VecDeque::new();
            }
            return None;
        }
        if used_up {
            self.node.sched.schedule_slow(slot);
            return None;
        }
        Some(slot)
    }

    fn run_batch(
        &mut self,
        cx: &Context<'_>,
        service: &mut Box<dyn Service>,
        mut preempted: bool,
    ) -> Leave {
        let slot = cx.slot;
        loop {
            // Ended by somebody else, or by itself in the message before. Who waits for it is told at
            // once, also when it is still in the middle of a message.
            let ended = slot.is_ended();
            // It has one part more, in which the error that stops it reaches its code.
            let last_part = ended && slot.is_overdue();
            if ended && !slot.has_last_words() {
                self.answer_rest(slot);
                if !preempted {
                    return Leave::Ended;
                }
            }
            if self.role().is_asked_to_yield() {
                return if preempted {
                    Leave::Preempted
                } else {
                    Leave::Sliced
                };
            }
            let flow = if preempted {
                self.start_part(slot);
                service.resume(cx)
            } else {
                let Some(message) = self.batch.pop_front() else {
                    let over = ended && slot.mailbox.len() == 0;
                    return if over { Leave::Ended } else { Leave::Done };
                };
                slot.begin_message(&message, self.now_ns, self.batch.len());
                if slot.is_tapped() {
                    cx.node.tap_message(slot.address(), &message);
                }
                self.start_part(slot);
                service.handle(cx, message)
            };
            self.end_part(slot);
            preempted = flow == Flow::Preempted;
            if preempted {
                if slot.is_ended() && !slot.has_last_words() {
                    self.answer_rest(slot);
                    if last_part {
                        return Leave::Ended;
                    }
                }
                return Leave::Preempted;
            }
        }
    }

    fn start_part(&self, slot: &Slot) {
        self.role().step();
        if self.node.profile() {
            meter::begin(slot.address(), self.now_ns);
        }
    }

    fn end_part(&mut self, slot: &Slot) {
        let worker = self.role();
        worker.step();
        self.node.sched.pay_wake(worker);
        if self.node.profile() {
            self.now_ns = os::monotonic_ns();
            slot.add_cpu(meter::end(self.now_ns));
        }
    }

    /// Answers all that waits for a service that has ended, in order.
    fn answer_rest(&mut self, slot: &Slot) {
        for message in self.batch.drain(..).chain(slot.mailbox.drain()) {
            self.node.answer_error(slot.address(), &message);
        }
        slot.set_taken(0);
    }

    fn panicked(&mut self, cx: &Context<'_>, service: Box<dyn Service>, panic: &(dyn Any + Send)) {
        preempt::leave_lua();
        if self.role().version() % 2 == 1 {
            self.role().step();
        }
        if self.node.profile() {
            cx.slot.add_cpu(meter::end(self.now_ns));
        }
        let (node, slot) = (cx.node, cx.slot);
        node.log(
            slot.address(),
            format!(
                "error: service {} panicked in a message from {}: {}. The service is ended, who waits \
                 for it gets an error, other services go on. The cause is a fault in native code: \
                 standard error has its file and line, report it with them",
                slot.address(),
                slot.source(),
                panic_text(panic)
            ),
        );
        node.kill(slot.address());
        self.answer_rest(slot);
        node.finish_service(slot, Some(service), true);
        self.role().leave();
    }
}

/// The text of a panic, as far as it has one.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}

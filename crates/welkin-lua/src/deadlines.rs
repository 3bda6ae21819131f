//! Deadlines of calls: `welkin.call_within`, and `welkin_call_timeout_ms` for every other call.
//!
//! A call with a deadline is noted here when it blocks and taken out when its answer comes, so what is
//! kept is what is open. One timer of the runtime stands for all of them: it is set for the earliest,
//! and when it fires the calls that are due fail and it is set for the next. It is not taken back when
//! the calls are answered in time; then it fires for nothing, at most once in the length of a deadline.
//!
//! A call that ran out of time leaves its session behind, so that the late answer is dropped in
//! silence: some twenty bytes for each answer that never comes.

use std::collections::BTreeSet;

use crate::coroutines::NONE;
use crate::vm::VmPtr;
use crate::waits::{Wait, Woken};

/// A tick of the runtime's timer, in milliseconds.
const TICK_MS: i64 = 10;

/// Open calls with a deadline, of one service.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// By tick and session.
    open: BTreeSet<(i64, i32)>,
    /// Timers that have not fired: tick and session. Mostly one; a shorter deadline adds one.
    timers: Vec<(i64, i32)>,
}

impl VmPtr {
    /// The tick at which a deadline of `ms` milliseconds from now is over for certain.
    pub fn deadline_tick(&self, ms: u32) -> i64 {
        // The present tick has begun already: it does not count.
        self.node.now() + (i64::from(ms) + TICK_MS - 1) / TICK_MS + 1
    }

    /// The call under `session` fails when `tick` comes, unless [`VmPtr::end_deadline`] is earlier.
    pub fn begin_deadline(mut self, tick: i64, session: i32) {
        let deadlines = self.waits.deadlines.get_or_insert_default();
        deadlines.open.insert((tick, session));
        if deadlines.timers.iter().all(|(timer, _)| tick < *timer) {
            self.set_deadline_timer(tick);
        }
    }

    /// The call has come to an end.
    pub fn end_deadline(mut self, tick: i64, session: i32) {
        if let Some(deadlines) = &mut self.waits.deadlines {
            deadlines.open.remove(&(tick, session));
        }
    }

    /// The timer of `session` has fired: what is due fails after the present coroutine.
    pub fn deadlines_due(mut self, session: i32) {
        let now = self.node.now();
        let Some(mut deadlines) = self.waits.deadlines.take() else {
            return;
        };
        deadlines.timers.retain(|(_, timer)| *timer != session);
        while let Some((tick, call)) = deadlines.open.pop_first() {
            if tick > now {
                deadlines.open.insert((tick, call));
                break;
            }
            let waiter = self.waits.sessions.get(&call);
            if waiter.is_some_and(|w| matches!(w.wait, Wait::Call(..))) {
                self.waits.failures.push_back((call, Woken::TimedOut));
            }
        }
        let next = deadlines.open.first().map(|(tick, _)| *tick);
        let set = |tick| deadlines.timers.iter().any(|(timer, _)| *timer <= tick);
        let next = next.filter(|tick| !set(*tick));
        self.waits.deadlines = Some(deadlines);
        if let Some(tick) = next {
            self.set_deadline_timer(tick);
        }
    }

    fn set_deadline_timer(mut self, tick: i64) {
        let session = self.next_session();
        self.note_wait(session, NONE, Wait::Deadline);
        if let Some(deadlines) = &mut self.waits.deadlines {
            deadlines.timers.push((tick, session));
        }
        let ticks = (tick - self.node.now()).clamp(1, i32::MAX.into());
        self.node.timeout_with(&self.slot, ticks as i32, session);
    }
}

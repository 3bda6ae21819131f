//! Timeouts: which session of which service is answered at which tick.
//!
//! A map from tick to what is due, in the order of setting; so equal deadlines fire in that order,
//! also when they were set at different times. There is no thread and no tick of its own: workers
//! compare `next_ns` with the clock they read anyway, and the idle leader takes it as its timeout.
//! A timer costs 8 bytes. There is no limit to their number: each was asked for by a service, whose
//! memory holds what waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::message::Address;
use crate::sched::idle::NEVER;

pub(crate) struct Timers {
    queue: Mutex<BTreeMap<i64, Vec<(Address, i32)>>>,
    /// When the first one is due, in monotonic nanoseconds. Written under the lock of `queue`.
    next_ns: AtomicI64,
    /// Held by the worker that fires, so that ticks fire one after the other.
    firing: Mutex<()>,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            queue: Mutex::new(BTreeMap::new()),
            next_ns: AtomicI64::new(NEVER),
            firing: Mutex::new(()),
        }
    }

    /// When the first timer is due, in monotonic nanoseconds; [`NEVER`] without one.
    pub(crate) fn next_ns(&self) -> i64 {
        self.next_ns.load(Ordering::Relaxed)
    }

    /// Sets a timer for the beginning of `tick`. The time is returned when it is the first now.
    pub(crate) fn set(&self, clock: &Clock, tick: i64, to: Address, session: i32) -> Option<i64> {
        let due = clock.tick_start_ns(tick);
        let mut queue = self.queue.lock();
        queue.entry(tick).or_default().push((to, session));
        if due >= self.next_ns() {
            return None;
        }
        self.next_ns.store(due, Ordering::Relaxed);
        Some(due)
    }

    /// Calls `fire` for all that is due at `now_ns`, tick by tick. Nothing when another worker does.
    pub(crate) fn fire(&self, clock: &Clock, now_ns: i64, mut fire: impl FnMut(Address, i32)) {
        let Some(_firing) = self.firing.try_lock() else {
            return;
        };
        let now = clock.tick(now_ns);
        while let Some(due) = self.take_due(clock, now) {
            for (to, session) in due {
                fire(to, session);
            }
        }
    }

    fn take_due(&self, clock: &Clock, now: i64) -> Option<Vec<(Address, i32)>> {
        let mut queue = self.queue.lock();
        let first = queue.first_entry()?;
        let due = (*first.key() <= now).then(|| first.remove())?;
        let next = queue
            .first_key_value()
            .map_or(NEVER, |(&tick, _)| clock.tick_start_ns(tick));
        self.next_ns.store(next, Ordering::Relaxed);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_missed_ticks_fire_in_order() {
        let (clock, timers) = (Clock::start(), Timers::new());
        for (tick, session) in [(7, 1), (5, 2), (7, 3), (9, 4), (5, 5)] {
            timers.set(&clock, tick, Address(1), session);
        }
        let mut fired = Vec::new();
        timers.fire(&clock, clock.tick_start_ns(8), |_, session| {
            fired.push(session)
        });
        assert_eq!(fired, [2, 5, 1, 3]);
        assert_eq!(timers.next_ns(), clock.tick_start_ns(9));
    }

    #[test]
    fn only_an_earlier_first_is_told() {
        let (clock, timers) = (Clock::start(), Timers::new());
        assert!(timers.set(&clock, 7, Address(1), 1).is_some());
        assert!(timers.set(&clock, 7, Address(1), 2).is_none());
        assert!(timers.set(&clock, 6, Address(1), 3).is_some());
    }
}

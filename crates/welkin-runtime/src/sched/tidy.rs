//! When memory goes back to the system after services have ended or large messages are over.
//!
//! An allocator keeps what was freed with the thread that allocated it, and services are dropped by
//! other workers than those that filled them. So each worker has to look through its own share, and
//! one that sleeps does not. The monitor begins a *round* when services have ended and the last round
//! is [`INTERVAL_NS`] ago: it wakes the workers, and each takes part in the round before it sleeps
//! again. A worker that never sleeps allocates, and looks through its share by that.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

/// The shortest time between two rounds.
const INTERVAL_NS: i64 = 1_000_000_000;

pub(crate) struct Tidy {
    give_back: Option<fn()>,
    /// Services have ended since the last round began.
    wanted: AtomicBool,
    round: AtomicU32,
    /// When the last round began, in monotonic nanoseconds. Written by the monitor.
    begun_ns: AtomicI64,
}

impl Tidy {
    pub(crate) fn new(give_back: Option<fn()>) -> Tidy {
        Tidy {
            give_back,
            wanted: AtomicBool::new(false),
            round: AtomicU32::new(0),
            begun_ns: AtomicI64::new(0),
        }
    }

    /// A service has been dropped.
    pub(crate) fn want(&self) {
        if !self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(true, Ordering::Relaxed);
        }
    }

    /// When the next round is due, if one is, in monotonic nanoseconds.
    pub(crate) fn due_ns(&self) -> Option<i64> {
        self.wanted
            .load(Ordering::Relaxed)
            .then(|| self.begun_ns.load(Ordering::Relaxed) + INTERVAL_NS)
    }

    /// Begins a round if one is due. True: the caller wakes the workers.
    pub(crate) fn begin(&self, now_ns: i64) -> bool {
        if self.due_ns().is_none_or(|due| now_ns < due) {
            return false;
        }
        self.wanted.store(false, Ordering::Relaxed);
        self.begun_ns.store(now_ns, Ordering::Relaxed);
        self.round.fetch_add(1, Ordering::Release);
        true
    }

    /// Takes part in the round, unless the calling worker has: `last` is its last one.
    pub(crate) fn take_part(&self, last: &mut u32) {
        let round = self.round.load(Ordering::Acquire);
        if std::mem::replace(last, round) != round
            && let Some(give_back) = self.give_back
        {
            give_back();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_round_begins_after_services_have_ended_and_not_soon_after_another() {
        let tidy = Tidy::new(None);
        assert!(!tidy.begin(INTERVAL_NS));
        tidy.want();
        assert!(tidy.begin(INTERVAL_NS));
        assert!(!tidy.begin(2 * INTERVAL_NS));
        tidy.want();
        assert!(!tidy.begin(2 * INTERVAL_NS - 1));
        assert!(tidy.begin(2 * INTERVAL_NS));
    }
}

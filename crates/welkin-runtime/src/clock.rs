//! Node time: hundredths of a second ("ticks") that agree with the wall clock at the start of the
//! node and run monotonic from there, whatever happens to the wall clock later.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::os;

/// Nanoseconds of one tick.
pub(crate) const TICK_NS: i64 = 10_000_000;

/// The clock of one node. Read by any thread, never written.
pub(crate) struct Clock {
    /// Unix time of the start, whole seconds.
    start_s: i64,
    /// Monotonic time at which `start_s` was, that is: up to a second before the node started.
    origin_ns: i64,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            start_s: i64::try_from(wall.as_secs()).unwrap_or(i64::MAX),
            origin_ns: os::monotonic_ns() - i64::from(wall.subsec_nanos()),
        }
    }

    /// Unix time of the node's start, whole seconds.
    pub(crate) fn start_s(&self) -> i64 {
        self.start_s
    }

    /// The tick in which the monotonic time `ns` lies.
    pub(crate) fn tick(&self, ns: i64) -> i64 {
        (ns - self.origin_ns).div_euclid(TICK_NS)
    }

    /// The monotonic time at which `tick` begins.
    pub(crate) fn tick_start_ns(&self, tick: i64) -> i64 {
        self.origin_ns + tick * TICK_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_begin_within_the_first_second() {
        let clock = Clock::start();
        let tick = clock.tick(os::monotonic_ns());
        assert!((0..200).contains(&tick));
        assert_eq!(clock.tick(clock.tick_start_ns(tick)), tick);
        assert_eq!(clock.tick(clock.tick_start_ns(tick) - 1), tick - 1);
    }
}

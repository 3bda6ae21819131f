//! CPU time of messages, without a system call for each.
//!
//! A message is measured by the monotonic clock, which is read at each message's end anyway. Only
//! when that says more than [`TRUSTED_NS`] the thread's CPU clock is asked, because the thread may
//! have been off its core meanwhile: what the CPU clock has gone on since the last asking, less what
//! was accounted since, is the most the message can have used. That last asking is never more than
//! [`REFERENCE_NS`] back when a message starts.
//!
//! The state is the thread's own.

use std::cell::Cell;

use crate::message::Address;
use crate::os;

/// Up to here wall time counts as CPU time.
const TRUSTED_NS: i64 = 100_000;
/// Age at which the reference is taken anew.
const REFERENCE_NS: i64 = 10_000_000;

#[derive(Copy, Clone)]
struct Meter {
    /// Whose message is measured; none between messages.
    address: Address,
    /// When it, or its current slice, started.
    start_ns: i64,
    /// The CPU clock and the monotonic clock at the last asking.
    reference_cpu_ns: i64,
    reference_ns: i64,
    /// Accounted since then.
    accounted_ns: i64,
}

thread_local! {
    static METER: Cell<Meter> = const {
        Cell::new(Meter {
            address: Address::NONE,
            start_ns: 0,
            reference_cpu_ns: 0,
            reference_ns: i64::MIN / 2,
            accounted_ns: 0,
        })
    };
}

/// A message of `address` starts or goes on at the monotonic time `now_ns`.
pub(crate) fn begin(address: Address, now_ns: i64) {
    let mut meter = METER.get();
    meter.address = address;
    meter.start_ns = now_ns;
    if now_ns - meter.reference_ns > REFERENCE_NS {
        meter.refer(now_ns, os::thread_cpu_ns());
    }
    METER.set(meter);
}

/// It ends or pauses at `now_ns`. The CPU time of this part, in nanoseconds.
pub(crate) fn end(now_ns: i64) -> u64 {
    let mut meter = METER.get();
    meter.address = Address::NONE;
    let wall = now_ns - meter.start_ns;
    let used = if wall <= TRUSTED_NS {
        meter.accounted_ns += wall;
        wall
    } else {
        let cpu = os::thread_cpu_ns();
        let used = meter.used(wall, cpu);
        meter.refer(now_ns, cpu);
        used
    };
    METER.set(meter);
    used.max(0).cast_unsigned()
}

/// The service whose message the calling thread handles; [`Address::NONE`] outside of messages, and
/// when CPU time is not measured. May be called in a signal handler.
pub fn current_service() -> Address {
    METER.get().address
}

/// What the current message of `address` has used since its last `begin`, if this thread runs it.
pub(crate) fn current(address: Address) -> u64 {
    let meter = METER.get();
    if meter.address != address || address.is_none() {
        return 0;
    }
    let wall = os::monotonic_ns() - meter.start_ns;
    let used = if wall <= TRUSTED_NS {
        wall
    } else {
        meter.used(wall, os::thread_cpu_ns())
    };
    used.max(0).cast_unsigned()
}

impl Meter {
    fn used(&self, wall: i64, cpu: i64) -> i64 {
        (cpu - self.reference_cpu_ns - self.accounted_ns).clamp(0, wall.max(0))
    }

    fn refer(&mut self, now_ns: i64, cpu_ns: i64) {
        self.reference_cpu_ns = cpu_ns;
        self.reference_ns = now_ns;
        self.accounted_ns = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_parts_count_by_the_wall_and_long_ones_by_the_cpu() {
        let start = os::monotonic_ns();
        begin(Address(1), start);
        assert_eq!(end(start + 500), 500);
        // The thread was not on its core for this hour.
        begin(Address(1), start);
        assert!(end(start + 3_600_000_000_000) < 3_000_000_000_000);
        assert_eq!(current(Address(1)), 0);
    }
}

//! The agent's clocks. Waiting goes by the monotonic one, as the other may be set.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::supervise::Now;

/// Both clocks; the monotonic one begins some time before the agent, so that nodes older than the agent
/// have a place on it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

/// Where the monotonic clock stands when the agent starts.
const BEGIN_MS: u64 = 1 << 40;

impl Clock {
    /// Begins now.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// The moment.
    pub fn now(&self) -> Now {
        Now {
            ms: BEGIN_MS + self.began.elapsed().as_millis() as u64,
            unix_ms: unix_ms(),
        }
    }

    /// The moment at which [`Clock::now`] gives `ms`.
    pub fn instant(&self, ms: u64) -> Instant {
        self.began + std::time::Duration::from_millis(ms.saturating_sub(BEGIN_MS))
    }
}

/// Milliseconds since 1970.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

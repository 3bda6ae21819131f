//! How often a node was started, how long the next start waits, and when there is no next one.

use std::collections::VecDeque;

use welkin_fleet_model::entry::{Backoff, GiveUp};

use super::Now;

/// Share of a wait, in percent, by which it may be longer or shorter: nodes that fell together do not
/// rise together.
const JITTER_PERCENT: u64 = 20;
/// Starts that are remembered; the fleet file may ask for no more.
const STARTS_MAX: usize = 1000;

/// The starts of one life.
#[derive(Clone, Debug)]
pub(super) struct Tries {
    /// When, oldest first.
    starts: VecDeque<Now>,
    /// Waits since the last one that was forgotten.
    waits: u32,
    random: u64,
}

impl Tries {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            starts: VecDeque::new(),
            waits: 0,
            // The generator below stands still at 0.
            random: seed | 1,
        }
    }

    pub(super) fn forget(&mut self) {
        self.starts.clear();
        self.waits = 0;
    }

    pub(super) fn note_start(&mut self, now: Now) {
        if self.starts.len() == STARTS_MAX {
            self.starts.pop_front();
        }
        self.starts.push_back(now);
    }

    pub(super) fn is_enough(&self, ms: u64, give_up: &GiveUp) -> bool {
        let recent = |start: &&Now| ms.saturating_sub(start.ms) <= give_up.within_ms;
        let starts = self.starts.iter().filter(recent).count();
        starts >= (give_up.starts.max(1) as usize).min(STARTS_MAX)
    }

    /// How long to wait after an end that came `ran_ms` after its start.
    pub(super) fn wait_ms(&mut self, ran_ms: u64, backoff: &Backoff) -> u64 {
        if ran_ms >= backoff.reset_ms {
            self.waits = 0;
        }
        let doubled = backoff.first_ms.saturating_mul(1 << self.waits.min(32));
        self.waits = self.waits.saturating_add(1);
        let wait = doubled.min(backoff.max_ms);
        let spread = wait / 100 * JITTER_PERCENT + wait % 100 * JITTER_PERCENT / 100;
        wait - spread + self.next() % (2 * spread + 1)
    }

    /// xorshift: nobody has to be unable to guess it.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// As it is written down: Unix milliseconds of the starts, and the waits.
    pub(super) fn written(&self) -> (Vec<u64>, u32) {
        let starts = self.starts.iter().map(|start| start.unix_ms);
        (starts.collect(), self.waits)
    }

    pub(super) fn restore(&mut self, now: Now, starts_unix_ms: &[u64], waits: u32) {
        let start = |unix_ms: &u64| Now {
            ms: now.ms.saturating_sub(now.unix_ms.saturating_sub(*unix_ms)),
            unix_ms: *unix_ms,
        };
        self.starts = starts_unix_ms.iter().map(start).collect();
        self.waits = waits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again_after_a_long_run() {
        let backoff = Backoff {
            first_ms: 1_000,
            max_ms: 5_000,
            reset_ms: 10_000,
        };
        let mut tries = Tries::new(7);
        for expected in [1_000, 2_000, 4_000, 5_000, 5_000] {
            let wait = tries.wait_ms(0, &backoff);
            assert!(
                (expected * 4 / 5..=expected * 6 / 5).contains(&wait),
                "{wait} for {expected}"
            );
        }
        assert!(tries.wait_ms(10_000, &backoff) <= 1_200);
    }

    fn at(ms: u64) -> Now {
        Now { ms, unix_ms: ms }
    }

    #[test]
    fn only_starts_of_the_window_count() {
        let give_up = GiveUp {
            starts: 2,
            within_ms: 100,
        };
        let mut tries = Tries::new(0);
        tries.note_start(at(0));
        tries.note_start(at(150));
        assert!(!tries.is_enough(150, &give_up));
        tries.note_start(at(200));
        assert!(tries.is_enough(200, &give_up));
        assert!(!tries.is_enough(260, &give_up));
    }
}

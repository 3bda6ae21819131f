//! Requests that went over one link and are not answered: when the link is lost, they fail.
//!
//! A request whose answer comes another way, or never, stays until its link is lost; the failure it
//! gets then means nothing to a service that does not wait for it any more. Requests of services that
//! have ended are forgotten when the table is full. If it is full then too, further ones are not
//! noted: they would wait for ever if the link were lost, and a million calls wait already.

use std::collections::HashMap;

use welkin_runtime::Address;

/// Requests that are noted, each some 16 bytes; the coroutine that waits for one takes a hundred times
/// that.
const OPEN_MAX: usize = 1 << 20;
/// So many are never looked through for those of ended services.
const PRUNE_MIN: usize = 1024;
/// A full table is looked through once in so many requests.
const PRUNE_SKIPS: usize = 65_536;

/// Who asked, with which session, and whom.
#[derive(Debug, Default)]
pub(super) struct Open {
    asked: HashMap<(Address, i32), Address>,
    /// Look for ended services when there are so many.
    prune_at: usize,
    /// Requests that were not noted.
    skipped: usize,
}

impl Open {
    /// A request goes out. `lives` tells whether a service of this node has not ended.
    pub(super) fn note(
        &mut self,
        source: Address,
        session: i32,
        to: Address,
        lives: impl Fn(Address) -> bool,
    ) {
        let count = self.asked.len();
        if count >= self.prune_at.max(PRUNE_MIN) {
            // A full table is not looked through for each further request.
            if count < OPEN_MAX || self.skipped.is_multiple_of(PRUNE_SKIPS) {
                self.asked.retain(|&(source, _), _| lives(source));
                self.prune_at = (2 * self.asked.len()).min(OPEN_MAX);
            }
            if self.asked.len() >= OPEN_MAX {
                self.skipped = self.skipped.wrapping_add(1);
                return;
            }
        }
        self.asked.insert((source, session), to);
    }

    /// An answer has come.
    pub(super) fn close(&mut self, source: Address, session: i32) {
        self.asked.remove(&(source, session));
    }

    /// All of them, as (who asked, session, whom).
    pub(super) fn take(&mut self) -> Vec<(Address, i32, Address)> {
        let asked = std::mem::take(&mut self.asked);
        asked
            .into_iter()
            .map(|((source, session), to)| (source, session, to))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_does_not_fail_later() {
        let mut open = Open::default();
        open.note(Address(1), 7, Address(2), |_| true);
        open.note(Address(1), 8, Address(2), |_| true);
        open.close(Address(1), 7);
        open.close(Address(3), 8);
        assert_eq!(open.take(), [(Address(1), 8, Address(2))]);
        assert!(open.take().is_empty());
    }

    #[test]
    fn requests_of_ended_services_are_forgotten() {
        let mut open = Open::default();
        for session in 0..100_000 {
            open.note(Address(1), session, Address(2), |_| false);
        }
        assert!(open.asked.len() <= 1024);
        for session in 0..5_000 {
            open.note(Address(3), session, Address(2), |source| {
                source == Address(3)
            });
        }
        assert!(open.take().len() >= 5_000);
    }
}

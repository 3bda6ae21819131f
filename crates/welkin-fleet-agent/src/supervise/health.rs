//! Whether a node is ready, and well afterwards.

use welkin_fleet_model::entry::Probe;

use super::{Now, Phase, Probed, Supervisor};

/// Between looks at a node that is not ready yet, and at one that was.
const PROBE_STARTING_MS: u64 = 250;
const PROBE_MS: u64 = 5_000;
/// How many looks in a row have to fail.
pub(super) const FAILURES_MAX: u32 = 3;
/// A probe is always answered; should it ever not be, it is not waited for longer.
const ANSWER_MS_MAX: u64 = 15_000;

/// What is known of a running node's health.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    next: u64,
    /// A probe is under way.
    asked: bool,
    failures: u32,
    /// It is not well, since then.
    ill_since: Option<u64>,
    /// Its own word: it takes no new players.
    pub(super) drains: bool,
    /// The last that was seen while it was not well.
    words: String,
}

impl Health {
    pub(super) fn of_new(now: Now) -> Self {
        Self {
            next: now.ms,
            ..Self::default()
        }
    }

    pub(super) fn due(&self) -> u64 {
        self.next
    }

    pub(super) fn is_ill(&self) -> bool {
        self.ill_since.is_some()
    }

    pub(super) fn soon(&mut self, now: Now) {
        if !self.asked {
            self.next = now.ms;
        }
    }
}

impl Supervisor {
    pub(super) fn watch(&mut self, now: Now) {
        let after = match self.run.as_ref().map(|run| &run.entry.ready.probe) {
            Some(Probe::After(_)) => true,
            Some(_) => false,
            None => return,
        };
        if let Phase::Starting { ready_by } = self.phase
            && now.ms >= self.ripe(ready_by)
        {
            if after {
                self.well(false);
            } else {
                self.late(now);
            }
        }
        if after {
            // That it runs is all that is asked.
            self.health.next = u64::MAX;
        } else if now.ms >= self.health.next {
            self.health.asked = true;
            self.health.next = now.ms + ANSWER_MS_MAX;
            self.actions.push(super::Action::Probe);
        }
        if let Some(due) = self.restart_due()
            && now.ms >= due
        {
            let reason = self.reason.clone();
            self.begin_ending(now, Some(reason));
        }
    }

    /// The time to get ready is over. It goes on: what is slow may get there yet.
    fn late(&mut self, now: Now) {
        let Some(run) = &self.run else { return };
        let seconds = run.entry.ready.timeout_ms as f64 / 1_000.0;
        self.reason = match self.health.words.as_str() {
            "" => format!("not ready within {seconds} s"),
            words => format!("not ready within {seconds} s: {words}"),
        };
        self.health.ill_since = Some(now.ms);
        self.phase = Phase::Up;
    }

    pub(super) fn probed(&mut self, now: Now, probed: Probed) {
        let starting = matches!(self.phase, Phase::Starting { .. });
        self.health.asked = false;
        let ill = self.health.is_ill();
        let pause = match starting || (ill && self.health.failures < FAILURES_MAX) {
            true => PROBE_STARTING_MS,
            false => PROBE_MS,
        };
        self.health.next = now.ms + pause;
        if !starting && self.phase != Phase::Up {
            return;
        }
        let (words, at_once) = match probed {
            Probed::Well => return self.well(false),
            Probed::Draining => return self.well(true),
            Probed::Unready(words) => (words, true),
            Probed::Silent(words) => (words, false),
        };
        self.health.words.clone_from(&words);
        self.health.failures = self.health.failures.saturating_add(1);
        if starting {
            return;
        }
        if at_once || self.health.failures >= FAILURES_MAX {
            self.health.ill_since.get_or_insert(now.ms);
            self.reason = words;
        }
    }

    fn well(&mut self, drains: bool) {
        let was_ill = self.health.is_ill();
        self.health.drains = drains;
        self.health.failures = 0;
        self.health.ill_since = None;
        self.health.words.clear();
        if was_ill || matches!(self.phase, Phase::Starting { .. }) {
            self.phase = Phase::Up;
            self.reason.clear();
        }
    }

    /// When a node that is not well is started again.
    pub(super) fn restart_due(&self) -> Option<u64> {
        let after = self.run.as_ref()?.entry.health.restart_after_ms?;
        if self.phase != Phase::Up {
            return None;
        }
        Some(self.health.ill_since? + after)
    }
}

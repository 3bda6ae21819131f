//! Beginning, and what follows when a process is gone.

use super::{Action, End, Health, Now, Phase, Run, Supervisor};
use welkin_fleet_model::entry::{NodeEntry, Probe, Restart};

impl Supervisor {
    /// Nothing runs: whether it is to be started now.
    pub(super) fn rest(&mut self, now: Now) {
        let Some(order) = &self.order else {
            self.phase = Phase::Idle;
            if !self.forgotten {
                self.forgotten = true;
                self.actions.push(Action::Forget);
            }
            return;
        };
        if !order.running {
            // The reason stays to be seen.
            self.phase = Phase::Idle;
            return;
        }
        if self.blocked.is_some() {
            return;
        }
        if self.wants_new_life() {
            self.restarts = 0;
            self.tries.forget();
            self.reason.clear();
            self.launch(now);
            return;
        }
        if self.held {
            return;
        }
        match self.phase {
            Phase::Idle => self.launch(now),
            Phase::Waiting { until } if now.ms >= until.ms => {
                self.restarts = self.restarts.saturating_add(1);
                self.launch(now);
            }
            _ => {}
        }
    }

    fn launch(&mut self, now: Now) {
        let Some(order) = &self.order else { return };
        debug_assert!(self.run.is_none(), "one process at a time");
        self.life = order.life;
        self.attempt += 1;
        self.killed_after_s = None;
        self.run = Some(Run {
            entry: order.entry.clone(),
            release: order.release.clone(),
            pid: None,
            started: now,
            control: false,
            drain_told: false,
            by_hand: None,
        });
        self.tries.note_start(now);
        self.phase = Phase::Launching;
        self.actions.push(Action::Start);
    }

    pub(super) fn started(&mut self, now: Now, pid: u32) {
        let Some(run) = &mut self.run else { return };
        run.pid = Some(pid);
        if self.phase == Phase::Launching {
            let ready_by = run.started.ms + run.entry.ready.timeout_ms;
            self.phase = Phase::Starting { ready_by };
            self.health = Health::of_new(now);
        }
    }

    /// With [`Probe::After`] the node is ready when that time is over; else when it says so.
    pub(super) fn ripe(&self, ready_by: u64) -> u64 {
        match self
            .run
            .as_ref()
            .map(|run| (&run.entry.ready.probe, run.started.ms))
        {
            Some((Probe::After(ms), started)) => started + ms,
            _ => ready_by,
        }
    }

    /// The process is gone, or never was.
    pub(super) fn ended(&mut self, now: Now, end: &End) {
        let Some(run) = self.run.take() else { return };
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let mut reason = end.reason();
        self.missing = matches!(end, End::Missing(_));
        if let Phase::Ending(ending) = phase {
            self.killed_after_s = ending.killed_after_s(now);
            match ending.because() {
                Some(because) => reason = because.to_owned(),
                None => {
                    // It was asked for, so it is no fault how it ended; but it is worth a word.
                    self.reason = match self.killed_after_s {
                        Some(seconds) => format!("killed after {seconds}s"),
                        None if end.is_by_request() => String::new(),
                        None => reason,
                    };
                    return;
                }
            }
        } else if run.by_hand == Some(true) {
            self.reason = reason;
            return;
        } else if end.is_success() && run.entry.restart != Restart::Always {
            self.reason = reason;
            self.phase = Phase::Done;
            return;
        } else if end.is_final() {
            self.reason = reason;
            self.phase = Phase::Failed;
            return;
        }
        self.try_again(
            now,
            &run.entry,
            now.ms.saturating_sub(run.started.ms),
            reason,
        );
    }

    fn try_again(&mut self, now: Now, entry: &NodeEntry, ran_ms: u64, reason: String) {
        if entry.restart == Restart::Never {
            self.phase = Phase::Failed;
            self.reason = reason;
        } else if self.tries.is_enough(now.ms, &entry.give_up) {
            self.phase = Phase::Failed;
            let starts = entry.give_up.starts;
            self.reason = format!("given up after {starts} starts: {reason}");
        } else {
            let wait = self.tries.wait_ms(ran_ms, &entry.backoff);
            self.phase = Phase::Waiting {
                until: Now {
                    ms: now.ms + wait,
                    unix_ms: now.unix_ms + wait,
                },
            };
            self.reason = reason;
        }
    }

    /// What a start needs and is not there yet, for people.
    /// Takes effect with the next order or tick.
    pub fn block(&mut self, blocked: Option<String>) {
        self.blocked = blocked;
    }

    /// Something that was missing is there now: who was given up for that is tried again.
    pub fn mended(&mut self, now: Now) -> Vec<Action> {
        if self.phase == Phase::Failed && self.missing {
            self.phase = Phase::Idle;
        }
        self.decide(now)
    }

    /// A process that was started by hand has said that it is this node. None: there is one already.
    pub fn register(&mut self, now: Now, pid: u32) -> Option<Vec<Action>> {
        if self.run.is_some() {
            return None;
        }
        let order = self.order.as_ref();
        self.attempt += 1;
        // The life it is given is the present one: only a later order ends it.
        self.life = self.life.max(order.map_or(0, |order| order.life));
        self.reason.clear();
        self.killed_after_s = None;
        let wanted = order.is_some_and(|order| order.running);
        let entry = order.map(|order| order.entry.clone());
        self.run = Some(Run {
            entry: entry.unwrap_or_else(|| NodeEntry {
                name: self.name.clone(),
                ..NodeEntry::default()
            }),
            release: None,
            pid: Some(pid),
            started: now,
            control: true,
            drain_told: false,
            by_hand: Some(!wanted),
        });
        self.health = Health::of_new(now);
        let ready_by = now.ms
            + self
                .run
                .as_ref()
                .map_or(0, |run| run.entry.ready.timeout_ms);
        self.phase = Phase::Starting { ready_by };
        Some(self.decide(now))
    }
}

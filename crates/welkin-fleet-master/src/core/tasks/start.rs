//! `start`: what is selected is wanted running. The groups' gates let the nodes go one group after the
//! other; this waits until each is ready, or will not be.

use welkin_fleet_model::state::State;

use super::Poll;
use super::targets::Targets;
use crate::core::{CallId, Fleet};

/// A node that neither became ready nor failed for this long is called failed.
const PATIENCE_MS: u64 = 15 * 60_000;

/// See the file.
pub(in crate::core) struct Start {
    pub targets: Targets,
    pub no_wait: bool,
    /// Do not wait for the word of the machine where it ran last.
    pub force: bool,
    pub now_or_never: bool,
}

/// How far a start of one node is.
pub(in crate::core) enum Progress {
    Coming,
    Ready,
    Failed(String),
    Unreachable,
}

impl Start {
    pub(super) fn begin(&mut self, fleet: &mut Fleet) {
        let now = fleet.now.mono_ms;
        for name in self.targets.pending() {
            self.targets.touch(&name, now);
            if let Some(missing) = fleet.missing_secret(&name) {
                let text = format!("failed: secret {missing} is not set");
                self.targets.fail(fleet, None, &name, "failed", text);
                continue;
            }
            self.begin_node(fleet, &name);
        }
    }

    fn begin_node(&mut self, fleet: &mut Fleet, name: &str) {
        let Some(node) = fleet.nodes.get(name) else {
            return self.targets.fail(
                fleet,
                None,
                name,
                "failed",
                "failed: it is no longer in the fleet file",
            );
        };
        let away = fleet.is_away(node, self.now_or_never);
        let report = node.report.clone();
        let machine = node.entry.machine.clone();
        let wanted = fleet.durable.wanted(name);
        if self.force
            && wanted
                .holder
                .as_ref()
                .is_some_and(|holder| *holder != machine)
        {
            fleet.want(name, |w| w.holder = None);
        }
        if away {
            if !self.now_or_never {
                fleet.want(name, |w| (w.running, w.revive) = (true, true));
            }
            return self
                .targets
                .fail(fleet, None, name, "unreachable", "unreachable");
        }
        if let Some(machine) = fleet.machines.get_mut(&machine) {
            machine.forgive();
            fleet.stirred = true;
        }
        let on_its_way = wanted.running && wanted.life > report.life;
        let runs = wanted.running && report.state.is_running() && report.state != State::Stopping;
        if runs && !on_its_way && report.state != State::Starting {
            return self.targets.succeed(fleet, None, name, "already running");
        }
        if !runs && !on_its_way {
            fleet.want(name, |w| {
                w.running = true;
                w.life = w.life.max(report.life) + 1;
            });
        }
    }

    pub(super) fn poll(&mut self, fleet: &mut Fleet, call: Option<CallId>) -> Poll {
        for name in self.targets.pending() {
            if self.no_wait {
                self.targets.succeed(fleet, call, &name, "ordered");
                continue;
            }
            match fleet.start_progress(&name, self.targets.since_ms(&name)) {
                Progress::Coming => {}
                Progress::Ready => self.targets.succeed(fleet, call, &name, "started"),
                Progress::Failed(why) => {
                    self.targets
                        .fail(fleet, call, &name, "failed", format!("failed: {why}"));
                }
                Progress::Unreachable => {
                    self.targets
                        .fail(fleet, call, &name, "unreachable", "unreachable");
                }
            }
        }
        match self.targets.pending().is_empty() {
            true => Poll::Done(self.targets.outcome()),
            false => Poll::Pending,
        }
    }
}

impl Fleet {
    /// How far the node is on the way to the life that is wanted of it. `since_ms`: of the asking.
    pub(super) fn start_progress(&self, name: &str, since_ms: u64) -> Progress {
        let Some(node) = self.nodes.get(name) else {
            return Progress::Failed("it is no longer in the fleet file".to_owned());
        };
        let report = &node.report;
        let wanted = self.durable.wanted(name);
        if self.state(node) == State::Unknown {
            return Progress::Unreachable;
        }
        if !wanted.running {
            return Progress::Failed("it was stopped".to_owned());
        }
        if report.life < wanted.life {
            if let Some(why) = self.unwritten(node) {
                return Progress::Failed(why);
            }
            return match wanted.holder {
                Some(holder) if holder != node.entry.machine => {
                    Progress::Failed(self.shown(node).reason)
                }
                _ => self.patience(since_ms, "its agent has not taken it up"),
            };
        }
        let why = || match report.reason.is_empty() {
            true => format!("it is {}", report.state.word()),
            false => report.reason.clone(),
        };
        match report.state {
            State::Ready | State::Draining => Progress::Ready,
            State::Failed | State::Stopped => Progress::Failed(why()),
            State::NotReady if self.is_late(since_ms, node.entry.ready.timeout_ms) => {
                Progress::Failed(format!("not ready: {}", why()))
            }
            _ => self.patience(since_ms, &why()),
        }
    }

    fn patience(&self, since_ms: u64, why: &str) -> Progress {
        match self.is_late(since_ms, PATIENCE_MS) {
            true => Progress::Failed(format!(
                "not ready after {} min: {why}",
                PATIENCE_MS / 60_000
            )),
            false => Progress::Coming,
        }
    }

    pub(in crate::core) fn is_late(&self, since_ms: u64, limit_ms: u64) -> bool {
        self.now.mono_ms.saturating_sub(since_ms) > limit_ms
    }

    /// The first secret that the node names and nobody has set.
    pub(in crate::core) fn missing_secret(&self, name: &str) -> Option<String> {
        let names = &self.nodes.get(name)?.entry.secrets;
        names
            .iter()
            .find(|secret| !self.secrets.contains(*secret))
            .cloned()
    }
}

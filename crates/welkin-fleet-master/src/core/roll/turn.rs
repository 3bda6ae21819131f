//! The roll itself: groups one after the other, in each so many nodes at once: switched, ready, watched.

use welkin_fleet_model::state::State;

use super::{Driver, Phase, Roll, RollNode, Stage};
use crate::core::{Before, CallId, Fleet};

/// What a node may need beyond the times of its entry.
const GRACE_MS: u64 = 60_000;

/// How a node that was ordered to run something is.
pub(super) enum Reached {
    NotYet,
    Yes,
    No(String),
}

impl Driver {
    /// `true`: the roll is over.
    pub(super) fn turn(&mut self, fleet: &mut Fleet, call: Option<CallId>, roll: &Roll) -> bool {
        let at_once = usize::try_from(fleet.plan.fleet.update.at_once.max(1)).unwrap_or(1);
        let open = roll.nodes.iter().filter(|node| node.phase != Phase::Done);
        let Some(run) = open.map(|node| node.run).min() else {
            return true;
        };
        let mut at_work = 0;
        for (at, node) in roll
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.run == run)
        {
            let failure = match node.phase {
                Phase::Waiting if at_work < at_once => {
                    at_work += usize::from(self.switch(fleet, call, at, node));
                    None
                }
                Phase::Switching => {
                    at_work += 1;
                    self.switching(fleet, call, at, node)
                }
                Phase::Watching => {
                    at_work += 1;
                    self.watching(fleet, call, at, node)
                }
                _ => None,
            };
            if let Some(why) = failure {
                return self.fail(fleet, call, at, node, why);
            }
        }
        let left = fleet.durable.roll().map_or(0, |roll| {
            roll.nodes
                .iter()
                .filter(|node| node.phase != Phase::Done)
                .count()
        });
        // Nodes that are not wanted running are done at once; the next of the run may be.
        left == 0
            || (at_work == 0
                && fleet
                    .durable
                    .roll()
                    .is_some_and(|now| now.nodes != roll.nodes)
                && {
                    let roll = fleet.durable.roll().unwrap_or_default();
                    self.turn(fleet, call, &roll)
                })
    }

    /// Orders the new release. `false`: the node does not run, it is done.
    fn switch(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        at: usize,
        node: &RollNode,
    ) -> bool {
        let life = self.order(
            fleet,
            &node.node,
            &node.to,
            Some(Before {
                release: node.from.clone(),
            }),
        );
        let phase = if life.is_some() {
            Phase::Switching
        } else {
            Phase::Done
        };
        fleet.record_node(at, |record| {
            record.phase = phase;
            record.life = life.unwrap_or(0);
        });
        let text = if life.is_some() {
            "switching"
        } else {
            "switched (it is stopped)"
        };
        fleet.progress(call, format!("{}: {text}", node.node));
        life.is_some()
    }

    /// Wants a node to run a release; gives the life it must reach, none if it is not to run.
    pub(super) fn order(
        &mut self,
        fleet: &mut Fleet,
        name: &str,
        release: &Option<String>,
        before: Option<Before>,
    ) -> Option<u64> {
        self.since.insert(name.to_owned(), fleet.now.mono_ms);
        let known = fleet.nodes.get(name)?;
        let report_life = known.report.life;
        fleet.want(name, |w| {
            w.release.clone_from(release);
            w.before = before;
            if w.running {
                w.life = w.life.max(report_life) + 1;
            }
        });
        let wanted = fleet.durable.wanted(name);
        wanted.running.then_some(wanted.life)
    }

    fn switching(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        at: usize,
        node: &RollNode,
    ) -> Option<String> {
        match self.reached(fleet, &node.node, &node.to, node.life) {
            Reached::NotYet => None,
            Reached::No(why) => Some(why),
            Reached::Yes => {
                let restarts = fleet
                    .nodes
                    .get(&node.node)
                    .map_or(0, |known| known.report.restarts);
                self.since.insert(node.node.clone(), fleet.now.mono_ms);
                self.restarts.insert(node.node.clone(), restarts);
                fleet.record_node(at, |record| record.phase = Phase::Watching);
                fleet.progress(call, format!("{}: ready, watched", node.node));
                None
            }
        }
    }

    fn watching(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        at: usize,
        node: &RollNode,
    ) -> Option<String> {
        let now = fleet.now.mono_ms;
        let since = *self.since.entry(node.node.clone()).or_insert(now);
        let Some(known) = fleet.nodes.get(&node.node) else {
            fleet.record_node(at, |record| record.phase = Phase::Done);
            return None;
        };
        let report = &known.report;
        let restarts = *self
            .restarts
            .entry(node.node.clone())
            .or_insert(report.restarts);
        let settings = &fleet.plan.fleet.update;
        let errors = known
            .figures
            .as_ref()
            .and_then(|(_, figures)| figures.errors);
        if let (Some(max), Some(errors)) = (settings.max_errors, errors)
            && errors > max
        {
            return Some(format!("{errors} lua errors a minute, more than {max}"));
        }
        match fleet.state(known) {
            State::Ready | State::Draining if report.restarts == restarts => {
                if now.saturating_sub(since) >= settings.watch_ms {
                    fleet.record_node(at, |record| record.phase = Phase::Done);
                    fleet.progress(call, format!("{}: updated", node.node));
                }
                None
            }
            State::Unknown => match fleet.is_late(since, settings.watch_ms + GRACE_MS) {
                true => Some("unreachable".to_owned()),
                false => None,
            },
            state => Some(match report.reason.is_empty() {
                true => format!("it did not stay ready: {}", state.word()),
                false => format!("it did not stay ready: {}", report.reason),
            }),
        }
    }

    fn fail(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        at: usize,
        node: &RollNode,
        why: String,
    ) -> bool {
        let first = format!("{}: {why}", node.node);
        fleet.progress(call, format!("{}: failed: {why}", node.node));
        fleet.record_node(at, |record| {
            record.phase = Phase::Failed;
            record.reason = why;
        });
        fleet.record_roll(|roll| {
            roll.failure.get_or_insert(first);
            if !roll.no_rollback {
                roll.stage = Stage::Back;
            }
        });
        fleet.durable.roll().is_some_and(|roll| roll.no_rollback)
    }

    /// Whether the node runs `release` in that life, and is ready.
    pub(super) fn reached(
        &mut self,
        fleet: &mut Fleet,
        name: &str,
        release: &Option<String>,
        life: u64,
    ) -> Reached {
        let now = fleet.now.mono_ms;
        let since = *self.since.entry(name.to_owned()).or_insert(now);
        let Some(known) = fleet.nodes.get(name) else {
            return Reached::No("it is no longer in the fleet file".to_owned());
        };
        let (report, times) = (
            known.report.clone(),
            (known.entry.stop, known.entry.ready.timeout_ms),
        );
        let state = fleet.state(known);
        let wanted = fleet.durable.wanted(name);
        if wanted.life < life || wanted.release != *release {
            // A write that failed has taken the order back.
            fleet.want(name, |w| {
                w.life = w.life.max(life);
                w.release.clone_from(release);
            });
        }
        let limit = times.0.drain_ms + times.0.kill_ms + times.1 + GRACE_MS;
        let late = fleet.is_late(since, limit);
        if state == State::Unknown || report.life < life {
            return match late {
                true if state == State::Unknown => Reached::No("unreachable".to_owned()),
                true => Reached::No(format!(
                    "not switched in time: {}",
                    or_state(&report.reason, state)
                )),
                false => Reached::NotYet,
            };
        }
        match state {
            State::Ready | State::Draining if report.release == *release => Reached::Yes,
            State::Ready | State::Draining | State::Starting | State::Stopping if !late => {
                Reached::NotYet
            }
            _ => Reached::No(or_state(&report.reason, state)),
        }
    }
}

fn or_state(reason: &str, state: State) -> String {
    match reason.is_empty() {
        true => format!("it is {}", state.word()),
        false => reason.to_owned(),
    }
}

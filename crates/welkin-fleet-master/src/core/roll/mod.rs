//! Updates and rollbacks: releases to the machines, a check on each, then node after node.
//!
//! The record [`Roll`] is written at each step, so that another master goes on where this one was. What
//! is only of the moment (who was asked, since when a node is watched) is the [`Driver`]'s; a new one
//! asks and watches anew.

mod back;
mod prepare;
mod result;
pub(super) mod start;
mod turn;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use welkin_fleet_model::wire::agent::Reply;

use super::tasks::Poll;
use super::{Before, CallId, Change, Fleet};

/// Held by a task that rolls: there is one at a time.
pub(super) const ONE_ROLL: &str = "(update)";

/// An update or a rollback under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Roll {
    /// It goes to the releases before.
    pub rollback: bool,
    /// What the operator calls the release.
    pub label: String,
    /// Who asked.
    pub by: String,
    /// Unix milliseconds.
    pub started_unix_ms: u64,
    /// When it last went on, Unix milliseconds.
    pub moved_unix_ms: u64,
    /// Where it is.
    pub stage: Stage,
    /// It waits for an operator.
    pub paused: bool,
    /// A failure leaves things as they are.
    pub no_rollback: bool,
    /// The first failure.
    pub failure: Option<String>,
    /// In the order of the roll.
    pub nodes: Vec<RollNode>,
}

/// The steps of a roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Agents take the release.
    #[default]
    Fetch,
    /// Each machine checks it.
    Check,
    /// Node after node.
    Roll,
    /// The other way, after a failure.
    Back,
}

impl Stage {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Fetch => "fetch",
            Stage::Check => "check",
            Stage::Roll => "roll",
            Stage::Back => "back",
        }
    }
}

/// One node of a roll.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RollNode {
    /// Its name.
    pub node: String,
    /// Which run of nodes of one group it belongs to; runs come one after the other.
    pub run: usize,
    /// Release it had; none: a plain folder.
    pub from: Option<String>,
    /// And before that.
    pub from_before: Option<Before>,
    /// Release it gets.
    pub to: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// The life that it must reach in this phase.
    pub life: u64,
    /// Why it failed.
    pub reason: String,
}

/// How far a node of a roll is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not touched yet.
    #[default]
    Waiting,
    /// Ordered to run the new release.
    Switching,
    /// Ready, and must stay so for a while.
    Watching,
    /// It runs the new release.
    Done,
    /// It failed with the new release.
    Failed,
    /// Ordered to run what it ran.
    Returning,
    /// It runs what it ran.
    Returned,
    /// It failed with what it ran, too.
    Stuck,
}

/// What is only of the moment.
#[derive(Default)]
pub(super) struct Driver {
    /// Not begun yet.
    pub plan: Option<start::Plan>,
    /// What machines were asked, by machine, stage and digest.
    asked: BTreeMap<(String, Stage, Option<String>), Asked>,
    /// Since when nodes are in their phase (monotonic).
    since: BTreeMap<String, u64>,
    /// Unasked starts that a node had when its watch began.
    restarts: BTreeMap<String, u32>,
    /// Nodes that have nothing to go back to.
    skipped: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Asked {
    tries: u32,
    /// Since when it can be asked again, or is asked (monotonic).
    since_ms: u64,
    state: Answer,
}

#[derive(Debug, Default, PartialEq)]
enum Answer {
    #[default]
    Idle,
    Waiting,
    Yes,
    No(String),
}

impl PartialOrd for Stage {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stage {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

impl Driver {
    /// A driver for the record that is there already.
    pub fn resumed() -> Self {
        Self::default()
    }

    pub(super) fn poll(&mut self, fleet: &mut Fleet, task: u64, call: Option<CallId>) -> Poll {
        if let Some(outcome) = self.begin(fleet, task) {
            return Poll::Done(outcome);
        }
        // Each turn ends in another stage, or waits for somebody.
        for _ in 0..8 {
            let Some(roll) = fleet.durable.roll() else {
                return Poll::Done(result::gone());
            };
            let stage = roll.stage;
            let done = match stage {
                Stage::Fetch => self.fetch(fleet, task, call, &roll),
                Stage::Check => self.check(fleet, task, call, &roll),
                Stage::Roll => self.turn(fleet, call, &roll),
                Stage::Back => self.back(fleet, call, &roll),
            };
            if done {
                let outcome = self.finish(fleet);
                return Poll::Done(outcome);
            }
            if fleet.durable.roll().is_none_or(|roll| roll.stage == stage) {
                break;
            }
        }
        Poll::Pending
    }

    pub(super) fn answered(&mut self, machine: &str, what: &str, reply: Result<Reply, String>) {
        let (stage, digest) = what.split_once(' ').unwrap_or((what, ""));
        let stage = if stage == "fetch" {
            Stage::Fetch
        } else {
            Stage::Check
        };
        let digest = (digest != "-").then(|| digest.to_owned());
        if let Some(asked) = self.asked.get_mut(&(machine.to_owned(), stage, digest)) {
            asked.state = match reply {
                Ok(reply) if reply.faults.is_empty() => Answer::Yes,
                Ok(reply) => {
                    let faults = reply
                        .faults
                        .iter()
                        .map(|(node, text)| format!("{node}: {text}"));
                    asked.tries = u32::MAX;
                    Answer::No(faults.collect::<Vec<_>>().join("; "))
                }
                Err(why) => Answer::No(why),
            };
        }
    }
}

impl Fleet {
    /// Changes the record of the roll.
    pub(super) fn record_roll(&mut self, change: impl FnOnce(&mut Roll)) {
        if let Some(mut roll) = self.durable.roll() {
            let unix_ms = self.now.unix_ms;
            let record = Arc::make_mut(&mut roll);
            change(record);
            record.moved_unix_ms = unix_ms;
            self.put(Change::Roll(Some(roll)));
        }
    }

    /// Changes one node of the record.
    fn record_node(&mut self, at: usize, change: impl FnOnce(&mut RollNode)) {
        self.record_roll(|roll| {
            if let Some(node) = roll.nodes.get_mut(at) {
                change(node);
            }
        });
    }
}

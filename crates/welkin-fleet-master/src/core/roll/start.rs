//! How a roll begins: which node goes from what to what, and how one that was interrupted goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use welkin_fleet_model::wire::client::{Outcome, Status};

use super::{Driver, ONE_ROLL, Roll, RollNode, Stage};
use crate::core::tasks::{Work, trouble};
use crate::core::{CallId, Change, Fleet, Who};

/// What was asked for.
#[derive(Debug)]
pub(in crate::core) struct Plan {
    pub nodes: BTreeSet<String>,
    /// Full digest; none: each back to what it ran before.
    pub release: Option<String>,
    pub label: String,
    pub no_rollback: bool,
    pub by: String,
}

impl Driver {
    pub fn new(plan: Plan) -> Self {
        Self {
            plan: Some(plan),
            ..Self::default()
        }
    }

    /// Writes the record. Some: there is nothing to roll.
    pub(super) fn begin(&mut self, fleet: &mut Fleet, _task: u64) -> Option<Outcome> {
        let plan = self.plan.take()?;
        if let Some(paused) = fleet.durable.roll() {
            return Some(refusal(format!(
                "an update by {} is paused: update --continue, update --cancel or rollback first",
                paused.by
            )));
        }
        let roll = self.plan_nodes(fleet, &plan);
        if roll.nodes.is_empty() {
            let mut outcome = refusal("no release to go back to".to_owned());
            for (node, why) in &self.skipped {
                outcome.errors.push(trouble(node, "failed", why));
            }
            return Some(outcome);
        }
        fleet.put(Change::Roll(Some(Arc::new(roll))));
        None
    }

    fn plan_nodes(&mut self, fleet: &Fleet, plan: &Plan) -> Roll {
        let mut nodes = Vec::new();
        for (run, names) in fleet.plan.roll_order(&plan.nodes).into_iter().enumerate() {
            for node in names {
                let wanted = fleet.durable.wanted(&node);
                let to = match (&plan.release, &wanted.before) {
                    (Some(release), _) => Some(release.clone()),
                    (None, Some(before)) => before.release.clone(),
                    (None, None) => {
                        self.skipped.push((node, "no release before".to_owned()));
                        continue;
                    }
                };
                nodes.push(RollNode {
                    node,
                    run,
                    from: wanted.release,
                    from_before: wanted.before,
                    to,
                    ..RollNode::default()
                });
            }
        }
        Roll {
            rollback: plan.release.is_none(),
            label: plan.label.clone(),
            by: plan.by.clone(),
            started_unix_ms: fleet.now.unix_ms,
            moved_unix_ms: fleet.now.unix_ms,
            no_rollback: plan.no_rollback,
            nodes,
            ..Roll::default()
        }
    }
}

fn refusal(text: String) -> Outcome {
    Outcome {
        status: Status::Failed,
        errors: vec![trouble("", "refused", text)],
        ..Outcome::default()
    }
}

impl Fleet {
    /// What a master does with an update that another one began: goes on, or leaves it to an operator
    /// when it is older than `update.resume`.
    pub(in crate::core) fn resume_roll(&mut self) {
        let Some(roll) = self.durable.roll() else {
            return;
        };
        if roll.paused {
            return;
        }
        let age = self.now.unix_ms.saturating_sub(roll.moved_unix_ms);
        if age > self.plan.fleet.update.resume_ms {
            let mut roll = (*roll).clone();
            roll.paused = true;
            self.log(format!(
                "the update by {} was interrupted {} min ago and is paused: update --continue or rollback",
                roll.by,
                age / 60_000
            ));
            self.put(Change::Roll(Some(Arc::new(roll))));
        } else {
            self.log(format!(
                "the update by {} goes on at step {}",
                roll.by,
                roll.stage.word()
            ));
            let who = Who {
                name: roll.by.clone(),
                from: "resumed".to_owned(),
            };
            self.roll_task(None, who, Driver::resumed(), &roll);
        }
    }

    /// A roll whose end could not be written is not over.
    pub(in crate::core) fn roll_again(&mut self) {
        let Some(roll) = self.durable.roll().filter(|roll| !roll.paused) else {
            return;
        };
        if !self
            .tasks
            .iter()
            .any(|task| matches!(task.work, Work::Roll(_)))
        {
            let who = Who {
                name: roll.by.clone(),
                from: "resumed".to_owned(),
            };
            self.roll_task(None, who, Driver::resumed(), &roll);
        }
    }

    fn roll_task(&mut self, call: Option<CallId>, who: Who, driver: Driver, roll: &Roll) -> u64 {
        let mut holds: BTreeSet<String> = roll.nodes.iter().map(|n| n.node.clone()).collect();
        holds.insert(ONE_ROLL.to_owned());
        let word = if roll.rollback { "rollback" } else { "update" };
        self.add_task(call, who, word, holds, Work::Roll(driver))
    }

    /// `update --continue`: an update that is paused goes on.
    pub(in crate::core) fn continue_roll(&mut self, call: CallId, who: Who) -> Result<u64, String> {
        let Some(roll) = self.durable.roll().filter(|roll| roll.paused) else {
            return Err("no update is paused".to_owned());
        };
        self.record_roll(|roll| roll.paused = false);
        Ok(self.roll_task(Some(call), who, Driver::resumed(), &roll))
    }

    /// `update --cancel`: what is switched goes back, and nothing more is switched.
    pub(in crate::core) fn cancel_roll(
        &mut self,
        call: CallId,
        who: Who,
    ) -> Result<Option<u64>, String> {
        let Some(roll) = self.durable.roll() else {
            return Err("no update is under way".to_owned());
        };
        let why = format!("cancelled by {}", who.name);
        self.record_roll(|roll| {
            roll.paused = false;
            roll.failure.get_or_insert(why);
            if roll.stage == Stage::Roll {
                roll.stage = Stage::Back;
            }
        });
        Ok(roll
            .paused
            .then(|| self.roll_task(Some(call), who, Driver::resumed(), &roll)))
    }

    /// `rollback` while an update is paused: its switched nodes go back. None: none is paused.
    pub(in crate::core) fn roll_paused_back(&mut self, call: CallId, who: &Who) -> Option<u64> {
        self.durable.roll().filter(|roll| roll.paused)?;
        self.cancel_roll(call, who.clone()).ok().flatten()
    }
}

//! What is said of a roll that is over, and what is done with the releases that nobody needs then.

use std::collections::BTreeSet;

use serde_json::json;
use welkin_fleet_model::wire::agent::Ask;
use welkin_fleet_model::wire::client::{Outcome, Status};

use super::{Driver, Phase, Roll, Stage};
use crate::core::tables::{row, short};
use crate::core::tasks::{Asker, trouble};
use crate::core::{Change, Effect, Fleet};

/// The record has been taken away.
pub(super) fn gone() -> Outcome {
    Outcome {
        status: Status::Failed,
        errors: vec![trouble("", "failed", "the update is no longer there")],
        ..Outcome::default()
    }
}

impl Driver {
    pub(super) fn finish(&mut self, fleet: &mut Fleet) -> Outcome {
        let Some(roll) = fleet.durable.roll() else {
            return gone();
        };
        fleet.put(Change::Roll(None));
        let mut outcome = outcome(&roll);
        for (node, why) in &self.skipped {
            outcome.rows.push(row([
                ("step", json!("roll")),
                ("node", json!(node)),
                ("result", json!(why)),
            ]));
        }
        let seconds = fleet.now.unix_ms.saturating_sub(roll.started_unix_ms) / 1000;
        let word = if roll.rollback { "rollback" } else { "update" };
        match (&roll.failure, outcome.status) {
            (None, _) => {
                let count = roll.nodes.len();
                let to = roll
                    .nodes
                    .first()
                    .and_then(|node| node.to.as_deref())
                    .map_or("-".to_owned(), short);
                outcome
                    .tail
                    .push(format!("{word} done: {count} nodes to {to} in {seconds} s"));
                fleet.prune_releases();
            }
            (Some(why), Status::RolledBack) => {
                outcome.head.push(format!("rolled back: {why}"));
                fleet.webhook("update-rolled-back", "", why.clone());
            }
            (Some(why), _) => outcome.head.push(format!("{word} failed: {why}")),
        }
        outcome
    }
}

fn outcome(roll: &Roll) -> Outcome {
    let mut outcome = Outcome {
        columns: ["step", "node", "result"].map(str::to_owned).to_vec(),
        ..Outcome::default()
    };
    for node in &roll.nodes {
        let done = if roll.rollback {
            "rolled back"
        } else {
            "updated"
        };
        let result = match node.phase {
            Phase::Done => done.to_owned(),
            Phase::Failed => format!("failed: {}", node.reason),
            Phase::Returned if node.reason.is_empty() => "rolled back".to_owned(),
            Phase::Returned => format!("failed, rolled back: {}", node.reason),
            Phase::Stuck => format!("rollback failed: {}", node.reason),
            Phase::Waiting => "not touched".to_owned(),
            Phase::Switching | Phase::Watching | Phase::Returning => "left under way".to_owned(),
        };
        if matches!(node.phase, Phase::Failed | Phase::Stuck) || !node.reason.is_empty() {
            outcome
                .errors
                .push(trouble(&node.node, "failed", &node.reason));
        }
        outcome.rows.push(row([
            ("step", json!(roll.stage.word())),
            ("node", json!(node.node)),
            ("result", json!(result)),
            ("release", json!(node.to)),
            ("before", json!(node.from)),
        ]));
    }
    if let Some(why) = &roll.failure {
        outcome.status = if roll.stage == Stage::Back {
            Status::RolledBack
        } else {
            Status::Failed
        };
        if outcome.errors.is_empty() {
            outcome.errors.push(trouble("", "failed", why));
        }
    }
    outcome
}

impl Fleet {
    /// Digests that some node runs, or would go back to.
    pub fn releases_in_use(&self) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        for name in self.nodes.keys() {
            let Some(wanted) = self.durable.wanted_ref(name) else {
                continue;
            };
            used.extend(wanted.release.clone());
            used.extend(
                wanted
                    .before
                    .iter()
                    .filter_map(|before| before.release.clone()),
            );
        }
        if let Some(roll) = self.durable.roll() {
            used.extend(roll.nodes.iter().filter_map(|node| node.to.clone()));
            used.extend(roll.nodes.iter().filter_map(|node| node.from.clone()));
        }
        used
    }

    /// Leaves `update.keep` releases, and those in use, here and on the machines.
    fn prune_releases(&mut self) {
        let keep = usize::try_from(self.plan.fleet.update.keep).unwrap_or(usize::MAX);
        let mut newest: Vec<_> = self.releases.values().collect();
        newest.sort_by_key(|release| std::cmp::Reverse(release.uploaded_unix_ms));
        let mut kept: BTreeSet<String> =
            newest.iter().take(keep).map(|r| r.digest.clone()).collect();
        kept.extend(self.releases_in_use());
        if self.releases.keys().all(|digest| kept.contains(digest)) {
            return;
        }
        let digests: Vec<String> = kept.iter().cloned().collect();
        let machines: Vec<String> = self.machines.keys().cloned().collect();
        for machine in machines {
            let asker = Asker {
                task: 0,
                what: "prune".to_owned(),
            };
            self.ask(
                &machine,
                asker,
                Ask::Prune {
                    keep: digests.clone(),
                },
                None,
            );
        }
        self.releases.retain(|digest, _| kept.contains(digest));
        self.effect(Effect::Prune { keep: kept });
    }
}

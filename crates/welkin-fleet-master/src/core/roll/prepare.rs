//! The steps that change nothing: every machine gets the release, and checks its nodes with it.

use std::collections::BTreeMap;

use welkin_fleet_model::entry::NodeEntry;
use welkin_fleet_model::wire::agent::Ask;

use super::{Answer, Asked, Driver, Roll, Stage};
use crate::core::tasks::Asker;
use crate::core::{CallId, Fleet};

/// Machines that take a release at the same time.
const AT_ONCE: usize = 8;
/// A machine that was asked so often in vain has failed.
const TRIES: u32 = 3;
/// How long a machine may be away in these steps.
const AWAY_MS: u64 = 60_000;

/// Machines with the digests that their nodes need.
type Needs = BTreeMap<(String, Option<String>), Vec<NodeEntry>>;

impl Driver {
    /// `true`: the roll is over.
    pub(super) fn fetch(
        &mut self,
        fleet: &mut Fleet,
        task: u64,
        call: Option<CallId>,
        roll: &Roll,
    ) -> bool {
        if roll.failure.is_some() {
            return true;
        }
        let mut needs = needs(fleet, roll);
        needs.retain(|(machine, digest), _| {
            let there = fleet.machines.get(machine).zip(digest.as_ref());
            digest.is_some()
                && there.is_none_or(|(machine, digest)| !machine.releases.contains(digest))
        });
        self.run(fleet, task, call, Stage::Fetch, needs, Stage::Check)
    }

    /// `true`: the roll is over.
    pub(super) fn check(
        &mut self,
        fleet: &mut Fleet,
        task: u64,
        call: Option<CallId>,
        roll: &Roll,
    ) -> bool {
        if roll.failure.is_some() {
            return true;
        }
        let needs = needs(fleet, roll);
        self.run(fleet, task, call, Stage::Check, needs, Stage::Roll)
    }

    fn run(
        &mut self,
        fleet: &mut Fleet,
        task: u64,
        call: Option<CallId>,
        stage: Stage,
        needs: Needs,
        next: Stage,
    ) -> bool {
        let mut open = false;
        for ((machine, digest), nodes) in needs {
            let need = Need {
                machine,
                digest,
                nodes,
                stage,
            };
            match self.look_at(fleet, task, call, need) {
                Ok(done) => open |= !done,
                Err(failure) => {
                    fleet.record_roll(|roll| roll.failure = Some(failure));
                    return true;
                }
            }
        }
        if !open {
            fleet.record_roll(|roll| roll.stage = next);
        }
        false
    }

    /// Asks a machine if it is its turn. `true`: it has done what it was asked; `Err`: it will not.
    fn look_at(
        &mut self,
        fleet: &mut Fleet,
        task: u64,
        call: Option<CallId>,
        need: Need,
    ) -> Result<bool, String> {
        let waiting = |asked: &&Asked| asked.state == Answer::Waiting;
        let at_work = self.asked.values().filter(waiting).count();
        let (now, word) = (fleet.now.mono_ms, need.stage.word());
        let machine = &need.machine;
        let key = (machine.clone(), need.stage, need.digest.clone());
        let asked = self.asked.entry(key).or_default();
        if asked.since_ms == 0 {
            asked.since_ms = now;
        }
        match &asked.state {
            Answer::Yes => {
                let known = fleet.machines.get_mut(machine).zip(need.digest);
                if let Some((known, digest)) = known.filter(|_| need.stage == Stage::Fetch) {
                    known.releases.insert(digest);
                }
                return Ok(true);
            }
            Answer::No(why) if asked.tries >= TRIES => {
                return Err(format!("{word}: {machine}: {why}"));
            }
            Answer::Waiting => return Ok(false),
            Answer::No(_) | Answer::Idle => {}
        }
        if fleet.session(machine).is_none() {
            // A master that has just begun has heard of nobody yet.
            let hopeful = fleet.is_reachable(machine) || !fleet.is_late(fleet.began_ms, AWAY_MS);
            let patience = if hopeful { AWAY_MS } else { 0 };
            return match fleet.is_late(asked.since_ms, patience) {
                true => Err(format!("{word}: {machine}: unreachable")),
                false => Ok(false),
            };
        }
        if at_work >= AT_ONCE {
            return Ok(false);
        }
        let digest = need.digest.clone().unwrap_or_default();
        let ask = ask(fleet, need.stage, need.digest.as_ref(), need.nodes)
            .ok_or_else(|| format!("release {digest} is no longer on the master"))?;
        asked.state = Answer::Waiting;
        asked.tries = asked.tries.saturating_add(1);
        asked.since_ms = now;
        let what = format!("{word} {}", need.digest.as_deref().unwrap_or("-"));
        fleet.progress(call, format!("{word}: {machine}"));
        fleet.ask(machine, Asker { task, what }, ask, None);
        Ok(false)
    }
}

/// What one machine is to do.
struct Need {
    machine: String,
    digest: Option<String>,
    nodes: Vec<NodeEntry>,
    stage: Stage,
}

fn ask(fleet: &Fleet, stage: Stage, digest: Option<&String>, nodes: Vec<NodeEntry>) -> Option<Ask> {
    if stage == Stage::Check {
        return Some(Ask::Check {
            digest: digest.cloned(),
            nodes,
        });
    }
    fleet.fetch(digest?)
}

impl Fleet {
    /// What tells an agent to take a release; none: it is not here.
    pub(in crate::core) fn fetch(&self, digest: &str) -> Option<Ask> {
        let release = self.releases.get(digest)?;
        Some(Ask::Fetch {
            digest: release.digest.clone(),
            archive: release.archive,
            unpacked: release.unpacked,
            signature: release.signature.clone(),
        })
    }
}

fn needs(fleet: &Fleet, roll: &Roll) -> Needs {
    let mut needs = Needs::new();
    for node in &roll.nodes {
        if let Some(known) = fleet.nodes.get(&node.node) {
            let key = (known.entry.machine.clone(), node.to.clone());
            needs.entry(key).or_default().push((*known.entry).clone());
        }
    }
    needs
}

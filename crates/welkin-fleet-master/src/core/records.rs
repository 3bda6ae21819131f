//! What the master must know again after a restart: the records that are on disk before anything that
//! follows from them is told to anybody.
//!
//! All of them change only through [`Durable`], which remembers what was there before. A write that
//! fails is taken back as a whole, so that the core never acts on what the disk does not hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use welkin_fleet_model::entry::NodeEntry;
use welkin_fleet_model::state::{NodeReport, State};

use super::roll::Roll;

/// What is wanted of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Running or not.
    pub running: bool,
    /// Grows with each start that is asked for; see `Order::life`.
    pub life: u64,
    /// No new players.
    pub drain: bool,
    /// Full digest of its release; none: a plain folder.
    pub release: Option<String>,
    /// What it ran before; none: it never ran anything else.
    pub before: Option<Before>,
    /// Asked for while its agent was away: if it does not run when the agent is back, it gets a new life.
    pub revive: bool,
    /// The machine that was last told to run it and has not said yet that it does not.
    pub holder: Option<String>,
}

/// The release before the present one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Full digest; none: a plain folder.
    pub release: Option<String>,
}

/// What is remembered of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineRecord {
    /// Version of the last orders.
    pub version: u64,
    /// Addresses its agent told.
    pub addresses: Vec<String>,
    /// Version of the agent's program.
    pub agent: String,
    /// When it was last heard of, Unix milliseconds, as of the last connection.
    pub seen_unix_ms: u64,
    /// What `update.sh` last said it made of the folder.
    pub revision: Option<String>,
    /// Nodes that its newer orders named and our file does not: run on until the next `apply`.
    pub foreign: Vec<NodeEntry>,
}

/// One step in a node's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Unix milliseconds of the master's clock.
    pub unix_ms: u64,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why.
    pub reason: String,
}

/// A change that was asked for, for the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Unix milliseconds.
    pub unix_ms: u64,
    /// Certificate name or local user.
    pub who: String,
    /// Address, or `local`.
    pub from: String,
    /// The command's word.
    pub command: String,
    /// Nodes, machines or names, joined by blanks.
    pub target: String,
    /// `accepted`, `done`, `refused: ...`, `failed: ...`.
    pub result: String,
}

/// One record to write. Those of one batch are written together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// What is wanted of a node; none: the node is gone.
    Wanted(String, Option<Wanted>),
    /// A machine.
    Machine(String, MachineRecord),
    /// The update under way; none: there is none any more.
    Roll(Option<Arc<Roll>>),
    /// Where the nodes of a bare cluster file were found to be.
    Placed(BTreeMap<String, String>),
    /// The last that was heard of a node.
    Last(NodeReport),
    /// A line of a node's history.
    Step(String, Step),
    /// A line of the audit log.
    Audit(Asked),
    /// A fleet file that was applied.
    File(Box<FileText>),
    /// The nodes of a fleet of the note's kind.
    Classic(Box<Classic>),
}

/// What the master's own node says of its cluster config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Classic {
    /// The master's own node.
    pub master: String,
    /// `name` to `ip:port`.
    pub nodes: BTreeMap<String, String>,
}

/// A fleet file as it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileText {
    /// Of `fleet.toml`.
    pub text: String,
    /// Of the cluster config that it names.
    pub cluster: Option<String>,
    /// Who applied it.
    pub by: String,
    /// When.
    pub unix_ms: u64,
}

impl Change {
    /// Whether others wait for it to be on disk. What is not urgent is written with the next that is, or
    /// each second.
    pub fn is_urgent(&self) -> bool {
        !matches!(self, Change::Last(_) | Change::Step(..))
    }
}

/// All records as they were when the master was started.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// By node.
    pub wanted: BTreeMap<String, Wanted>,
    /// By name.
    pub machines: BTreeMap<String, MachineRecord>,
    /// The update that was under way.
    pub roll: Option<Arc<Roll>>,
    /// See [`Change::Placed`].
    pub placed: BTreeMap<String, String>,
    /// By node.
    pub last: BTreeMap<String, NodeReport>,
}

/// The records in memory, with what the changes of the present batch replaced.
#[derive(Debug, Default)]
pub struct Durable {
    wanted: BTreeMap<String, Wanted>,
    machines: BTreeMap<String, MachineRecord>,
    roll: Option<Arc<Roll>>,
    placed: BTreeMap<String, String>,
    undo: Vec<Change>,
    changes: Vec<Change>,
}

impl Durable {
    /// Begins with what the store held.
    pub fn new(loaded: Loaded) -> Self {
        Self {
            wanted: loaded.wanted,
            machines: loaded.machines,
            roll: loaded.roll,
            placed: loaded.placed,
            undo: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What is wanted of `node`.
    pub fn wanted(&self, node: &str) -> Wanted {
        self.wanted.get(node).cloned().unwrap_or_default()
    }

    /// The same without a copy; none: nothing was ever asked for it.
    pub fn wanted_ref(&self, node: &str) -> Option<&Wanted> {
        self.wanted.get(node)
    }

    /// Names of nodes for which something was asked.
    pub fn wanted_names(&self) -> Vec<String> {
        self.wanted.keys().cloned().collect()
    }

    /// Names of the nodes that `machine` was last told to run.
    pub fn held_by(&self, machine: &str) -> Vec<String> {
        let held = self
            .wanted
            .iter()
            .filter(|(_, w)| w.holder.as_deref() == Some(machine));
        held.map(|(name, _)| name.clone()).collect()
    }

    /// The machine's record.
    pub fn machine(&self, machine: &str) -> MachineRecord {
        self.machines.get(machine).cloned().unwrap_or_default()
    }

    /// All machines that were ever heard of.
    pub fn machines(&self) -> &BTreeMap<String, MachineRecord> {
        &self.machines
    }

    /// The update under way.
    pub fn roll(&self) -> Option<Arc<Roll>> {
        self.roll.clone()
    }

    /// Where nodes given by ip were found.
    pub fn placed(&self) -> &BTreeMap<String, String> {
        &self.placed
    }

    /// Replaces a record, if it is another. `true`: it was.
    pub fn put(&mut self, change: Change) -> bool {
        let before = match &change {
            Change::Wanted(node, new) => {
                let old = self.wanted.get(node).cloned();
                (old != *new).then(|| Change::Wanted(node.clone(), old))
            }
            Change::Machine(name, new) => {
                let old = self.machines.get(name).cloned();
                (old.as_ref() != Some(new))
                    .then(|| Change::Machine(name.clone(), old.unwrap_or_default()))
            }
            Change::Roll(new) => {
                let old = self.roll.clone();
                (old != *new).then_some(Change::Roll(old))
            }
            Change::Placed(new) => {
                (self.placed != *new).then(|| Change::Placed(self.placed.clone()))
            }
            Change::Last(_)
            | Change::Step(..)
            | Change::Audit(_)
            | Change::File(_)
            | Change::Classic(_) => {
                self.changes.push(change);
                return true;
            }
        };
        let Some(before) = before else { return false };
        self.undo.push(before);
        self.set(change.clone());
        self.changes.push(change);
        true
    }

    fn set(&mut self, change: Change) {
        match change {
            Change::Wanted(node, Some(wanted)) => {
                self.wanted.insert(node, wanted);
            }
            Change::Wanted(node, None) => {
                self.wanted.remove(&node);
            }
            Change::Machine(name, record) => {
                self.machines.insert(name, record);
            }
            Change::Roll(roll) => self.roll = roll,
            Change::Placed(placed) => self.placed = placed,
            Change::Last(_)
            | Change::Step(..)
            | Change::Audit(_)
            | Change::File(_)
            | Change::Classic(_) => {}
        }
    }

    /// Takes the changes to write. They count as written until [`Durable::take_back`].
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The changes taken last are on disk.
    pub fn settle(&mut self) {
        self.undo.clear();
    }

    /// The changes taken last could not be written: all is as before them.
    pub fn take_back(&mut self) {
        for change in std::mem::take(&mut self.undo).into_iter().rev() {
            self.set(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_records_as_they_were() {
        let mut durable = Durable::default();
        let one = Wanted {
            life: 1,
            ..Wanted::default()
        };
        assert!(durable.put(Change::Wanted("a".into(), Some(one.clone()))));
        assert!(
            !durable.put(Change::Wanted("a".into(), Some(one.clone()))),
            "nothing new"
        );
        assert_eq!(durable.take_changes().len(), 1);
        durable.settle();
        let two = Wanted {
            life: 2,
            ..one.clone()
        };
        durable.put(Change::Wanted("a".into(), Some(two.clone())));
        durable.put(Change::Wanted("a".into(), None));
        durable.put(Change::Wanted("b".into(), Some(two)));
        durable.take_changes();
        durable.take_back();
        assert_eq!(durable.wanted("a"), one);
        assert!(durable.wanted_ref("b").is_none());
    }
}

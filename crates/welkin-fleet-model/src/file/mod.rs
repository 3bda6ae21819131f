//! The fleet file (`fleet.toml`): what the operator wants, checked whole and merged.
//!
//! A node's entry is built from four layers, each over the one before: what Welkin takes for granted,
//! `[defaults]`, the node's group, the node itself. Tables (`stop`, `env`, ...) are merged key by key.
//! With `[fleet] cluster` each line of the cluster config is a node too; the master's own node, which
//! has no entry, is left to the one that started it.
//!
//! All that is wrong is told at once, each with its line; a file with any fault gives no fleet at all.

mod check;
mod difference;
mod entry;
mod order;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::entry::NodeEntry;
use crate::wire::agent::Keep;

pub use difference::{Change, difference};

/// A fleet file that was found right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// `[fleet] name`.
    pub name: String,
    /// Path of the cluster config, as written.
    pub cluster: Option<String>,
    /// Told of failed nodes and rolled-back updates.
    pub webhook: Option<String>,
    /// Addresses of the machines that the file names, empty where it gives none.
    pub machines: BTreeMap<String, String>,
    /// Groups that the file or a node names, each with the groups that are started before it.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The nodes, by name.
    pub nodes: BTreeMap<String, NodeEntry>,
    /// How updates go.
    pub update: Update,
    /// Percent of a disk above which an agent cleans up.
    pub clean_above: u32,
}

/// `[update]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Groups in the order of the roll; those not named come after, in start order.
    pub order: Vec<String>,
    /// Nodes of a group that are switched together.
    pub at_once: u32,
    /// How long a switched node must stay ready.
    pub watch_ms: u64,
    /// Lua errors a minute above which a switched node counts as failed; none: not looked at.
    pub max_errors: Option<f64>,
    /// Releases that stay.
    pub keep: u32,
    /// Most bytes of an unpacked release.
    pub max_size: u64,
    /// minisign public keys, one of which must have signed a release; empty: none needed.
    pub trusted_keys: Vec<String>,
    /// An update found unfinished by a new master is gone on with when it is younger than this.
    pub resume_ms: u64,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            order: Vec::new(),
            at_once: 1,
            watch_ms: 15_000,
            max_errors: None,
            keep: 5,
            max_size: 4 << 30,
            trusted_keys: Vec::new(),
            resume_ms: 600_000,
        }
    }
}

impl Fleet {
    /// Reads the text of a fleet file, and of the cluster config that it names.
    pub fn parse(file: &str, cluster: Option<&str>) -> Result<Fleet, Faults> {
        read::fleet(file, cluster)
    }

    /// The path after `[fleet] cluster`, for who reads the files; `None` also when the file is wrong.
    pub fn cluster_path(file: &str) -> Option<String> {
        read::cluster_path(file)
    }

    /// All groups in start order: those that a group names in `after` come before it, else by name.
    pub fn start_order(&self) -> Vec<String> {
        order::start_order(&self.groups).unwrap_or_else(|_| self.groups.keys().cloned().collect())
    }

    /// All groups in the order of an update's roll: `update.order` first, then the others as they start.
    pub fn update_order(&self) -> Vec<String> {
        let mut order = self.update.order.clone();
        let rest = self.start_order();
        order.extend(
            rest.into_iter()
                .filter(|group| !self.update.order.contains(group)),
        );
        order
    }

    /// What each agent keeps on disk.
    pub fn keep(&self) -> Keep {
        Keep {
            releases: self.update.keep,
            clean_above: self.clean_above,
            release_max: self.update.max_size,
            trusted_keys: self.update.trusted_keys.clone(),
        }
    }

    /// The nodes that name a secret.
    pub fn users_of<'a>(&'a self, secret: &'a str) -> impl Iterator<Item = &'a NodeEntry> {
        let names = move |node: &&NodeEntry| node.secrets.iter().any(|name| name == secret);
        self.nodes.values().filter(names)
    }
}

/// One thing that is wrong in a fleet file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Counted from 1; 0: the file as a whole.
    pub line: usize,
    /// What, and what would be right.
    pub text: String,
}

/// All that is wrong in a fleet file, by line. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            match fault.line {
                0 => write!(f, "{end}{}", fault.text)?,
                line => write!(f, "{end}line {line}: {}", fault.text)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Whether a name may be that of a node, machine, group, secret or release: it becomes a file name, a
/// word of a selection and a label of a metric.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits) && !name.starts_with(['.', '-'])
}

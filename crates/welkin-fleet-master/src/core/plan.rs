//! The fleet file as the core uses it: entries that can be shared, and which group waits for which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use welkin_fleet_model::entry::NodeEntry;
use welkin_fleet_model::file::{Faults, Fleet};

use super::records::{Classic, FileText};

/// A fleet file that was found right, with the nodes of a cluster config that it does not name.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What it was read from.
    pub file: FileText,
    /// See [`Classic`].
    pub classic: Classic,
    /// All of it.
    pub fleet: Fleet,
    /// Its nodes. One without a machine is where its address is.
    pub nodes: BTreeMap<String, Arc<NodeEntry>>,
    /// The node that the master belongs to, if it stands in the cluster config: never started nor
    /// stopped from here.
    pub own: Option<String>,
    before: BTreeMap<String, BTreeSet<String>>,
}

impl Plan {
    /// Reads the file; without text there is none, and the fleet has the nodes of `classic` alone.
    pub fn read(file: FileText, classic: Classic) -> Result<Self, Faults> {
        let fleet = match file.text.is_empty() {
            true => Fleet {
                name: "fleet".to_owned(),
                clean_above: 90,
                ..Fleet::default()
            },
            false => Fleet::parse(&file.text, file.cluster.as_deref())?,
        };
        let mut plan = Self::new(fleet);
        for (name, address) in &classic.nodes {
            let scripted = || NodeEntry {
                name: name.clone(),
                address: Some(address.clone()),
                scripted: true,
                ..NodeEntry::default()
            };
            plan.nodes
                .entry(name.clone())
                .or_insert_with(|| Arc::new(scripted()));
        }
        plan.own = (!classic.master.is_empty()).then(|| classic.master.clone());
        plan.file = file;
        plan.classic = classic;
        Ok(plan)
    }

    fn new(fleet: Fleet) -> Self {
        let shared = |(name, entry): (&String, &NodeEntry)| (name.clone(), Arc::new(entry.clone()));
        Self {
            nodes: fleet.nodes.iter().map(shared).collect(),
            before: before(&fleet.groups),
            fleet,
            ..Self::default()
        }
    }

    /// All groups that are started before `group`, however far.
    pub fn before(&self, group: &str) -> impl Iterator<Item = &String> {
        self.before.get(group).into_iter().flatten()
    }

    /// The nodes `names` in the order of an update, in runs of one group; those without one come last.
    pub fn roll_order(&self, names: &BTreeSet<String>) -> Vec<Vec<String>> {
        let mut groups: Vec<Option<String>> =
            self.fleet.update_order().into_iter().map(Some).collect();
        groups.push(None);
        let mut runs: Vec<Vec<String>> = Vec::new();
        for group in groups {
            let of = names.iter().filter(|name| {
                self.nodes
                    .get(*name)
                    .is_some_and(|entry| entry.group == group)
            });
            runs.push(of.cloned().collect());
        }
        runs.retain(|run| !run.is_empty());
        runs
    }
}

/// For each group all that come before it. A group that waits for itself, which a checked file has
/// not, waits for none.
fn before(after: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for (group, direct) in after {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = direct.iter().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next.clone()) {
                open.extend(after.get(next).into_iter().flatten());
            }
        }
        if seen.contains(group) {
            seen.clear();
        }
        all.insert(group.clone(), seen);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(after: &[(&str, &[&str])], nodes: &[(&str, Option<&str>)]) -> Plan {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let mut fleet = Fleet::default();
        fleet.groups.extend(
            after
                .iter()
                .map(|(group, list)| ((*group).to_owned(), words(list))),
        );
        for (name, group) in nodes {
            let entry = NodeEntry {
                name: (*name).to_owned(),
                group: group.map(str::to_owned),
                ..NodeEntry::default()
            };
            fleet.nodes.insert(entry.name.clone(), entry);
        }
        Plan::new(fleet)
    }

    #[test]
    fn a_group_comes_after_all_it_waits_for() {
        let groups: [(&str, &[&str]); 3] =
            [("gate", &["scene"]), ("scene", &["login"]), ("login", &[])];
        let plan = plan(&groups, &[]);
        let before: Vec<_> = plan.before("gate").collect();
        assert_eq!(before, ["login", "scene"]);
        assert_eq!(plan.before("other").count(), 0);
    }

    #[test]
    fn an_update_goes_by_its_own_order_first_and_ends_with_nodes_of_no_group() {
        let groups: [(&str, &[&str]); 2] = [("scene", &["login"]), ("login", &[])];
        let nodes = [("a", None), ("s", Some("scene")), ("l", Some("login"))];
        let mut plan = plan(&groups, &nodes);
        plan.fleet.update.order = vec!["scene".into()];
        let all = ["a", "s", "l"].map(str::to_owned).into();
        assert_eq!(plan.roll_order(&all).concat(), ["s", "l", "a"]);
    }
}

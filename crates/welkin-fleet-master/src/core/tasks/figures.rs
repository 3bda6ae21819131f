//! The figures commands: agents tell figures each 2 s, so asking is waiting for the next of each machine.
//! A node of which none came within 2 s is unreachable; the rest is shown.

use std::collections::{BTreeMap, BTreeSet};

use welkin_fleet_model::wire::client::{Figures, Status};

use super::{Poll, trouble};
use crate::core::Fleet;
use crate::core::tables::figures;

/// How long to wait, and how old figures may be to count as of now.
const WAIT_MS: u64 = 2_000;

/// See the file.
pub(in crate::core) struct FiguresTask {
    /// None: players.
    pub kind: Option<Figures>,
    pub nodes: Vec<String>,
}

impl FiguresTask {
    pub(super) fn poll(&mut self, fleet: &Fleet, began_ms: u64) -> Poll {
        let mut machines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in &self.nodes {
            if let Some(node) = fleet.nodes.get(name) {
                machines
                    .entry(node.entry.machine.clone())
                    .or_default()
                    .push(name.clone());
            }
        }
        let fresh = |machine: &String| {
            let figures = fleet.machines.get(machine).and_then(|m| m.figures.as_ref());
            figures.is_some_and(|(at, _)| *at + WAIT_MS >= began_ms)
        };
        let open = |machine: &&String| fleet.session(machine).is_some() && !fresh(machine);
        if !fleet.is_late(began_ms, WAIT_MS) && machines.keys().any(|machine| open(&machine)) {
            return Poll::Pending;
        }
        let known: BTreeSet<String> = machines
            .keys()
            .filter(|m| fleet.session(m).is_some() && fresh(m))
            .cloned()
            .collect();
        let mut outcome = figures::table(fleet, self.kind, &machines, &known);
        for (machine, nodes) in &machines {
            for node in nodes.iter().filter(|_| !known.contains(machine)) {
                outcome.status = Status::Failed;
                outcome
                    .errors
                    .push(trouble(node, "unreachable", "unreachable"));
            }
        }
        Poll::Done(outcome)
    }
}

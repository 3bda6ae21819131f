//! Groups wait for each other: a node that does not run is ordered to start when the groups before its
//! own are ready or failed; one that runs is ordered to stop when those that need it have ended.
//!
//! Only nodes that can still get there are waited for: not those of an agent that is away, nor those
//! that are held for another machine. So no gate stays closed for ever.

use std::collections::BTreeSet;

use welkin_fleet_model::state::State;

use super::{Fleet, Node, Wanted};

/// Which groups must wait at this moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gates {
    /// Groups that have nodes still to become ready.
    starting: BTreeSet<String>,
    /// Groups whose nodes must not be stopped yet.
    needed: BTreeSet<String>,
}

impl Gates {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let mut gates = Gates::default();
        if fleet.plan.fleet.groups.values().all(Vec::is_empty) {
            return gates;
        }
        for (name, node) in &fleet.nodes {
            let (Some(group), Some(wanted)) = (&node.entry.group, fleet.durable.wanted_ref(name))
            else {
                continue;
            };
            if fleet.state(node) == State::Unknown {
                continue;
            }
            if is_coming(node, wanted) {
                gates.starting.insert(group.clone());
            } else if !wanted.running && is_there(node.report.state) {
                gates.needed.extend(fleet.plan.before(group).cloned());
            }
        }
        gates
    }

    /// Whether the node's orders must stay as they are for now.
    pub(super) fn hold(&self, fleet: &Fleet, node: &Node, wanted: &Wanted) -> bool {
        let Some(group) = &node.entry.group else {
            return false;
        };
        let there = is_there(node.report.state);
        if wanted.running && !there && wanted.life > node.report.life {
            return fleet
                .plan
                .before(group)
                .any(|before| self.starting.contains(before));
        }
        !wanted.running && there && self.needed.contains(group)
    }
}

fn is_there(state: State) -> bool {
    state.is_running() || state == State::BackingOff
}

/// It is wanted running, and whether it will be ready is not known yet.
fn is_coming(node: &Node, wanted: &Wanted) -> bool {
    let here = wanted
        .holder
        .as_ref()
        .is_none_or(|holder| *holder == node.entry.machine);
    let unsettled = matches!(
        node.report.state,
        State::Starting | State::BackingOff | State::Stopping
    );
    wanted.running && here && (wanted.life > node.report.life || unsettled)
}

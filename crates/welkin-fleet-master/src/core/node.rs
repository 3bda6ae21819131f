//! What is known of nodes and machines: the last reports, the last figures, and how old they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use welkin_fleet_model::entry::NodeEntry;
use welkin_fleet_model::figures::{MachineFigures, NodeFigures};
use welkin_fleet_model::state::{NodeReport, State};
use welkin_fleet_model::wire::agent::{Orders, Script};

use super::{Fleet, SILENCE_MS, Session};

/// One node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// As the file has it, with its machine.
    pub entry: Arc<NodeEntry>,
    /// The last that was heard.
    pub report: NodeReport,
    /// Something was heard at all.
    pub heard: bool,
    /// The last figures, with their time (monotonic).
    pub figures: Option<(u64, NodeFigures)>,
    /// What the node's program set by `set_online`.
    pub players: Option<u64>,
    /// Version of the orders that last changed anything for it.
    pub ordered: u64,
    /// It stands in its agent's newer orders and not in our file.
    pub foreign: bool,
}

/// One machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The connection of its agent.
    pub session: Option<Session>,
    /// When its agent was last heard (monotonic); none: not since the master began.
    pub heard_ms: Option<u64>,
    /// Its silence has been noticed.
    pub lost: bool,
    /// Where it connects from.
    pub from: String,
    /// Its figures, with their time (monotonic).
    pub figures: Option<(u64, MachineFigures)>,
    /// Its clock minus ours.
    pub clock_offset_ms: i64,
    /// Full digests of the releases that lie there.
    pub releases: BTreeSet<String>,
    /// Those that it was asked to take since it connected, by how often.
    pub coming: BTreeMap<String, u32>,
    /// The scripts that lie there.
    pub scripts: Vec<Script>,
    /// Full digest of the release whose binary its agent is.
    pub program: Option<String>,
    /// The orders that its agent has from this connection, or had when it came.
    pub sent: Option<Arc<Orders>>,
    /// `sent` as of the last batch that was written.
    pub confirmed: Option<Arc<Orders>>,
    /// What its newer orders had that ours had not.
    pub differences: Vec<String>,
    /// What was asked of it and not answered: the asking task.
    pub asks: BTreeMap<u64, super::tasks::Asker>,
    /// Connections since the master began.
    pub connections: u64,
}

/// A node as it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// `Unknown` when its agent is away.
    pub state: State,
    /// The last state that was heard.
    pub last: State,
    /// Since when, Unix milliseconds.
    pub since_unix_ms: Option<u64>,
    /// How old what is known is; none: it is present.
    pub age_ms: Option<u64>,
    /// For people.
    pub reason: String,
}

impl Fleet {
    /// The node's agent is connected or was heard of a moment ago.
    pub(super) fn is_reachable(&self, machine: &str) -> bool {
        let heard = self.machines.get(machine).and_then(|m| m.heard_ms);
        heard.is_some_and(|ms| self.now.mono_ms.saturating_sub(ms) < SILENCE_MS)
    }

    /// The machines that people are shown: all but those that are gone for good.
    pub(super) fn shown_machines(&self) -> impl Iterator<Item = (&String, &Machine)> {
        self.machines.iter().filter(|(name, _)| !self.is_gone(name))
    }

    /// A fleet file without it was applied since it was last seen, and nothing is left of it. Its record
    /// stays, so that newer orders are told from older ones should it come back.
    fn is_gone(&self, name: &str) -> bool {
        let fleet = &self.plan.fleet;
        let seen = self.durable.machine(name).seen_unix_ms;
        seen < self.plan.file.unix_ms
            && self.session(name).is_none()
            && !fleet.machines.contains_key(name)
            && self.nodes_of(name).is_empty()
            && self.durable.held_by(name).is_empty()
    }

    /// The connection to talk to a machine by.
    pub(super) fn session(&self, machine: &str) -> Option<Session> {
        self.machines.get(machine)?.session
    }

    /// Nobody can tell how the node is; or, for what is done now or never, nobody can be told.
    pub(super) fn is_away(&self, node: &Node, now_or_never: bool) -> bool {
        let own = self.plan.own.as_deref() == Some(&node.entry.name);
        let untold = now_or_never && self.session(&node.entry.machine).is_none();
        !own && (self.state(node) == State::Unknown || untold)
    }

    /// The node's state, `Unknown` when nobody can tell.
    pub(super) fn state(&self, node: &Node) -> State {
        if self.plan.own.as_deref() == Some(&node.entry.name) {
            State::Ready
        } else if self.is_reachable(&node.entry.machine) {
            node.report.state
        } else {
            State::Unknown
        }
    }

    /// The node with what people see of it.
    pub(super) fn shown(&self, node: &Node) -> Shown {
        let state = self.state(node);
        let report = &node.report;
        let mut shown = Shown {
            state,
            last: report.state,
            since_unix_ms: (node.heard && report.since_unix_ms > 0).then_some(report.since_unix_ms),
            age_ms: None,
            reason: report.reason.clone(),
        };
        if state == State::Unknown {
            shown.age_ms = self.age_ms(node);
            shown.reason = self.unknown_reason(node, shown.age_ms);
        } else {
            if let Some(reason) = self.waiting_reason(node) {
                shown.reason = reason;
            }
            let notes = self.unwritten(node).into_iter().chain(report.notes.clone());
            for note in notes {
                if !shown.reason.is_empty() {
                    shown.reason += "; ";
                }
                shown.reason += &note;
            }
        }
        shown
    }

    /// Why the node's agent does not do what is wanted of it, if that is because it cannot write it down.
    pub(super) fn unwritten(&self, node: &Node) -> Option<String> {
        let told = node.report.unwritten.as_ref()?;
        let name = &node.entry.name;
        let sent = self.machines.get(&node.entry.machine)?.sent.as_ref()?;
        let order = sent.nodes.iter().find(|order| order.entry.name == *name)?;
        let wanted = self.durable.wanted(name);
        // What was said of orders before these says nothing of these.
        let is_of_these = told.orders >= sent.version
            && (order.running, order.drain) == (wanted.running, wanted.drain)
            && order.life >= wanted.life;
        is_of_these.then(|| {
            format!(
                "the agent of {} cannot write down what is wanted ({}): make room there, and it is done",
                node.entry.machine, told.why
            )
        })
    }

    /// How long ago the node's agent was heard; none: never.
    fn age_ms(&self, node: &Node) -> Option<u64> {
        let machine = &node.entry.machine;
        if let Some(ms) = self.machines.get(machine).and_then(|m| m.heard_ms) {
            return Some(self.now.mono_ms.saturating_sub(ms));
        }
        let seen = self.durable.machines().get(machine)?.seen_unix_ms;
        Some(self.now.unix_ms.saturating_sub(seen))
    }

    fn unknown_reason(&self, node: &Node, age_ms: Option<u64>) -> String {
        let machine = &node.entry.machine;
        match age_ms {
            _ if machine.is_empty() => match &node.entry.address {
                Some(address) => format!("no agent has the address {address}"),
                None => "no machine is named for it".to_owned(),
            },
            None => format!("no agent of {machine} was ever connected"),
            Some(ms) if node.heard => format!(
                "agent of {machine} not connected for {} s; last state {}",
                ms / 1000,
                node.report.state.word()
            ),
            Some(ms) => format!("agent of {machine} not connected for {} s", ms / 1000),
        }
    }

    /// Why a node that is wanted running is not ordered to.
    fn waiting_reason(&self, node: &Node) -> Option<String> {
        let wanted = self.durable.wanted_ref(&node.entry.name)?;
        if !wanted.running || node.report.state.is_running() {
            return None;
        }
        let holder = wanted.holder.as_ref()?;
        (*holder != node.entry.machine).then(|| {
            format!(
                "waits for the agent of {holder}, where it ran last, to say that it has ended \
                 (start --force does not wait)"
            )
        })
    }

    /// Players: what the node's hook says, else what its program set.
    pub(super) fn players(&self, node: &Node) -> Option<u64> {
        let told = node
            .figures
            .as_ref()
            .and_then(|(_, figures)| figures.online);
        told.or(node.players)
    }

    /// Figures that are not too old to be shown beside a present state.
    pub(super) fn fresh_figures<'a>(&self, node: &'a Node) -> Option<&'a NodeFigures> {
        let (at, figures) = node.figures.as_ref()?;
        (self.now.mono_ms.saturating_sub(*at) < SILENCE_MS).then_some(figures)
    }

    /// Builds the nodes anew from the file, the places and what agents run besides; keeps what is known.
    pub(super) fn rebuild_nodes(&mut self) {
        let mut old = std::mem::take(&mut self.nodes);
        let plan = self.plan.clone();
        for (name, entry) in &plan.nodes {
            let mut entry = entry.clone();
            if entry.machine.is_empty()
                && let Some(machine) = self.durable.placed().get(name)
            {
                Arc::make_mut(&mut entry).machine.clone_from(machine);
            }
            self.keep_node(&mut old, name, entry, false);
        }
        let foreign = self
            .durable
            .machines()
            .values()
            .flat_map(|m| m.foreign.clone());
        for entry in foreign.collect::<Vec<_>>() {
            if !self.nodes.contains_key(&entry.name) {
                self.keep_node(&mut old, &entry.name.clone(), Arc::new(entry), true);
            }
        }
        for name in plan.fleet.machines.keys() {
            self.machines.entry(name.clone()).or_default();
        }
        self.stirred = true;
    }

    fn keep_node(
        &mut self,
        old: &mut BTreeMap<String, Node>,
        name: &str,
        entry: Arc<NodeEntry>,
        foreign: bool,
    ) {
        let mut node = old.remove(name).unwrap_or_default();
        // What another machine said of a node of this name is not what this one does.
        if node.entry.machine != entry.machine {
            node.report = NodeReport::default();
            node.heard = false;
            node.figures = None;
        }
        node.entry = entry;
        node.foreign = foreign;
        node.report.node = name.to_owned();
        self.nodes.insert(name.to_owned(), node);
    }
}

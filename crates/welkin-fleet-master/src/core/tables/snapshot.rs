//! Everything at once, for the page and the metrics.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use welkin_fleet_model::figures::{MachineFigures, NodeFigures};
use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::client::Outcome;

use super::row;
use crate::core::{Fleet, roll::Phase};

/// The fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Its name.
    pub fleet: String,
    /// When, Unix milliseconds.
    pub unix_ms: u64,
    /// By name.
    pub machines: Vec<MachineView>,
    /// By name.
    pub nodes: Vec<NodeView>,
    /// The update under way.
    pub roll: Option<RollView>,
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineView {
    /// Its name.
    pub name: String,
    /// Its agent is connected.
    pub connected: bool,
    /// Version of its agent.
    pub version: String,
    /// Its clock minus ours.
    pub clock_offset_ms: i64,
    /// The last figures; none: none came yet.
    pub figures: Option<MachineFigures>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub machine: String,
    /// Its group.
    pub group: Option<String>,
    /// How it is; `Unknown` when its agent is away.
    pub state: State,
    /// The last state that was heard.
    pub last: State,
    /// Since when, Unix milliseconds.
    pub since_unix_ms: Option<u64>,
    /// How old what is known is; none: it is present.
    pub age_ms: Option<u64>,
    /// For people.
    pub reason: String,
    /// It is wanted running.
    pub wanted: bool,
    /// Unasked starts.
    pub restarts: u32,
    /// Full digest.
    pub release: Option<String>,
    /// Players, from its hook or its program.
    pub online: Option<u64>,
    /// The last figures.
    pub figures: Option<NodeFigures>,
}

/// The update under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RollView {
    /// It goes to the releases before.
    pub rollback: bool,
    /// What the operator calls the release.
    pub label: String,
    /// Who asked.
    pub by: String,
    /// `fetch`, `check`, `roll`, `back`.
    pub step: String,
    /// It waits for an operator.
    pub paused: bool,
    /// Nodes that are through.
    pub done: usize,
    /// All its nodes.
    pub all: usize,
    /// The first failure.
    pub failure: Option<String>,
    /// Full digest of the release; none: a plain folder.
    pub release: Option<String>,
}

impl Fleet {
    /// Everything at once.
    pub fn view(&self) -> View {
        View {
            fleet: self.name().to_owned(),
            unix_ms: self.now.unix_ms,
            machines: self.machine_views(),
            nodes: self.node_views(),
            roll: self.roll_view(),
        }
    }

    fn machine_views(&self) -> Vec<MachineView> {
        let view = |(name, machine): (&String, &crate::core::Machine)| MachineView {
            name: name.clone(),
            connected: self.is_reachable(name),
            version: self.durable.machine(name).agent,
            clock_offset_ms: machine.clock_offset_ms,
            figures: machine.figures.as_ref().map(|(_, figures)| figures.clone()),
        };
        self.shown_machines().map(view).collect()
    }

    fn node_views(&self) -> Vec<NodeView> {
        let view = |node: &crate::core::Node| {
            let shown = self.shown(node);
            NodeView {
                name: node.entry.name.clone(),
                machine: node.entry.machine.clone(),
                group: node.entry.group.clone(),
                state: shown.state,
                last: shown.last,
                since_unix_ms: shown.since_unix_ms,
                age_ms: shown.age_ms,
                reason: shown.reason,
                wanted: self
                    .durable
                    .wanted_ref(&node.entry.name)
                    .is_some_and(|w| w.running),
                restarts: node.report.restarts,
                release: node.report.release.clone(),
                online: self.players(node),
                figures: node.figures.as_ref().map(|(_, figures)| figures.clone()),
            }
        };
        self.nodes.values().map(view).collect()
    }

    fn roll_view(&self) -> Option<RollView> {
        let roll = self.durable.roll()?;
        let through = |phase| matches!(phase, Phase::Done | Phase::Returned | Phase::Stuck);
        Some(RollView {
            rollback: roll.rollback,
            label: roll.label.clone(),
            by: roll.by.clone(),
            step: roll.stage.word().to_owned(),
            paused: roll.paused,
            done: roll.nodes.iter().filter(|node| through(node.phase)).count(),
            all: roll.nodes.len(),
            failure: roll.failure.clone(),
            release: roll.nodes.first().and_then(|node| node.to.clone()),
        })
    }

    pub(in crate::core) fn snapshot_outcome(&self) -> Outcome {
        let view = serde_json::to_value(self.view()).unwrap_or_else(|_| json!({}));
        let rows: Map<String, Value> = match view {
            Value::Object(map) => map,
            other => row([("view", other)]),
        };
        Outcome {
            rows: vec![rows],
            ..Outcome::default()
        }
    }

    /// What `status --json` answers, as `/api/status` gives it.
    pub fn status_of_all(&self) -> Outcome {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        self.status(&names)
    }
}

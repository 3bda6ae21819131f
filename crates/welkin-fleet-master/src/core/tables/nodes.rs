//! `list` and `status`.

use serde_json::{Map, Value, json};
use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::client::Outcome;

use super::{row, short};
use crate::core::{Fleet, Node};
use welkin_fleet_model::units::rfc3339;

const LIST: [&str; 7] = [
    "node", "machine", "address", "group", "state", "release", "since",
];
const STATUS: [&str; 11] = [
    "node", "state", "ready", "pid", "uptime", "restarts", "cpu", "mem", "online", "release",
    "reason",
];

impl Fleet {
    pub(in crate::core) fn list(&self, names: &[String]) -> Outcome {
        let rows = names
            .iter()
            .filter_map(|name| self.nodes.get(name))
            .map(|node| {
                let shown = self.shown(node);
                row([
                    ("node", json!(node.entry.name)),
                    ("machine", json!(node.entry.machine)),
                    ("address", json!(node.entry.address)),
                    ("group", json!(node.entry.group)),
                    ("state", json!(shown.state.word())),
                    ("release", json!(self.release_of(node))),
                    ("since", json!(shown.since_unix_ms.map(rfc3339))),
                    ("age", json!(shown.age_ms.map(|ms| ms / 1000))),
                    ("reason", json!(shown.reason)),
                ])
            });
        Outcome {
            rows: rows.collect(),
            ..self.table(&LIST)
        }
    }

    pub(in crate::core) fn status(&self, names: &[String]) -> Outcome {
        let nodes = names.iter().filter_map(|name| self.nodes.get(name));
        Outcome {
            rows: nodes.map(|node| self.status_row(node)).collect(),
            ..self.table(&STATUS)
        }
    }

    /// One node with all that is known of it.
    pub(in crate::core) fn status_row(&self, node: &Node) -> Map<String, Value> {
        let shown = self.shown(node);
        let report = &node.report;
        let figures = node
            .figures
            .as_ref()
            .filter(|_| report.state.is_running())
            .map(|(_, f)| f);
        let wanted = self.durable.wanted(&node.entry.name);
        let mut row = row([
            ("node", json!(node.entry.name)),
            ("machine", json!(node.entry.machine)),
            ("group", json!(node.entry.group)),
            ("address", json!(node.entry.address)),
            ("state", json!(shown.state.word())),
            ("last", json!(shown.last.word())),
            ("age", json!(shown.age_ms.map(|ms| ms / 1000))),
            ("since", json!(shown.since_unix_ms.map(rfc3339))),
            ("ready", json!(shown.state == State::Ready)),
            ("pid", json!(report.pid)),
            ("uptime", json!(self.uptime(node))),
            ("restarts", json!(report.restarts)),
            ("cpu", json!(figures.and_then(|f| f.cpu))),
            ("mem", json!(figures.and_then(|f| f.memory))),
            ("online", json!(self.players(node))),
            (
                "online_parts",
                json!(figures.and_then(|f| f.online_parts.clone())),
            ),
            ("release", json!(self.release_of(node))),
            ("reason", json!(shown.reason)),
            ("notes", json!(report.notes)),
            (
                "wanted",
                json!(if wanted.running { "running" } else { "stopped" }),
            ),
            ("drained", json!(report.drained)),
            ("adopted", json!(report.adopted)),
        ]);
        row.insert("figures".to_owned(), json!(figures));
        row.insert(
            "next_try".to_owned(),
            json!(report.next_try_unix_ms.map(rfc3339)),
        );
        row
    }

    /// As the machine measured it; until it has, by the time of its start, which two clocks that differ
    /// make wrong by as much.
    fn uptime(&self, node: &Node) -> Option<u64> {
        let started = node
            .report
            .started_unix_ms
            .filter(|_| node.report.state.is_running())?;
        let measured = node.figures.as_ref().and_then(|(at, figures)| {
            let age = self.now.mono_ms.saturating_sub(*at) / 1000;
            Some(figures.uptime_s? + age)
        });
        let by_clock = || self.now.unix_ms.saturating_sub(started) / 1000;
        Some(measured.unwrap_or_else(by_clock))
    }

    /// What it runs; of one that does not run, what it would.
    fn release_of(&self, node: &Node) -> Option<String> {
        let wanted = self
            .durable
            .wanted_ref(&node.entry.name)
            .and_then(|w| w.release.as_ref());
        let release = match node.report.state.is_running() {
            true => node.report.release.as_ref(),
            false => wanted,
        };
        release.map(|digest| short(digest))
    }

    /// A table with what an operator must know first.
    fn table(&self, columns: &[&str]) -> Outcome {
        let mut outcome = Outcome {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            ..Outcome::default()
        };
        for (name, machine) in self
            .machines
            .iter()
            .filter(|(_, m)| !m.differences.is_empty())
        {
            for difference in &machine.differences {
                outcome.tail.push(format!(
                    "{name} had newer orders than these records: {difference}"
                ));
            }
        }
        if let Some(roll) = self.durable.roll() {
            let state = if roll.paused {
                "paused (update --continue or rollback)"
            } else {
                "under way"
            };
            outcome.tail.push(format!(
                "update by {} {state}, step {}",
                roll.by,
                roll.stage.word()
            ));
        }
        outcome
    }
}

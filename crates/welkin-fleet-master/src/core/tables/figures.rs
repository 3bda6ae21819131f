//! `cpu`, `mem`, `vmstat`, `netstat`, `free`, `disc`, `online`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use welkin_fleet_model::figures::MachineFigures;
use welkin_fleet_model::wire::client::{Command, Figures, Outcome};

use super::machines::percent;
use super::row;
use crate::core::{Fleet, Node};

/// `machines`: those asked for, each with the nodes that were selected. `known`: of those something came.
/// `kind` none: players.
pub(in crate::core) fn table(
    fleet: &Fleet,
    kind: Option<Figures>,
    machines: &BTreeMap<String, Vec<String>>,
    known: &BTreeSet<String>,
) -> Outcome {
    let command = match kind {
        Some(kind) => Command::Figures {
            kind,
            sel: Vec::new(),
        },
        None => Command::Online { sel: Vec::new() },
    };
    let columns = welkin_fleet_model::table::columns(&command);
    let mut outcome = Outcome {
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        ..Outcome::default()
    };
    for (machine, nodes) in machines {
        let there = known.contains(machine);
        let figures = fleet
            .machines
            .get(machine)
            .and_then(|m| m.figures.as_ref())
            .filter(|_| there);
        let figures = figures.map(|(_, figures)| figures);
        match kind {
            Some(Figures::Vmstat | Figures::Free | Figures::Disc) => {
                let rows = machine_rows(kind, figures);
                for mut row in rows {
                    row.insert("machine".to_owned(), json!(machine));
                    row.insert("nodes".to_owned(), json!(nodes));
                    row.insert("reachable".to_owned(), json!(there));
                    outcome.rows.push(row);
                }
            }
            _ => {
                for node in nodes.iter().filter_map(|name| fleet.nodes.get(name)) {
                    let mut row = node_row(fleet, kind, node, figures);
                    row.insert("reachable".to_owned(), json!(there));
                    outcome.rows.push(row);
                }
            }
        }
    }
    if !matches!(kind, Some(Figures::Vmstat | Figures::Free | Figures::Disc)) {
        outcome
            .rows
            .sort_by(|a, b| a["node"].as_str().cmp(&b["node"].as_str()));
    }
    outcome
}

fn machine_rows(
    kind: Option<Figures>,
    figures: Option<&MachineFigures>,
) -> Vec<Map<String, Value>> {
    let memory = figures.and_then(|f| f.memory);
    match kind {
        Some(Figures::Vmstat) => {
            let v = figures.and_then(|f| f.vmstat);
            vec![row([
                ("r", json!(v.map(|v| v.r))),
                ("b", json!(v.map(|v| v.b))),
                ("free", json!(memory.map(|m| m.free))),
                ("buff", json!(memory.map(|m| m.buffers))),
                ("cache", json!(memory.map(|m| m.cached))),
                ("swap", json!(memory.map(|m| m.swap_used))),
                ("bi", json!(v.map(|v| v.bi))),
                ("bo", json!(v.map(|v| v.bo))),
                ("in", json!(v.map(|v| v.interrupts))),
                ("cs", json!(v.map(|v| v.switches))),
                ("us", json!(v.map(|v| v.us))),
                ("sy", json!(v.map(|v| v.sy))),
                ("id", json!(v.map(|v| v.id))),
                ("wa", json!(v.map(|v| v.wa))),
            ])]
        }
        Some(Figures::Free) => vec![row([
            ("total", json!(memory.map(|m| m.total))),
            ("used", json!(memory.map(|m| m.used))),
            ("free", json!(memory.map(|m| m.free))),
            ("available", json!(memory.map(|m| m.available))),
            ("swap_used", json!(memory.map(|m| m.swap_used))),
            ("swap_total", json!(memory.map(|m| m.swap_total))),
        ])],
        _ => match figures {
            None => vec![row([("mount", Value::Null)])],
            Some(figures) => figures
                .disks
                .iter()
                .map(|disk| {
                    row([
                        ("mount", json!(disk.mount)),
                        ("type", json!(disk.kind)),
                        ("total", json!(disk.total)),
                        ("used", json!(disk.used)),
                        ("free", json!(disk.free)),
                        ("percent", json!(percent(disk))),
                    ])
                })
                .collect(),
        },
    }
}

fn node_row(
    fleet: &Fleet,
    kind: Option<Figures>,
    node: &Node,
    machine: Option<&MachineFigures>,
) -> Map<String, Value> {
    let figures = machine.and_then(|_| fleet.fresh_figures(node));
    let name = ("node", json!(node.entry.name));
    match kind {
        Some(Figures::Cpu) => row([
            name,
            ("cpu", json!(figures.and_then(|f| f.cpu))),
            ("threads", json!(figures.and_then(|f| f.threads))),
            ("machine_cpu", json!(machine.and_then(|m| m.cpu))),
        ]),
        Some(Figures::Mem) => {
            let rss = figures.and_then(|f| f.memory);
            let total = machine
                .and_then(|m| m.memory)
                .map(|m| m.total)
                .filter(|total| *total > 0);
            let share = rss
                .zip(total)
                .map(|(rss, total)| rss as f64 * 100.0 / total as f64);
            row([
                name,
                ("rss", json!(rss)),
                ("share", json!(share.map(|s| (s * 10.0).round() / 10.0))),
                ("limit", json!(figures.and_then(|f| f.memory_limit))),
            ])
        }
        Some(_) => row([
            name,
            ("established", json!(figures.and_then(|f| f.established))),
            ("listen", json!(figures.and_then(|f| f.listen))),
            ("closing", json!(figures.and_then(|f| f.closing))),
            ("rx/s", json!(figures.and_then(|f| f.rx))),
            ("tx/s", json!(figures.and_then(|f| f.tx))),
            ("online", json!(machine.and_then(|_| fleet.players(node)))),
        ]),
        None => row([
            name,
            ("online", json!(machine.and_then(|_| fleet.players(node)))),
        ]),
    }
}

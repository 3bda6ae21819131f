//! `machines`.

use serde_json::{Map, Value, json};
use welkin_fleet_model::figures::{Disk, MachineFigures};
use welkin_fleet_model::wire::client::Outcome;

use super::row;
use crate::core::Fleet;
use welkin_fleet_model::units::rfc3339;

/// Offsets below are the network's, not the clock's.
const OFFSET_MS: i64 = 2_000;

impl Fleet {
    pub(in crate::core) fn machine_table(&self) -> Outcome {
        let columns = [
            "machine",
            "address",
            "agent_version",
            "seen",
            "nodes",
            "cpu",
            "mem",
            "disk",
            "clock_offset",
        ];
        Outcome {
            columns: columns.map(str::to_owned).to_vec(),
            rows: self
                .shown_machines()
                .map(|(name, _)| self.machine_row(name))
                .collect(),
            ..Outcome::default()
        }
    }

    pub(in crate::core) fn machine_row(&self, name: &str) -> Map<String, Value> {
        let machine = &self.machines[name];
        let record = self.durable.machine(name);
        let figures = machine.figures.as_ref().map(|(_, figures)| figures);
        let given = self
            .plan
            .fleet
            .machines
            .get(name)
            .filter(|address| !address.is_empty());
        let address = given.or(record.addresses.first()).cloned();
        let reachable = self.is_reachable(name);
        let seen = match machine.session {
            Some(_) => self.now.unix_ms,
            None => record.seen_unix_ms,
        };
        let offset = machine.clock_offset_ms;
        let offset = (reachable && offset.abs() > OFFSET_MS).then_some(offset as f64 / 1000.0);
        row([
            ("machine", json!(name)),
            ("address", json!(address)),
            ("agent_version", json!(record.agent)),
            ("connected", json!(machine.session.is_some())),
            ("from", json!(machine.from)),
            ("seen", json!((seen > 0).then(|| rfc3339(seen)))),
            ("nodes", json!(self.nodes_of(name).len())),
            ("cpu", json!(figures.and_then(|f| f.cpu))),
            ("mem", json!(figures.and_then(|f| f.memory).map(|m| m.used))),
            ("disk", json!(figures.and_then(fullest))),
            ("clock_offset", json!(offset)),
            ("load", json!(figures.and_then(|f| f.load))),
            ("orders", json!(record.version)),
            ("differences", json!(machine.differences)),
        ])
    }
}

/// The fullest file system, percent.
fn fullest(figures: &MachineFigures) -> Option<f64> {
    figures.disks.iter().filter_map(percent).reduce(f64::max)
}

/// How full a file system is for who may not use its reserve.
pub(super) fn percent(disk: &Disk) -> Option<f64> {
    let all = disk.used + disk.free;
    (all > 0).then(|| (disk.used as f64 * 1000.0 / all as f64).round() / 10.0)
}

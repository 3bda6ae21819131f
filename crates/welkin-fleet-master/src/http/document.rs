//! What the page is told: the fleet in short names and ready numbers.

use serde_json::{Value, json};
use welkin_fleet_model::figures::{Disk, Memory};

use crate::core::{MachineView, NodeView, RollView, View};

/// Digits of a digest that are shown.
const ID: usize = 12;

/// The whole fleet.
pub(super) fn state(view: &View) -> Value {
    json!({
        "fleet": view.fleet,
        "now": view.unix_ms,
        "machines": view.machines.iter().map(machine).collect::<Vec<_>>(),
        "nodes": view.nodes.iter().map(node).collect::<Vec<_>>(),
        "online": online(view),
        "roll": view.roll.as_ref().map(roll),
    })
}

/// Players of all nodes that tell; none: no node does.
pub(super) fn online(view: &View) -> Option<u64> {
    let told = view.nodes.iter().filter_map(|node| node.online);
    told.reduce(u64::saturating_add)
}

/// Used memory in percent.
pub(super) fn percent(memory: Memory) -> f64 {
    match memory.total {
        0 => 0.0,
        total => memory.used as f64 * 100.0 / total as f64,
    }
}

fn machine(machine: &MachineView) -> Value {
    let figures = machine.figures.as_ref();
    let memory = figures.and_then(|figures| figures.memory);
    let disk = figures.and_then(|figures| fullest(&figures.disks));
    json!({
        "name": machine.name,
        "connected": machine.connected,
        "version": machine.version,
        "offset": machine.clock_offset_ms,
        "cores": figures.and_then(|figures| figures.cores),
        "cpu": figures.and_then(|figures| figures.cpu),
        "load": figures.and_then(|figures| figures.load),
        "mem": memory.map(|memory| [memory.used, memory.total]),
        "disk": disk.map(|disk| json!([disk.used, usable(disk), disk.mount])),
        "rx": figures.and_then(|figures| figures.rx),
        "tx": figures.and_then(|figures| figures.tx),
    })
}

/// The file system that will be full first.
fn fullest(disks: &[Disk]) -> Option<&Disk> {
    let part = |disk: &Disk| disk.used as f64 / usable(disk).max(1) as f64;
    disks
        .iter()
        .max_by(|one, other| part(one).total_cmp(&part(other)))
}

/// Bytes that are used or can be; a file system keeps some for root.
fn usable(disk: &Disk) -> u64 {
    disk.used.saturating_add(disk.free)
}

fn node(node: &NodeView) -> Value {
    let figures = node.figures.as_ref();
    json!({
        "name": node.name,
        "machine": node.machine,
        "group": node.group,
        "state": node.state.word(),
        "last": node.last.word(),
        "since": node.since_unix_ms,
        "age": node.age_ms,
        "reason": node.reason,
        "wanted": node.wanted,
        "restarts": node.restarts,
        "release": node.release.as_deref().map(id),
        "online": node.online,
        "cpu": figures.and_then(|figures| figures.cpu),
        "mem": figures.and_then(|figures| figures.memory),
        "limit": figures.and_then(|figures| figures.memory_limit),
    })
}

fn roll(roll: &RollView) -> Value {
    json!({
        "rollback": roll.rollback,
        "label": roll.label,
        "by": roll.by,
        "step": roll.step,
        "paused": roll.paused,
        "done": roll.done,
        "all": roll.all,
        "failure": roll.failure,
        "release": roll.release.as_deref().map(id),
    })
}

fn id(digest: &str) -> &str {
    digest.get(..ID).unwrap_or(digest)
}

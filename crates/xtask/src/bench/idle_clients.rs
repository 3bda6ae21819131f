//! What clients that say nothing cost a gate in resident memory, the native gate and the Lua one.

use super::node::{Kind, Node};
use super::{Row, clients};
use std::time::Duration;

const TIME: Duration = Duration::from_secs(60);
const CLIENTS: usize = 10_000;
/// After the last client has come: the last messages about it are through by then.
const REST: Duration = Duration::from_secs(3);
/// Megabytes (10^6 bytes).
const LIMIT: f64 = 60.0;

pub fn run(kind: &Kind) -> Result<Vec<Row>, String> {
    clients::allow(CLIENTS)?;
    ["native", "lua"]
        .map(|gate| one(kind, gate))
        .into_iter()
        .collect()
}

fn one(kind: &Kind, gate: &str) -> Result<Row, String> {
    let port = clients::free_port()?;
    let config = [
        format!("port = {port}"),
        format!("clients = {CLIENTS}"),
        format!("gate = \"{gate}\""),
    ];
    let node = Node::start(kind, "idle_clients", &config)?;
    node.wait_ready(TIME)?;
    let before = node.resident()?;
    let streams: Result<Vec<_>, _> = (0..CLIENTS).map(|_| clients::connect(port)).collect();
    let streams = streams?;
    node.wait_result("clients", TIME)?;
    std::thread::sleep(REST);
    let after = node.resident()?;
    drop(streams);
    Ok(Row {
        name: format!("{CLIENTS} idle clients, {gate} gate"),
        value: (after - before) / 1e6,
        unit: "MB",
        limit: LIMIT,
    })
}

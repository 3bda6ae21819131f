//! Resident memory of a node with very many services that have nothing to do.

use super::node::{Kind, Node};
use super::{Row, SERVICES};
use std::time::Duration;

/// skynet starts a few thousand a second.
const TIME: Duration = Duration::from_secs(600);
/// Gigabytes (10^9 bytes).
const LIMIT: f64 = 1.9;

pub fn run(kind: &Kind) -> Result<Vec<Row>, String> {
    let node = Node::start(kind, "idle_services", &[format!("services = {SERVICES}")])?;
    let bytes = node.wait_result("resident", TIME)?;
    Ok(vec![Row {
        name: format!("{SERVICES} idle services"),
        value: bytes / 1e9,
        unit: "GB",
        limit: LIMIT,
    }])
}

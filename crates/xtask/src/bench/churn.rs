//! Resident memory after many services came and went, as a multiple of what it was before.
//!
//! Once with a thousand alive at a time, as players come and go, and once with all of them alive at
//! the same time, as after an event that filled the node.

use super::node::{Kind, Node};
use super::{Row, SERVICES};
use std::time::Duration;

const TIME: Duration = Duration::from_secs(600);
/// Services alive at the same time, in each of the two runs.
const WAVES: [u32; 2] = [1_000, SERVICES];
/// After, as a multiple of before.
const LIMIT: f64 = 1.1;

pub fn run(kind: &Kind) -> Result<Vec<Row>, String> {
    WAVES.iter().map(|wave| one(kind, *wave)).collect()
}

fn one(kind: &Kind, wave: u32) -> Result<Row, String> {
    let config = [format!("services = {SERVICES}"), format!("wave = {wave}")];
    let node = Node::start(kind, "churn", &config)?;
    let before = node.wait_result("before", TIME)?;
    let after = node.wait_result("after", TIME)?;
    Ok(Row {
        name: format!("memory after churn, {wave} at a time"),
        value: after / before,
        unit: "x before",
        limit: LIMIT,
    })
}

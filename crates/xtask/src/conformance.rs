//! `cargo xtask conformance [AREA...]`: our release build against the shared conformance cases.
//!
//! The cases belong to no single implementation, so they lie beside this tree and not in it
//! (`../shared/conformance`, or the folder that `CONFORMANCE` names). Without them there is nothing
//! to run, which is said and is no failure: a plain checkout has its own tests.

use crate::{process, tree};
use std::path::PathBuf;
use std::process::Command;

/// The areas a node of today is meant for.
const AREAS: [&str; 7] = [
    "core/",
    "net_tcp",
    "net_udp",
    "net_driver",
    "net_limit",
    "net_halfclose",
    "net_stdin",
];

/// Cases at a time.
const JOBS: &str = "2";

pub fn command(areas: &[String]) -> Result<(), String> {
    let folder = match std::env::var_os("CONFORMANCE") {
        Some(folder) => PathBuf::from(folder),
        None => tree::root().join("../shared/conformance"),
    };
    let runner = folder.join("run");
    if !runner.exists() {
        println!("no conformance cases at {}: skipped", folder.display());
        return Ok(());
    }
    process::build_node()?;
    let mut run = Command::new(runner);
    run.arg("--node").arg(tree::release_node());
    run.args(["-j", JOBS]);
    if areas.is_empty() {
        run.args(AREAS);
    } else {
        run.args(areas);
    }
    process::run(&mut run)
}

//! `cargo xtask conformance [--classic CHECKOUT] [AREA...]`: our release build against the shared
//! conformance cases. With `--classic` they are run twice, the second time on the Lua library of that
//! checkout of skynet instead of the built-in one (`welkin_lualib = "path"`).
//!
//! The cases belong to no single implementation, so they lie beside this tree and not in it
//! (`../shared/conformance`, or the folder that `CONFORMANCE` names). Without them there is nothing
//! to run, which is said and is no failure: a plain checkout has its own tests.

use crate::{process, tree};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The areas that a node of today is meant for. Cases of `db/` that need a server are skipped by the runner
/// where none answers.
const AREAS: [&str; 10] = [
    "core/", "net/", "svc/", "snax/", "console/", "cluster/", "harbor/", "db/", "data/", "sproto/",
];

/// The areas that are run both ways.
const BOTH_WAYS: [&str; 4] = ["core/", "svc/", "snax/", "net/"];

/// The config line that puts a checkout's library before the built-in one.
const FILES_FIRST: &str = "welkin_lualib = \"path\"";

/// Cases at a time.
const JOBS: &str = "2";

pub fn command(args: &[String]) -> Result<(), String> {
    let folder = match std::env::var_os("CONFORMANCE") {
        Some(folder) => PathBuf::from(folder),
        None => tree::root().join("../shared/conformance"),
    };
    let runner = folder.join("run");
    let (checkout, areas) = split(args)?;
    if !runner.exists() {
        println!("no conformance cases at {}: skipped", folder.display());
        return Ok(());
    }
    process::build_node()?;
    let Some(checkout) = checkout else {
        return run(&runner, None, areas_or(areas, &AREAS));
    };
    let areas = areas_or(areas, &BOTH_WAYS);
    println!("on the built-in library:");
    let built_in = run(&runner, None, areas.clone());
    println!("on the library of {}:", checkout.display());
    run(&runner, Some(&checkout), areas).and(built_in)
}

/// The checkout of `--classic CHECKOUT`, and the rest.
fn split(args: &[String]) -> Result<(Option<PathBuf>, &[String]), String> {
    let Some((first, rest)) = args.split_first() else {
        return Ok((None, args));
    };
    if first != "--classic" {
        return Ok((None, args));
    }
    let checkout = rest.first().map(PathBuf::from);
    match checkout {
        Some(folder) if folder.join("lualib/skynet.lua").is_file() => {
            Ok((Some(folder), &rest[1..]))
        }
        Some(folder) => Err(format!(
            "{} has no lualib/skynet.lua: --classic takes the folder of a skynet checkout",
            folder.display()
        )),
        None => Err("--classic takes the folder of a skynet checkout".to_owned()),
    }
}

fn areas_or<'a>(areas: &'a [String], default: &[&'a str]) -> Vec<&'a str> {
    if areas.is_empty() {
        return default.to_vec();
    }
    areas.iter().map(String::as_str).collect()
}

fn run(runner: &Path, checkout: Option<&Path>, areas: Vec<&str>) -> Result<(), String> {
    let mut run = Command::new(runner);
    run.arg("--node").arg(tree::release_node());
    if let Some(checkout) = checkout {
        run.arg("--root")
            .arg(checkout)
            .args(["--conf", FILES_FIRST]);
    }
    run.args(["-j", JOBS]).args(areas);
    process::run(&mut run)
}

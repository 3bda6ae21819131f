//! `cargo xtask test [STEP...]`: everything that must hold before a change goes in.
//!
//! The cheap steps come first, the first failure ends the run. Each step is one ordinary command,
//! printed before it runs, so that it can be repeated alone.

use crate::{process, tree};
use std::process::{Command, Stdio};
use std::time::Instant;

struct Step {
    name: &'static str,
    shows: &'static str,
    run: fn() -> Result<(), String>,
}

const STEPS: [Step; 6] = [
    Step {
        name: "fmt",
        shows: "the code is formatted",
        run: fmt,
    },
    Step {
        name: "clippy",
        shows: "no warning is left",
        run: clippy,
    },
    Step {
        name: "deny",
        shows: "every crate has a licence and a source that deny.toml allows",
        run: deny,
    },
    Step {
        name: "unit",
        shows: "every test passes, those through the real binary too",
        run: unit,
    },
    Step {
        name: "doc",
        shows: "the examples in the documentation run",
        run: doc,
    },
    Step {
        name: "loom",
        shows: "the runtime's shared state holds under every interleaving",
        run: loom,
    },
];

pub fn command(only: &[String]) -> Result<(), String> {
    if let Some(unknown) = only.iter().find(|o| STEPS.iter().all(|s| s.name != **o)) {
        let known: Vec<&str> = STEPS.iter().map(|s| s.name).collect();
        return Err(format!(
            "no step `{unknown}`; there are: {}",
            known.join(" ")
        ));
    }
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|s| only.is_empty() || only.iter().any(|o| o == s.name))
        .collect();
    let begun = Instant::now();
    for (done, step) in chosen.iter().enumerate() {
        let count = chosen.len();
        println!("[{}/{count}] {}: {}", done + 1, step.name, step.shows);
        let started = Instant::now();
        (step.run)().map_err(|why| {
            format!(
                "step {} failed: {why}\nrepeat it alone: cargo xtask test {}",
                step.name, step.name
            )
        })?;
        println!(
            "[{}/{count}] {}: good, {:.0} s",
            done + 1,
            step.name,
            started.elapsed().as_secs_f64()
        );
    }
    println!("all good, {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn fmt() -> Result<(), String> {
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<(), String> {
    clippy_of(&["--workspace"])?;
    // What stands in for the parts that a quick build leaves out; nothing else compiles it.
    clippy_of(&["-p", "welkin", "--no-default-features"])
}

fn clippy_of(what: &[&str]) -> Result<(), String> {
    let mut command = process::cargo();
    command.args(["clippy", "-q"]).args(what);
    process::run(command.args(["--all-targets", "--", "-D", "warnings"]))
}

/// Without the advisories, which come over the network. Building cargo-deny takes five minutes, which
/// no run is worth: where it is missing that is said.
fn deny() -> Result<(), String> {
    if !has("deny") {
        println!("skipped: cargo-deny is not installed (cargo install cargo-deny --locked)");
        return Ok(());
    }
    process::run(process::cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}

fn unit() -> Result<(), String> {
    if has("nextest") {
        return process::run(process::cargo().args(["nextest", "run", "--workspace"]));
    }
    println!("cargo-nextest is not installed: using cargo test");
    process::run(process::cargo().args(["test", "--workspace", "--all-targets"]))
}

fn doc() -> Result<(), String> {
    process::run(process::cargo().args(["test", "-q", "--workspace", "--doc"]))
}

/// The runtime built for loom, in a target folder of its own: the flag changes every crate below it.
fn loom() -> Result<(), String> {
    let models = process::output(loom_tests().args(["--", "--list"]))?;
    if !models.contains(": test") {
        return Err(
            "welkin-runtime has no test whose path holds `loom`: its shared state is unproved"
                .to_string(),
        );
    }
    process::run(&mut loom_tests())
}

fn loom_tests() -> Command {
    let mut command = process::cargo();
    command
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", tree::target().join("loom"))
        .args(["test", "-q", "--release", "-p", "welkin-runtime", "--lib"])
        .arg("loom");
    command
}

/// Whether cargo has this command.
fn has(command: &str) -> bool {
    process::cargo()
        .args([command, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

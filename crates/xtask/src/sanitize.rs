//! `cargo xtask sanitize [STEP...]`: the tests again, under tools that watch every access to memory.
//!
//! The node is built with `cfg(plain_malloc)`, as mimalloc would hide its blocks from them. What
//! cannot run here is named with what it lacks, the rest runs all the same. Data races are loom's part
//! (`cargo xtask test loom`): valgrind's helgrind takes every atomic of Rust for a race.

use crate::{process, tree};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

struct Step {
    name: &'static str,
    shows: &'static str,
    /// What is missing to run it, and how to get that.
    lacks: fn() -> Result<Option<String>, String>,
    run: fn() -> Result<(), String>,
}

const STEPS: [Step; 2] = [
    Step {
        name: "asan",
        shows: "no test of the node touches memory that is not its own, Lua's C code included",
        lacks: asan_lacks,
        run: asan,
    },
    Step {
        name: "valgrind",
        shows: "the runtime reads nothing uninitialised and loses no memory",
        lacks: valgrind_lacks,
        run: valgrind,
    },
];

/// The crates of a node; the codec has no `unsafe`.
const CRATES: [&str; 8] = [
    "-p",
    "welkin-runtime",
    "-p",
    "welkin-net",
    "-p",
    "welkin-lua",
    "-p",
    "welkin",
];

/// Tests that look at the memory of the process, in which AddressSanitizer keeps what was freed.
const NOT_UNDER_ASAN: &str =
    "not test(/left_behind|is_freed_when|costs_no_more_than|are_bounded|break_the_rules/)";

pub fn command(only: &[String]) -> Result<(), String> {
    if let Some(unknown) = only.iter().find(|o| STEPS.iter().all(|s| s.name != **o)) {
        let known: Vec<&str> = STEPS.iter().map(|s| s.name).collect();
        return Err(format!(
            "no step `{unknown}`; there are: {}",
            known.join(" ")
        ));
    }
    let mut missing = Vec::new();
    for step in &STEPS {
        if !only.is_empty() && only.iter().all(|o| o != step.name) {
            continue;
        }
        if let Some(what) = (step.lacks)()? {
            missing.push(format!("step {} cannot run: {what}", step.name));
            continue;
        }
        println!("{}: {}", step.name, step.shows);
        let started = Instant::now();
        (step.run)().map_err(|why| {
            format!(
                "step {} failed: {why}\nrepeat it alone: cargo xtask sanitize {}",
                step.name, step.name
            )
        })?;
        println!(
            "{}: good, {:.0} s",
            step.name,
            started.elapsed().as_secs_f64()
        );
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(missing.join("\n"))
}

/// The target that this compiler builds for, and the folder of its libraries.
fn compiler() -> Result<(String, PathBuf), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = process::output(Command::new(&rustc).arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or("rustc -vV names no host")?;
    let root = process::output(Command::new(&rustc).args(["--print", "sysroot"]))?;
    let libraries = PathBuf::from(root.trim())
        .join("lib/rustlib")
        .join(host)
        .join("lib");
    Ok((host.to_string(), libraries))
}

fn asan_lacks() -> Result<Option<String>, String> {
    let (host, libraries) = compiler()?;
    let has_runtime = std::fs::read_dir(&libraries).is_ok_and(|files| {
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().ends_with("_rt.asan.a"))
    });
    if !has_runtime {
        return Ok(Some(format!(
            "{} holds no librustc-*_rt.asan.a, which Rust's own toolchains (rustup.rs) bring for Linux \
             and macOS; this one, for {host}, is another",
            libraries.display()
        )));
    }
    if !succeeds(
        Command::new("cc")
            .args(["-fsanitize=address", "-fsyntax-only", "-x", "c"])
            .arg("/dev/null"),
    ) {
        let what = "cc does not know -fsanitize=address: install gcc or clang";
        return Ok(Some(what.to_string()));
    }
    if !succeeds(process::cargo().args(["nextest", "--version"])) {
        // Each test has a process of its own there, so the first error does not end all of them.
        let what = "cargo-nextest is not installed: cargo install cargo-nextest --locked";
        return Ok(Some(what.to_string()));
    }
    Ok(None)
}

/// Everything for the target is instrumented, C too; build scripts are not, as a target is named.
fn asan() -> Result<(), String> {
    let (host, _) = compiler()?;
    let mut command = process::cargo();
    command
        // `-Z` on a stable compiler: the sanitizers of both are the same.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address --cfg plain_malloc")
        .env(
            format!("CFLAGS_{}", host.replace('-', "_")),
            "-fsanitize=address -fno-omit-frame-pointer",
        )
        // Leaks are valgrind's part: a node that is ended by a signal or by `abort` frees nothing.
        .env("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1")
        .env("CARGO_TARGET_DIR", tree::target().join("asan"))
        .args(["nextest", "run", "--no-fail-fast", "--target", &host])
        .args(["-E", NOT_UNDER_ASAN])
        .args(CRATES);
    process::run(&mut command)
}

fn valgrind_lacks() -> Result<Option<String>, String> {
    let there = succeeds(Command::new("valgrind").arg("--version"));
    Ok((!there).then(|| "valgrind is not installed: apt install valgrind".to_string()))
}

/// Test program by test program; the first that valgrind finds something in ends the step.
fn valgrind() -> Result<(), String> {
    let mut build = process::cargo();
    build.args(["test", "--no-run", "--message-format", "json"]);
    let messages = process::output(build.args(["-p", "welkin-runtime"]))?;
    let programs: Vec<String> = messages.lines().filter_map(test_program).collect();
    if programs.is_empty() {
        return Err("cargo built no test program of welkin-runtime".to_string());
    }
    for program in programs {
        println!("valgrind {program}");
        let mut run = Command::new("valgrind");
        run.current_dir(tree::root().join("crates/welkin-runtime"))
            .args(["-q", "--error-exitcode=9", "--leak-check=full"])
            .args([
                "--show-leak-kinds=definite",
                "--errors-for-leak-kinds=definite",
            ])
            .args([&program, "-q", "--test-threads=2"]);
        process::run(&mut run)?;
    }
    Ok(())
}

/// The program that one of cargo's messages tells of.
fn test_program(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(String::from)
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

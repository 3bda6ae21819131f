//! The one door for people and CI: `cargo xtask tidy | test | sanitize | conformance | bench`.
//!
//! What a machine can judge about this tree is judged here, in Rust, so that a checkout needs no
//! second language to be worked on. Nothing here is part of a node; no other crate may use it.

#![forbid(unsafe_code)]

mod bench;
mod conformance;
mod process;
mod sanitize;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy                  check how the tree reads: lengths, headers, unsafe, layers, words
  test [STEP...]        all tests; or only these steps: fmt clippy deny unit doc loom
  sanitize [STEP...]    the tests under AddressSanitizer and valgrind; steps: asan valgrind
  conformance [AREA...] release build, then the shared conformance cases whose name holds an AREA;
                        with --classic CHECKOUT first: also on the Lua library of that skynet
  bench [NAME...]       release build, then our own measurements, as a table
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_str() {
        "tidy" => tidy::command(),
        "test" => test::command(&rest),
        "sanitize" => sanitize::command(&rest),
        "conformance" => conformance::command(&rest),
        "bench" => bench::command(&rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("unknown command `{other}`\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {}", why.trim_end());
            ExitCode::FAILURE
        }
    }
}

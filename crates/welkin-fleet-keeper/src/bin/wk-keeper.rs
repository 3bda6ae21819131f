//! A keeper by itself, for the tests of this crate: `wk-keeper fleet keeper FOLDER`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(3).collect();
    ExitCode::from(welkin_fleet_keeper::run(&arguments))
}

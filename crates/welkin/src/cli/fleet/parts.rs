//! The parts of the fleet by their words: each is a crate, this file is all that the command line knows of
//! them.

use std::ffi::OsString;

use crate::failure::Failure;

/// What people are told of a command.
pub fn help(text: &str) -> String {
    text.to_owned()
}

/// Runs the part that `word` belongs to: one of the processes with what follows the word, else the client,
/// which reads all arguments itself.
pub fn run(word: Option<&str>, arguments: &[OsString]) -> Result<u8, Failure> {
    let rest = arguments.get(1..).unwrap_or_default();
    Ok(match word {
        Some("master") => welkin_fleet_master::run(rest),
        Some("agent") => welkin_fleet_agent::run(rest),
        Some("keeper") => welkin_fleet_keeper::run(rest),
        _ => welkin_fleet_client::run_with(arguments, welkin_fleet_master::restore),
    })
}

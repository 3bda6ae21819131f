//! Why a node cannot start, in two voices: the lines that skynet's users and tools know, as they are,
//! then one line for people that says what failed, where, and what to do.

use std::fmt;

/// Exit status: the node failed, or one of the cases that skynet ends with 1.
pub const FAILED: u8 = 1;
/// Exit status: the command line is wrong.
pub const USAGE: u8 = 2;
/// Exit status: the configuration is wrong, starting again is of no use (`EX_CONFIG` of sysexits).
pub const CONFIG: u8 = 78;

/// The end of a start that did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// Exit status of the process.
    pub status: u8,
    lines: Vec<String>,
}

impl Failure {
    /// A failure that skynet has a line for: `known`, then `advice` in our own words.
    pub fn known(known: impl Into<String>, advice: impl fmt::Display) -> Self {
        Self {
            status: FAILED,
            lines: vec![known.into(), format!("welkin: {advice}")],
        }
    }

    /// A failure of our own.
    pub fn new(status: u8, text: impl fmt::Display) -> Self {
        Self {
            status,
            lines: vec![format!("welkin: {text}")],
        }
    }

    /// One more thing that is wrong, found together with the first.
    pub fn and(mut self, text: impl fmt::Display) -> Self {
        self.lines.push(format!("welkin: {text}"));
        self
    }

    /// Writes the lines to standard error and gives the exit status.
    pub fn report(&self) -> u8 {
        eprintln!("{self}");
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Failure {}

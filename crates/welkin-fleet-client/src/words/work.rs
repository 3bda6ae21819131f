//! What a sorted command line asks for.

mod nodes;
mod others;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use welkin_fleet_model::units;
use welkin_fleet_model::wire::client::Command;

use super::Words;
use crate::failure::Failure;

/// Where something is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// `-`: standard input.
    Standard,
}

impl From<String> for Input {
    fn from(word: String) -> Self {
        match word.as_str() {
            "-" => Input::Standard,
            _ => Input::File(word.into()),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// The master does it; `waits`: for nodes, as long as they take.
    Call { command: Command, waits: bool },
    /// The same, but asks before it stops or replaces several nodes: `verb` of `sel`.
    Risky {
        command: Command,
        verb: &'static str,
        sel: Vec<String>,
    },
    /// Upload a release, or name one.
    Update {
        sel: Vec<String>,
        release: String,
        signature: Option<PathBuf>,
        no_rollback: bool,
    },
    /// The same for the agents' own binary.
    Upgrade {
        machines: Vec<String>,
        release: String,
        signature: Option<PathBuf>,
    },
    /// Show output.
    Logs {
        command: Command,
        node: String,
        follow: bool,
    },
    /// Give the master a fleet file.
    Apply {
        file: PathBuf,
        dry_run: bool,
        restart: bool,
    },
    /// Print a fleet file for a cluster config.
    Import(PathBuf),
    /// Give the master a secret.
    SecretSet { name: String, from: Input },
    /// Get a certificate.
    Enrol { token: Input },
    /// Check the audit log, with the master's own log if there is one.
    Verify {
        command: Command,
        log: Option<PathBuf>,
    },
    /// Fetch a backup.
    Backup {
        file: PathBuf,
        passphrase: Option<Input>,
    },
    /// Make a state from one.
    Restore {
        file: PathBuf,
        passphrase: Option<Input>,
    },
    /// Make a secret for `fleet_secret`.
    SecretFile(PathBuf),
}

impl Work {
    /// Understands the words.
    pub fn of(words: Words) -> Result<Work, Failure> {
        if words.behind.is_some() && words.form.word != "exec" {
            return Err(words.wrong("nothing can stand behind --"));
        }
        match words.form.word {
            "list" | "status" | "machines" | "history" | "releases" | "export" | "audit" => {
                nodes::looks(words)
            }
            "cpu" | "mem" | "vmstat" | "netstat" | "free" | "disc" | "disk" | "online" => {
                Ok(nodes::figures(words))
            }
            "start" | "start_all" | "stop" | "stop_all" | "restart" | "drain" => nodes::runs(words),
            "update" | "rollback" | "upgrade" => nodes::replaces(words),
            "logs" => others::logs(&words),
            "exec" => others::exec(words),
            "token" | "enrol" | "certs" | "revoke" | "secret" => others::keys(words),
            _ => others::files(words),
        }
    }
}

fn call(command: Command) -> Work {
    Work::Call {
        command,
        waits: false,
    }
}

fn all() -> Vec<String> {
    vec!["all".to_owned()]
}

fn one(plain: Vec<String>) -> String {
    plain.into_iter().next().unwrap_or_default()
}

fn number(text: &str, least: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("{text:?} is not a whole number from {least} on"))
}

/// `10m` ago, or a point in time.
fn since(text: &str) -> Result<u64, String> {
    if let Some(point) = units::read_rfc3339(text) {
        return Ok(point);
    }
    let back = units::time(text).map_err(|_| {
        format!("{text:?} is neither a time back from now (10m) nor a point in time (2026-01-31T12:00:00Z)")
    })?;
    Ok(now_unix_ms().saturating_sub(back))
}

/// The clock of this machine.
pub fn now_unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

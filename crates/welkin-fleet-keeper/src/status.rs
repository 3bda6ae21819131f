//! How a node ended: `status.json`, and the words for it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `status.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Name of the node.
    pub node: String,
    /// Start key of the life that ended.
    pub key: String,
    /// Number that the process had; 0: there was none.
    #[serde(default)]
    pub pid: u32,
    /// How.
    pub exit: Exit,
    /// When, Unix milliseconds.
    pub ended_unix_ms: u64,
    /// How often the kernel killed something of it for `memory.max`.
    #[serde(default)]
    pub memory_kills: u64,
    /// Processes it left behind that had to be killed.
    #[serde(default)]
    pub left: u32,
}

/// An end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with that exit status.
    Code(i32),
    /// By that signal.
    Signal(i32),
    /// Its program could not be run: `exec: <error>`.
    Exec(String),
    /// Nobody could wait for it: its keeper was killed before.
    Unknown,
}

impl Status {
    /// For people, an operator can act on it.
    pub fn reason(&self) -> String {
        if self.memory_kills > 0 && matches!(self.exit, Exit::Signal(libc::SIGKILL)) {
            return "killed: memory limit".to_owned();
        }
        self.exit.to_string()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(out, "exit status {code}"),
            Exit::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(out, "killed by {name}"),
                None => write!(out, "killed by signal {signal}"),
            },
            Exit::Exec(error) => write!(out, "{error}"),
            Exit::Unknown => write!(out, "exit status unknown: its keeper was killed"),
        }
    }
}

/// `SIGTERM` and so on.
pub fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_like_a_sentence() {
        assert_eq!(Exit::Code(3).to_string(), "exit status 3");
        assert_eq!(Exit::Signal(9).to_string(), "killed by SIGKILL");
        assert_eq!(Exit::Signal(60).to_string(), "killed by signal 60");
    }

    #[test]
    fn a_kill_by_the_kernel_for_memory_says_so() {
        let status = Status {
            node: "a".into(),
            key: "k".into(),
            pid: 1,
            exit: Exit::Signal(9),
            ended_unix_ms: 0,
            memory_kills: 1,
            left: 0,
        };
        assert_eq!(status.reason(), "killed: memory limit");
    }
}

//! Why a process is gone, in words that somebody can act on.

use serde::{Deserialize, Serialize};

/// Exit status of a node whose configuration is wrong: trying again changes nothing.
pub(super) const CONFIG_WRONG: i32 = 78;
/// SIGTERM.
const TERMINATE: i32 = 15;
/// Most characters of a log line in a reason.
const LINE_MAX: usize = 300;

/// How a process ended, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Its exit status, and the last line of its log.
    Status(i32, String),
    /// The signal that ended it, and the last line of its log.
    Signal(i32, String),
    /// The agent or the kernel killed it for its memory: the limit, for people.
    Memory(String),
    /// Nobody could see its exit status; why.
    Unknown(String),
    /// It could not be started: not worth another try before somebody mends it.
    Exec(String),
    /// Something that it needs was not given to the agent; what.
    Missing(String),
    /// It could not be started for a reason that may pass (no memory, no disk).
    Later(String),
    /// The machine was started anew.
    Rebooted,
}

impl End {
    /// Whether it ended as a program does that is through.
    pub(super) fn is_success(&self) -> bool {
        matches!(self, End::Status(0, _))
    }

    /// Whether it ended as one does that was asked to.
    pub(super) fn is_by_request(&self) -> bool {
        matches!(self, End::Status(0, _) | End::Signal(TERMINATE, _))
    }

    /// Whether the same again would come of another start.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            End::Status(CONFIG_WRONG, _) | End::Exec(_) | End::Missing(_)
        )
    }

    /// For people.
    pub fn reason(&self) -> String {
        match self {
            End::Status(CONFIG_WRONG, line) => {
                with_line("exit status 78 (its config is wrong)", line)
            }
            End::Status(status, line) => with_line(&format!("exit status {status}"), line),
            End::Signal(signal, line) => {
                with_line(&format!("ended by {}", signal_name(*signal)), line)
            }
            End::Memory(limit) => format!("killed: memory limit {limit}"),
            End::Unknown(why) => format!("exit status unknown: {why}"),
            End::Exec(error) => format!("exec: {error}"),
            End::Missing(what) => what.clone(),
            End::Later(error) => format!("not started: {error}"),
            End::Rebooted => "machine rebooted".to_owned(),
        }
    }
}

/// Programs print what they like; a reason is one line of text.
fn with_line(text: &str, line: &str) -> String {
    let visible = line.chars().filter(|c| !c.is_control());
    let line: String = visible.take(LINE_MAX).collect();
    match line.trim() {
        "" => text.to_owned(),
        line => format!("{text}: {line}"),
    }
}

/// `SIGKILL` for 9; `signal 64` where there is no name.
pub fn signal_name(signal: i32) -> String {
    // Numbers of Linux on the machines it is usual on; macOS differs above 15 in what nobody sends.
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let at = usize::try_from(signal)
        .ok()
        .and_then(|at| at.checked_sub(1));
    match at.and_then(|at| NAMES.get(at)) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_status_signal_and_the_last_words() {
        let line = "boot: no such service".to_owned();
        let texts = [
            (
                End::Status(1, line.clone()),
                "exit status 1: boot: no such service",
            ),
            (End::Status(3, " ".to_owned()), "exit status 3"),
            (End::Signal(11, String::new()), "ended by SIGSEGV"),
            (End::Signal(40, String::new()), "ended by signal 40"),
            (
                End::Memory("4 GiB".to_owned()),
                "killed: memory limit 4 GiB",
            ),
            (End::Exec("no such file".to_owned()), "exec: no such file"),
        ];
        for (end, text) in texts {
            assert_eq!(end.reason(), text);
        }
        let long = End::Status(1, "ä\0\u{1b}".repeat(500)).reason();
        assert_eq!(long, format!("exit status 1: {}", "ä".repeat(LINE_MAX)));
    }
}

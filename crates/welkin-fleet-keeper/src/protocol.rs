//! What is said on `keeper.sock`: JSON lines, frozen.
//!
//! Keepers live as long as their nodes, so an agent meets keepers of any older version. Hence the rule:
//! a word that is here keeps its meaning for ever; fields are only added, each with a default; a keeper
//! answers a word it does not know with an error. Descriptors travel beside the first byte of the line
//! they belong to.
//!
//! ```text
//! {"ask":"who"}                   {"who":{...}}      with the pidfd, then the output pipe if there is one
//! {"ask":"signal","signal":15}    "done"             to the node's main process
//! {"ask":"kill"}                  "done"             SIGKILL to all of the node
//! {"ask":"reopen-log"}            "done"             output goes to a new file
//! {"ask":"status"}                {"ended":{...}} or {"running":{"lost":0}}
//!                                 {"ended":{...}}    unasked, to everybody, when the node ends
//! anything else                   {"error":"..."}
//! ```

use serde::{Deserialize, Serialize};

use crate::status::Status;

/// The version that this build speaks.
pub const PROTOCOL: u32 = 1;
/// Longest line.
pub const LINE_MAX: usize = 4096;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Who is it?
    Who,
    /// A signal for the node's main process.
    Signal {
        /// Its number.
        signal: i32,
    },
    /// SIGKILL for all processes of the node.
    Kill,
    /// Begin a new log file.
    ReopenLog,
    /// How did it end? Answered, it counts as known: a keeper that cannot write it to disk may go.
    Status,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Who`].
    Who(Who),
    /// It was done.
    Done,
    /// To [`Ask::Status`]: it runs.
    Running(Running),
    /// It has ended.
    Ended(Status),
    /// It was not done.
    Error(String),
}

/// Who a keeper is, and its node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Who {
    /// [`PROTOCOL`] of the keeper.
    pub protocol: u32,
    /// Process of the keeper.
    pub keeper: u32,
    /// Name of the node.
    pub node: String,
    /// `WELKIN_START` of this life.
    pub key: String,
    /// Full digest of the release.
    pub release: Option<String>,
    /// As in `start.json`.
    pub life: u64,
    /// Process of the node. With [`crate::start::Stay::Descendants`] it may change.
    pub pid: u32,
    /// Unix milliseconds.
    pub started_unix_ms: u64,
    /// Whether it was taken over: its exit status will be unknown.
    pub taken_over: bool,
    /// The node's cgroup; none: it has none of its own.
    pub cgroup: Option<String>,
    /// Whether the kernel enforces the memory limit; otherwise the agent watches.
    pub memory_enforced: bool,
    /// Whether the kernel enforces the share of CPU.
    pub cpu_enforced: bool,
    /// What could not be set up, for people.
    pub notes: Vec<String>,
}

/// A node that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Running {
    /// Lines of output that could not be written since the keeper began.
    pub lost: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_frozen() {
        let line = |ask: &Ask| serde_json::to_string(ask).unwrap();
        assert_eq!(line(&Ask::Who), r#"{"ask":"who"}"#);
        assert_eq!(
            line(&Ask::Signal { signal: 15 }),
            r#"{"ask":"signal","signal":15}"#
        );
        assert_eq!(line(&Ask::Kill), r#"{"ask":"kill"}"#);
        assert_eq!(line(&Ask::ReopenLog), r#"{"ask":"reopen-log"}"#);
        assert_eq!(line(&Ask::Status), r#"{"ask":"status"}"#);
        assert_eq!(serde_json::to_string(&Answer::Done).unwrap(), r#""done""#);
        assert_eq!(
            serde_json::to_string(&Answer::Running(Running { lost: 1 })).unwrap(),
            r#"{"running":{"lost":1}}"#
        );
    }

    #[test]
    fn fields_of_later_versions_do_no_harm() {
        let text = r#"{"who":{"node":"a","pid":7,"of-later":[1]}}"#;
        let Answer::Who(who) = serde_json::from_str(text).unwrap() else {
            panic!("not who");
        };
        assert_eq!((who.node.as_str(), who.pid), ("a", 7));
    }
}

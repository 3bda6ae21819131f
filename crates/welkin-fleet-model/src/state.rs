//! The states of a node, and what an agent reports of one.

use serde::{Deserialize, Serialize};

/// How a node is. `Unknown` is the master's word for a node whose agent is away.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not running, and not wanted to.
    #[default]
    Stopped,
    /// Running, not ready for the first time yet.
    Starting,
    /// Running and well.
    Ready,
    /// Running, health fails.
    NotReady,
    /// Running, takes no new players.
    Draining,
    /// Asked to end.
    Stopping,
    /// Ended unasked; started again at `next_try_unix_ms`.
    BackingOff,
    /// Given up; needs a start.
    Failed,
    /// Its agent is not connected.
    Unknown,
}

impl State {
    /// All of them, in the order of the declaration.
    pub const ALL: [State; 9] = [
        State::Stopped,
        State::Starting,
        State::Ready,
        State::NotReady,
        State::Draining,
        State::Stopping,
        State::BackingOff,
        State::Failed,
        State::Unknown,
    ];

    /// The word for it in tables, in JSON and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::Starting => "starting",
            State::Ready => "ready",
            State::NotReady => "not-ready",
            State::Draining => "draining",
            State::Stopping => "stopping",
            State::BackingOff => "backing-off",
            State::Failed => "failed",
            State::Unknown => "unknown",
        }
    }

    /// Whether a process of the node is there.
    pub fn is_running(self) -> bool {
        matches!(
            self,
            State::Starting | State::Ready | State::NotReady | State::Draining | State::Stopping
        )
    }
}

/// What an agent says of one node, at each change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// How it is.
    pub state: State,
    /// Since when, Unix milliseconds of the agent's clock.
    pub since_unix_ms: u64,
    /// The order's `life` that it lives (or last lived).
    pub life: u64,
    /// Version of the orders that the agent has carried out, or is carrying out, for it.
    pub orders: u64,
    /// Of the node itself, not of its keeper.
    pub pid: Option<u32>,
    /// When this process was started, Unix milliseconds.
    pub started_unix_ms: Option<u64>,
    /// `WELKIN_START` of this process.
    pub start_key: Option<String>,
    /// Full digest of the release it runs; none: started from a plain folder.
    pub release: Option<String>,
    /// Unasked ends that were followed by a start, since the last start that was asked for.
    pub restarts: u32,
    /// What an operator can act on: the last exit status or signal by name, the last line of the log,
    /// the limit that was hit, the health check's words. Empty: nothing to say.
    pub reason: String,
    /// Of `BackingOff`: when it is started again, Unix milliseconds.
    pub next_try_unix_ms: Option<u64>,
    /// A drain that was asked for is in force (it outlives the node's restart).
    pub drained: bool,
    /// Seconds after which a stop had to kill it; none: it ended by itself.
    pub killed_after_s: Option<u64>,
    /// It was started by hand and registered itself: its output is not ours, its exit status unknown.
    pub adopted: bool,
    /// What an operator must know of the process that runs, a short phrase each: limits that are not held.
    pub notes: Vec<String>,
    /// Later orders that change something for it and are not followed: the agent cannot write them down.
    pub unwritten: Option<Unwritten>,
}

/// Orders that an agent has and cannot write down, so that it does not follow them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unwritten {
    /// Their version.
    pub orders: u64,
    /// The file on the machine, and what the system said of it.
    pub why: String,
}

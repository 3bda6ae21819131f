//! A node as the fleet file describes it, with `[defaults]` and its group's settings merged in: all that
//! an agent must know to run it. Times are milliseconds, sizes bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One `[node.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeEntry {
    /// Its name, unique in the fleet.
    pub name: String,
    /// Name of the machine it runs on.
    pub machine: String,
    /// `ip:port` in the cluster config, if the fleet has one.
    pub address: Option<String>,
    /// For selection and for order.
    pub group: Option<String>,
    /// Working folder, below the release unless absolute.
    pub dir: String,
    /// Split like a shell does; `{node} {config} {release} {dir} {secrets}` are replaced.
    pub command: String,
    /// What `{config}` stands for.
    pub config: Option<String>,
    /// When to start again.
    pub restart: Restart,
    /// How long to wait before that.
    pub backoff: Backoff,
    /// When to stop trying.
    pub give_up: GiveUp,
    /// How readiness is found.
    pub ready: Ready,
    /// What happens while it runs but is not well.
    pub health: Health,
    /// How long the steps of a stop may take.
    pub stop: StopTimes,
    /// Run in place of the drain over the control socket, split as `command`.
    pub drain_command: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// Names of the secrets it is given as files.
    pub secrets: Vec<String>,
    /// Further environment.
    pub env: BTreeMap<String, String>,
    /// `<service>.<command>` that tells how many players there are.
    pub online: Option<String>,
    /// User to run as, where the agent is root.
    pub user: Option<String>,
    /// The node stands in no fleet file: the machine's `start.sh` starts it.
    pub scripted: bool,
}

impl Default for NodeEntry {
    fn default() -> Self {
        Self {
            name: String::new(),
            machine: String::new(),
            address: None,
            group: None,
            dir: ".".to_owned(),
            command: "welkin {config}".to_owned(),
            config: None,
            restart: Restart::OnFailure,
            backoff: Backoff::default(),
            give_up: GiveUp::default(),
            ready: Ready::default(),
            health: Health::default(),
            stop: StopTimes::default(),
            drain_command: None,
            limits: Limits::default(),
            secrets: Vec::new(),
            env: BTreeMap::new(),
            online: None,
            user: None,
            scripted: false,
        }
    }
}

/// When a node that ended without being asked is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Unless its exit status was 0 or 78 (config wrong).
    #[default]
    OnFailure,
    /// After status 0 too; not after 78.
    Always,
    /// Never.
    Never,
}

/// Waiting between starts: doubles from `first_ms` to `max_ms`, forgotten after `reset_ms` of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// First wait.
    pub first_ms: u64,
    /// Longest wait.
    pub max_ms: u64,
    /// Running this long makes the next wait the first again.
    pub reset_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first_ms: 1_000,
            max_ms: 60_000,
            reset_ms: 600_000,
        }
    }
}

/// A node that was started `starts` times `within_ms` is `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveUp {
    /// How many starts.
    pub starts: u32,
    /// In what time.
    pub within_ms: u64,
}

impl Default for GiveUp {
    fn default() -> Self {
        Self {
            starts: 5,
            within_ms: 120_000,
        }
    }
}

/// How and until when a started node becomes ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// From the start.
    pub timeout_ms: u64,
    /// Who says so.
    pub probe: Probe,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            probe: Probe::Control,
        }
    }
}

/// What tells that a node is ready, and well afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// The node itself, over the control socket.
    #[default]
    Control,
    /// A TCP port of 127.0.0.1 that accepts.
    Tcp(u16),
    /// A debug console on that port of 127.0.0.1 answers `list`.
    Console(u16),
    /// An `http://` address answers with a status of 200 to 299.
    Http(String),
    /// Nobody: it runs that many milliseconds.
    After(u64),
}

/// What follows from health that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `not-ready` for this long restarts the node; none: never.
    pub restart_after_ms: Option<u64>,
}

/// The steps of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopTimes {
    /// For draining.
    pub drain_ms: u64,
    /// From SIGTERM to SIGKILL.
    pub kill_ms: u64,
}

impl Default for StopTimes {
    fn default() -> Self {
        Self {
            drain_ms: 30_000,
            kill_ms: 10_000,
        }
    }
}

/// What a node may use; none: what the agent may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Resident size in bytes.
    pub memory: Option<u64>,
    /// Open files.
    pub nofile: Option<u64>,
    /// Share of CPU in cores, `1.5` for one and a half.
    pub cpu: Option<f64>,
}

//! What a client asks of the master and hears back. Columns, words and exit statuses are those of
//! `fleet.md` section 3.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Client to master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToMaster {
    /// A command. What it uploads (a release, a backup) comes as stream `id`.
    Call {
        /// Unique in the connection.
        id: u64,
        /// What.
        command: Box<Command>,
        /// How.
        options: Options,
    },
    /// Nobody listens to that call any more. The work goes on.
    Forget {
        /// Of the call.
        id: u64,
    },
    /// A signing request (PEM) for the client's own certificate.
    Renew(String),
}

/// Master to client. Output that is not a table (logs, backups) comes as stream `id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromMaster {
    /// Something to show meanwhile.
    Progress {
        /// Of the call.
        id: u64,
        /// One line.
        text: String,
    },
    /// The end of the call.
    Done {
        /// Of the call.
        id: u64,
        /// What came of it.
        outcome: Box<Outcome>,
    },
    /// Answer to [`ToMaster::Renew`].
    Renewed {
        /// PEM.
        certificate: String,
        /// PEM.
        authorities: String,
    },
}

/// How a command is to be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The client waits that long.
    pub timeout_ms: u64,
    /// Do not wait for another command on the same node: answer `busy`.
    pub or_busy: bool,
    /// Do not keep what cannot be done now for an agent that is away.
    pub now_or_never: bool,
}

/// A selection of nodes: names, `group:G`, `machine:M`, `all`, globs. Empty: all.
pub type Sel = Vec<String>;

/// The commands. Those of the founding note (`vmstat` and so on) are [`Command::Figures`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The fields say what the command line says.
pub enum Command {
    List {
        sel: Sel,
    },
    Status {
        sel: Sel,
    },
    Machines,
    Start {
        sel: Sel,
        no_wait: bool,
        force: bool,
    },
    Stop {
        sel: Sel,
    },
    Restart {
        sel: Sel,
        at_once: u32,
    },
    Drain {
        sel: Sel,
        off: bool,
    },
    /// `release`: an id or the beginning of one; none: the release comes as the call's stream, an archive.
    Update {
        sel: Sel,
        release: Option<String>,
        label: String,
        signature: Option<String>,
        no_rollback: bool,
    },
    /// `update.sh` on each machine.
    UpdateScript {
        sel: Sel,
        restart: bool,
    },
    UpdateContinue,
    UpdateCancel,
    Rollback {
        sel: Sel,
    },
    Releases {
        prune: Option<u32>,
    },
    Figures {
        kind: Figures,
        sel: Sel,
    },
    Online {
        sel: Sel,
    },
    Logs {
        node: String,
        follow: bool,
        since_unix_ms: Option<u64>,
        lines: u64,
        script: bool,
    },
    Exec {
        node: String,
        line: String,
    },
    /// `file`: the text of the fleet file; `cluster`: the text of the cluster config it names.
    Apply {
        file: String,
        cluster: Option<String>,
        dry_run: bool,
        restart: bool,
    },
    Export,
    /// Base64.
    SecretSet {
        name: String,
        content: String,
    },
    SecretList,
    SecretDrop {
        name: String,
    },
    Token {
        name: String,
        role: String,
        ttl_ms: u64,
        replace: bool,
    },
    Certs {
        rotate_ca: bool,
    },
    Revoke {
        name: String,
    },
    Upgrade {
        machines: Vec<String>,
        /// Empty: it follows as the call's stream, with the fields of an update.
        release: String,
        #[serde(default)]
        label: String,
        #[serde(default)]
        signature: Option<String>,
    },
    Audit {
        since_unix_ms: Option<u64>,
        node: Option<String>,
        verify: bool,
        /// Of `--log`: the lines of the master's log that hold hashes of the chain.
        #[serde(default)]
        logged: Vec<String>,
    },
    /// The backup comes as the call's stream.
    Backup {
        passphrase: String,
    },
    History {
        node: String,
    },
    /// The page's and the metrics' view, all at once, as JSON in `Outcome::rows[0]`.
    Snapshot,
    /// What a node with `master_flag = true` says at its start and when it has changed, on the local
    /// socket only: the nodes of its cluster config (`name` to `ip:port`), and which of them is its own.
    /// Those that stand in no fleet file are run by the scripts of their machine.
    Classic {
        master: String,
        nodes: std::collections::BTreeMap<String, String>,
    },
    /// Ends the master (`master --end`).
    End,
    /// What a node's `set_online` says (its own machine's agent passes it on).
    SetOnline {
        node: String,
        players: Option<u64>,
    },
}

impl Command {
    /// Whether a release follows as the call's stream.
    pub fn uploads(&self) -> bool {
        match self {
            Command::Update { release, .. } => release.is_none(),
            Command::Upgrade { release, .. } => release.is_empty(),
            _ => false,
        }
    }
}

/// The figures commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Figures {
    Cpu,
    Mem,
    Vmstat,
    Netstat,
    Free,
    Disc,
}

/// What came of a call. A row is an object whose keys are `columns`; sizes in bytes, times in seconds
/// or RFC 3339. Further keys are for `--json` alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// How it ended; the client's exit status.
    pub status: Status,
    /// Shown above the table.
    pub head: Vec<String>,
    /// Keys of a row that the table shows, in order.
    pub columns: Vec<String>,
    /// The results.
    pub rows: Vec<Map<String, Value>>,
    /// What failed.
    pub errors: Vec<Trouble>,
    /// Shown below the table.
    pub tail: Vec<String>,
}

/// One thing that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trouble {
    /// Node or machine; empty: the command as a whole.
    pub node: String,
    /// A word for programs: `busy`, `unreachable`, `refused`, `failed`, `unknown-node`, `not-permitted`.
    pub code: String,
    /// For people.
    pub text: String,
}

/// Exit statuses of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// 0: all targets succeeded.
    #[default]
    Done,
    /// 1: some failed or were refused.
    Failed,
    /// 2: the command or the fleet file is wrong.
    Usage,
    /// 3: the master cannot be reached.
    Unreachable,
    /// 4: not permitted.
    Forbidden,
    /// 5: an update was rolled back.
    RolledBack,
    /// 6: timed out; the work goes on.
    TimedOut,
}

impl Status {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

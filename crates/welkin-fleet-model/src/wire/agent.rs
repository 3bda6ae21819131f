//! What master and agent say to each other.
//!
//! The master says what it *wants*: [`Orders`] hold the whole of it for one machine, so that they may be
//! sent again and again. The agent writes them down before it acts, and acts on the last it has when the
//! master is away. Work in order (groups, rolls) is the master's: it changes what it wants step by step
//! and waits for the reports.

use serde::{Deserialize, Serialize};

use crate::entry::NodeEntry;
use crate::figures::{MachineFigures, NodeFigures};
use crate::state::NodeReport;

/// All that is wanted of a machine. `version` grows with each change; lower ones are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Grows.
    pub version: u64,
    /// Name of the fleet.
    pub fleet: String,
    /// One for each node of the machine. A node that is not named any more is stopped and forgotten.
    pub nodes: Vec<Order>,
    /// Start order of groups, first first; for an agent that is alone after a reboot.
    pub groups: Vec<String>,
    /// Limits that hold for all releases and logs of the machine.
    pub keep: Keep,
}

/// What the agent keeps on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// Releases.
    pub releases: u32,
    /// Percent of the disk above which old releases and logs are removed.
    pub clean_above: u32,
    /// Most bytes of an unpacked release.
    pub release_max: u64,
    /// Public keys (minisign) one of which must have signed a release; empty: none needed.
    pub trusted_keys: Vec<String>,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            releases: 5,
            clean_above: 90,
            release_max: 4 << 30,
            trusted_keys: Vec::new(),
        }
    }
}

/// What is wanted of one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    /// How to run it. A changed entry takes effect at its next start.
    pub entry: NodeEntry,
    /// Running or not.
    pub running: bool,
    /// Grows with each start or restart that was asked for. A node that is wanted running and lives an
    /// older life is drained, stopped and started; one that failed is tried anew.
    pub life: u64,
    /// No new players, also after a restart.
    pub drain: bool,
    /// Full digest of the release to run at the next start; none: a plain folder.
    pub release: Option<String>,
    /// Digest to keep on disk for a rollback.
    pub previous: Option<String>,
}

/// Master to agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToAgent {
    /// What is wanted from now on.
    Orders(Orders),
    /// Something to do once; answered by [`FromAgent::Reply`] with the same `id`.
    Ask {
        /// Chosen by the master, unique in the connection; also the number of the stream, if there is one.
        id: u64,
        /// What.
        ask: Ask,
    },
    /// The certificate that was asked for by [`FromAgent::Renew`], with the authorities to trust, PEM.
    Renewed {
        /// The chain.
        certificate: String,
        /// All authorities.
        authorities: String,
    },
}

/// What an agent does once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Take a release: its archive (tar.gz of the folder) comes as stream `id`. The reply follows when
    /// it lies unpacked and verified; at once with `have: true` when it was there.
    Fetch {
        /// Full digest.
        digest: String,
        /// Bytes of the archive.
        archive: u64,
        /// Bytes unpacked.
        unpacked: u64,
        /// minisign signature of the manifest.
        signature: Option<String>,
    },
    /// Check nodes against a release: config, Lua syntax, the binary starts.
    Check {
        /// Full digest; none: as they stand.
        digest: Option<String>,
        /// The nodes.
        nodes: Vec<NodeEntry>,
    },
    /// Run a script of the working folder.
    Script {
        /// Which.
        script: Script,
        /// Its argument.
        node: Option<String>,
    },
    /// Send output of a node as stream `id`; the reply comes at its end (with `follow`: when told by
    /// [`Ask::Cancel`]).
    Logs {
        /// Whose.
        node: String,
        /// At most the last so many lines.
        lines: u64,
        /// Only lines written after this, Unix milliseconds.
        since_unix_ms: Option<u64>,
        /// Go on with what comes.
        follow: bool,
        /// Output of the scripts instead.
        script: bool,
    },
    /// A line for the node's debug console.
    Exec {
        /// Whose.
        node: String,
        /// The line.
        line: String,
    },
    /// A secret, or its end (`content` none). Base64.
    Secret {
        /// Its name.
        name: String,
        /// Base64.
        content: Option<String>,
    },
    /// Remove releases that nobody needs but these (full digests).
    Prune {
        /// Full digests.
        keep: Vec<String>,
    },
    /// Become the binary of that release, which was fetched.
    Upgrade {
        /// Full digest.
        digest: String,
    },
    /// End the asked `id`.
    Cancel {
        /// Of the [`ToAgent::Ask`].
        id: u64,
    },
}

/// The scripts of the founding note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// `start.sh NODE`
    Start,
    /// `stop.sh NODE`
    Stop,
    /// `update.sh`
    Update,
}

/// Agent to master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromAgent {
    /// First message of each connection: all that the agent knows.
    Machine(Box<MachineReport>),
    /// A node has changed.
    Node(NodeReport),
    /// Each 2 s.
    Beat(Box<Beat>),
    /// To [`ToAgent::Ask`].
    Reply {
        /// Of the asking.
        id: u64,
        /// What came of it, or why nothing did.
        reply: Result<Reply, String>,
    },
    /// Something for the master's log and audit: a release removed, a node killed for its memory.
    Note(String),
    /// A signing request (PEM) for the certificate's next life.
    Renew(String),
}

/// A machine and its nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineReport {
    /// The kernel's boot id.
    pub boot_id: String,
    /// Its addresses but loopback.
    pub addresses: Vec<String>,
    /// The last orders, as written down.
    pub orders: Orders,
    /// All its nodes.
    pub nodes: Vec<NodeReport>,
    /// Full digests of the releases that lie there.
    pub releases: Vec<String>,
    /// Names of the scripts that lie in its working folder.
    pub scripts: Vec<Script>,
    /// Full digest of the release whose binary the agent itself is; none: it is of no release.
    pub program: Option<String>,
}

/// Signs of life, with figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beat {
    /// The agent's clock.
    pub unix_ms: u64,
    /// Of the machine.
    pub machine: MachineFigures,
    /// Of its running nodes.
    pub nodes: Vec<NodeFigures>,
}

/// What came of an [`Ask`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// Of a fetch: it was there already.
    pub have: bool,
    /// Of a check: what is wrong, node by node; empty: nothing.
    pub faults: Vec<(String, String)>,
    /// Output: of a script its last 64 KiB, of a console what it printed.
    pub output: String,
    /// Exit status of a script; of a console 1 for `<CMD Error>`.
    pub status: i32,
    /// Of a prune: what was removed (full digests).
    pub removed: Vec<String>,
}

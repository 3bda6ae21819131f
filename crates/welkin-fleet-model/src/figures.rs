//! What is measured of nodes and machines, each 2 s. None: nobody can tell.

use serde::{Deserialize, Serialize};

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFigures {
    /// Its name.
    pub node: String,
    /// 100 is one core, over the last interval.
    pub cpu: Option<f64>,
    /// Resident bytes of all its processes.
    pub memory: Option<u64>,
    /// Its memory limit in bytes.
    pub memory_limit: Option<u64>,
    /// Threads of all its processes.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// Seconds since its process began.
    pub uptime_s: Option<u64>,
    /// TCP connections that are established, as the node tells.
    pub established: Option<u64>,
    /// Listeners.
    pub listen: Option<u64>,
    /// Connections that are closing.
    pub closing: Option<u64>,
    /// Bytes received a second.
    pub rx: Option<f64>,
    /// Bytes sent a second.
    pub tx: Option<f64>,
    /// Services.
    pub services: Option<u64>,
    /// Messages a second.
    pub messages: Option<f64>,
    /// Longest mailbox.
    pub longest_queue: Option<u64>,
    /// Players.
    pub online: Option<u64>,
    /// Players by name, where the hook gave a table.
    pub online_parts: Option<std::collections::BTreeMap<String, u64>>,
    /// Lua errors a minute.
    pub errors: Option<f64>,
    /// Services that do not come to an end, for people.
    pub stuck: Vec<String>,
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineFigures {
    /// Cores.
    pub cores: Option<u32>,
    /// All cores together, 100 is all of them.
    pub cpu: Option<f64>,
    /// Load average of one minute.
    pub load: Option<f64>,
    /// As of vmstat.
    pub vmstat: Option<VmStat>,
    /// Memory in bytes.
    pub memory: Option<Memory>,
    /// Its file systems.
    pub disks: Vec<Disk>,
    /// Bytes received a second on all interfaces but loopback.
    pub rx: Option<f64>,
    /// Bytes sent a second.
    pub tx: Option<f64>,
}

/// The fields of vmstat: processes, KiB a second, counts a second, percents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmStat {
    /// Runnable.
    pub r: u64,
    /// Blocked.
    pub b: u64,
    /// KiB read a second.
    pub bi: f64,
    /// KiB written a second.
    pub bo: f64,
    /// Interrupts a second.
    pub interrupts: f64,
    /// Context switches a second.
    pub switches: f64,
    /// Percent of CPU in user code.
    pub us: f64,
    /// In the kernel.
    pub sy: f64,
    /// Idle.
    pub id: f64,
    /// Waiting for disks.
    pub wa: f64,
}

/// Memory of a machine, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// All.
    pub total: u64,
    /// In use.
    pub used: u64,
    /// Not used for anything.
    pub free: u64,
    /// What programs can have.
    pub available: u64,
    /// Buffers of the kernel.
    pub buffers: u64,
    /// Page cache.
    pub cached: u64,
    /// Swap in use.
    pub swap_used: u64,
    /// All swap.
    pub swap_total: u64,
}

/// One file system, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Its kind.
    pub kind: String,
    /// All.
    pub total: u64,
    /// In use.
    pub used: u64,
    /// Free for the agent's user.
    pub free: u64,
}

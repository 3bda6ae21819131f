//! What a keeper is told, and what is on disk before anything runs: `start.json` and `node.json`.
//!
//! The agent writes `start.json` with a new random start key, then starts the keeper, which reads it under
//! the lock. So whoever comes to the folder later knows by the key whether a `node.json` or a
//! `status.json` belongs to the last start or to one before.
//!
//! Files are written whole: beside their place, to the disk, then renamed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::os::Identity;

/// What to run.
pub const START: &str = "start.json";
/// The node's process.
pub const NODE: &str = "node.json";
/// How it ended.
pub const STATUS: &str = "status.json";
/// Held by the keeper.
pub const LOCK: &str = "lock";
/// Where the keeper is asked.
pub const SOCKET: &str = "keeper.sock";

/// Largest file of the above that is read; ours are far below.
const FILE_MAX: u64 = 1 << 20;

/// All that a keeper must know. Paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// Name of the node: `WELKIN_NODE`.
    pub node: String,
    /// `WELKIN_START`, see [`new_key`].
    pub key: String,
    /// Name of the fleet: `WELKIN_FLEET`.
    pub fleet: String,
    /// Full digest of the release; only passed on.
    pub release: Option<String>,
    /// The agent's number of this life of the node; only passed on.
    pub life: u64,
    /// Program and arguments. A program without a slash is looked up in `PATH`, another one relative to
    /// `folder`.
    pub command: Vec<String>,
    /// Working folder.
    pub folder: PathBuf,
    /// Environment on top of the keeper's own (which is the agent's).
    pub environment: BTreeMap<String, String>,
    /// `WELKIN_CONTROL`: the socket on which the agent waits for the node.
    pub control: Option<PathBuf>,
    /// `WELKIN_SECRETS`: the folder of its secrets.
    pub secrets: Option<PathBuf>,
    /// Where the output goes: files `000001.log` and so on.
    pub logs: PathBuf,
    /// Who it runs as; none: as the agent.
    pub identity: Option<Identity>,
    /// Most open files.
    pub nofile: Option<u64>,
    /// A folder of cgroup v2 that the node is put into; see [`crate::cgroup::Cgroups`].
    pub cgroup: Option<PathBuf>,
    /// `memory.max` in bytes, where there is a cgroup.
    pub memory: Option<u64>,
    /// `cpu.max` in cores, where there is a cgroup.
    pub cpu: Option<f64>,
    /// When the node counts as ended.
    pub stay: Stay,
    /// Filled in by [`crate::agent::spawn`]: the kernel's boot id.
    pub boot: String,
    /// Filled in by [`crate::agent::spawn`]: Unix milliseconds.
    pub started_unix_ms: u64,
}

/// When a node counts as ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stay {
    /// With the program that was started; what it leaves behind is killed.
    #[default]
    Program,
    /// With the last process that came of it: a `start.sh` may put the node into the background.
    Descendants,
}

/// `node.json`: the process of the start `key`. The number alone proves nothing, see
/// [`crate::agent::find`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Of the start.
    pub key: String,
    /// Number of the process.
    pub pid: u32,
    /// Clock ticks from boot to its begin (field 22 of `/proc/PID/stat`).
    pub began_ticks: u64,
}

/// A new start key: 128 random bits as hex.
pub fn new_key() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The kernel's boot id.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// Reads a file of the run folder. None: it is not there.
pub fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> io::Result<Option<T>> {
    let path = folder.join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {error}", path.display()),
        )
    })
}

/// Writes a file of the run folder whole: who reads it sees the old or the new one, after a power cut too.
pub fn write<T: Serialize>(folder: &Path, name: &str, value: &T) -> io::Result<()> {
    let path = folder.join(name);
    let beside = folder.join(format!("{name}.new"));
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a file helps nobody, and its space may be what is missing.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::rename(&beside, &path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_thirty_two_digits_and_never_the_same() {
        let key = new_key().unwrap();
        assert_eq!(key.len(), 32);
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(key, new_key().unwrap());
    }

    #[test]
    fn an_older_start_json_is_understood() {
        let start: Start = serde_json::from_str(r#"{"node":"a","command":["x"]}"#).unwrap();
        assert_eq!(start.stay, Stay::Program);
        assert_eq!(start.command, ["x"]);
    }
}

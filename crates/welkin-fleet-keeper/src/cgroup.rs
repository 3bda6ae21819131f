//! Control groups (cgroup v2): all of a node in one folder of the kernel, to be limited and killed whole.
//!
//! The agent decides whether there are any ([`Cgroups::detect`]): it must stand in a leaf named `agent` of a
//! tree that was delegated to it (systemd 254 and later, `DelegateSubgroup=agent`), or in the root of a tree
//! it may write, as in some containers. The nodes' groups are made beside it. A keeper makes the group of its
//! node, stays outside, and removes it at the end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where groups of nodes can be made.
#[derive(Clone, Debug)]
pub struct Cgroups {
    root: PathBuf,
}

impl Cgroups {
    /// Looks whether this process may make groups. An error says why not, for people.
    pub fn detect() -> Result<Self, String> {
        let mount = mount().ok_or("there is no cgroup v2 file system")?;
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let own = own
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .ok_or("this process is in no cgroup v2")?;
        let root = match own.strip_suffix("agent") {
            _ if own.is_empty() => mount.join("welkin-fleet"),
            Some(parent) if parent.is_empty() || parent.ends_with('/') => mount.join(parent),
            _ => return Err(format!("cgroup /{own} is not delegated to the agent")),
        };
        let usable = fs::create_dir_all(root.join("keepers"));
        usable.map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self { root })
    }

    /// The group of a node, for [`crate::Start::cgroup`].
    pub fn node(&self, name: &str) -> PathBuf {
        let mut folder = String::from("node-");
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => folder.push(byte.into()),
                other => folder.push_str(&format!("%{other:02x}")),
            }
        }
        self.root.join(folder)
    }
}

/// Processes in a group and the groups below it.
pub fn processes(group: &Path) -> Vec<u32> {
    let list = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<u32> = list.lines().filter_map(|line| line.parse().ok()).collect();
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            pids.extend(processes(&below.path()));
        }
    }
    pids
}

/// The group of one node, in its keeper's hands.
#[derive(Debug)]
pub(crate) struct Group {
    pub path: PathBuf,
    pub memory_enforced: bool,
    pub cpu_enforced: bool,
}

impl Group {
    /// Makes the group, or takes the one that is there and empty. An error names the reason.
    pub fn make(path: &Path, memory: Option<u64>, cpu: Option<f64>) -> io::Result<Self> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(pid) = processes(path).first() {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "process {pid} of an earlier start lives in {}",
                    path.display()
                ),
            ));
        }
        if let Some(parent) = path.parent() {
            let keepers = parent.join("keepers");
            let _ = fs::create_dir(&keepers);
            let _ = fs::write(keepers.join("cgroup.procs"), "0");
            for controller in ["+memory", "+cpu"] {
                // Not every tree has each of them; what is missing shows at the limit's file.
                let _ = fs::write(parent.join("cgroup.subtree_control"), controller);
            }
        }
        // A node that has lost a part of itself to the kernel is no node any more.
        let _ = fs::write(path.join("memory.oom.group"), "1");
        let memory = memory.map_or("max".to_owned(), |bytes| bytes.to_string());
        let cpu = cpu.map_or("max".to_owned(), |cores| {
            format!("{} 100000", (cores * 100_000.0).max(1_000.0) as u64)
        });
        Ok(Self {
            memory_enforced: fs::write(path.join("memory.max"), memory).is_ok(),
            cpu_enforced: fs::write(path.join("cpu.max"), cpu).is_ok(),
            path: path.to_owned(),
        })
    }

    /// The group of a node that runs in it already.
    pub fn of_running(path: &Path) -> Option<Self> {
        path.join("cgroup.procs").exists().then(|| Self {
            memory_enforced: path.join("memory.max").exists(),
            cpu_enforced: path.join("cpu.max").exists(),
            path: path.to_owned(),
        })
    }

    /// Puts a process in.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// SIGKILL to all in it, at once (Linux 5.14 and later).
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// How often the kernel killed for `memory.max`.
    pub fn memory_kills(&self) -> u64 {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Removes it with the empty groups below, which the node may have made.
    pub fn remove(&self) {
        remove(&self.path);
    }
}

fn remove(group: &Path) {
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&below.path());
        }
    }
    let _ = fs::remove_dir(group);
}

/// Where cgroup v2 is mounted.
fn mount() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (_, at, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_its_node_whatever_its_name() {
        let groups = Cgroups {
            root: PathBuf::from("/g"),
        };
        assert_eq!(groups.node("login_1"), Path::new("/g/node-login_1"));
        assert_eq!(groups.node("../x y"), Path::new("/g/node-%2e%2e%2fx%20y"));
    }
}

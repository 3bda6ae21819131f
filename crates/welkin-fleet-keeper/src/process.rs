//! What /proc tells of a process, and the proof that a number is the process that is meant.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::os;

/// Names of the fleet's own processes begin so; they are nobody's leftovers.
const OWN: &str = "wk-";

/// Unix milliseconds.
pub fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A pidfd of the process with that number.
pub fn pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// A pidfd of the process with that number if it was started with that key.
pub fn prove(pid: u32, key: &str) -> Option<OwnedFd> {
    let pidfd = pidfd(pid)?;
    let same = start_key(pid).is_some_and(|found| found == key);
    // Still alive after the reading: so what was read was its.
    (same && !os::ended(pidfd.as_fd()).ok()?).then_some(pidfd)
}

/// `WELKIN_START` of a process; none: it has none, has ended, or is not ours to look into.
pub fn start_key(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"WELKIN_START="))
        .map(|key| String::from_utf8_lossy(key).into_owned())
}

/// Whether a process below a keeper belongs to the node with that key: it is no part of the fleet, and
/// no other node's that lost its own keeper.
pub fn belongs(pid: u32, key: &str) -> bool {
    let Ok(name) = fs::read_to_string(format!("/proc/{pid}/comm")) else {
        return false;
    };
    !name.starts_with(OWN) && start_key(pid).is_none_or(|found| found == key)
}

/// SIGKILL to the process group that a child of the caller leads. The child must not have been waited for,
/// else the number may be anybody's.
pub fn kill_group_of_child(pid: u32) {
    os::kill_group_of_child(pid);
}

/// Numbers of the children of a process, all its threads'.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let of_thread = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).ok();
    threads
        .filter_map(|thread| of_thread(thread.ok()?))
        .flat_map(|list| {
            let numbers = list.split_ascii_whitespace();
            numbers.filter_map(|n| n.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// Clock ticks from boot to the begin of a process.
pub fn began_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, so the fields are counted from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_proves_nothing() {
        let own = std::process::id();
        assert!(pidfd(own).is_some());
        assert!(prove(own, "no such key").is_none());
        assert!(began_ticks(own).unwrap() > 0);
    }
}

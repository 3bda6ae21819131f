//! What became of a run folder: asked by an agent that has just (re)started, or lost a keeper.
//!
//! A living keeper tells all. Without one, `status.json` of the last start key tells how the node ended.
//! Without that the keeper was killed, and the node may live: it is looked for by its cgroup and by the
//! number in `node.json`. A number alone proves nothing: a pidfd is opened first, and then the process's
//! environment must hold the start key, so what is found cannot be another process.

use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{Handle, connect};
use crate::cgroup;
use crate::os;
use crate::process;
use crate::protocol::Who;
use crate::start::{self, LOCK, NODE, Node, START, STATUS, Start};
use crate::status::Status;

/// How long a keeper that holds the lock may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// What there is in a run folder.
#[derive(Debug)]
pub enum Found {
    /// No start was ever written down here.
    Empty,
    /// A keeper lives, and answers.
    Keeper(Box<Handle>),
    /// The last start has ended, and how.
    Ended(Box<Start>, Status),
    /// Its keeper was killed, the node lives: [`super::take_over`] it.
    Orphan(Box<Orphan>),
    /// It ran before the machine was rebooted, and left no status.
    Rebooted(Box<Start>),
    /// The keeper and the node are gone and left no status. `ran`: the node's program had been begun, so
    /// this is an end with an unknown status; else the agent died in the middle of the start.
    Nothing {
        /// What was to run.
        start: Box<Start>,
        /// Whether a process was made for it.
        ran: bool,
    },
}

/// A node that lives without a keeper.
#[derive(Debug)]
pub struct Orphan {
    who: Who,
    pidfd: OwnedFd,
    output: Option<OwnedFd>,
}

impl Orphan {
    pub(super) fn new(who: Who, pidfd: OwnedFd, output: Option<OwnedFd>) -> Self {
        Self { who, pidfd, output }
    }

    /// What is known of it.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Its main process.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Its output, if somebody held it.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Whether its main process has ended meanwhile.
    pub fn ended(&self) -> io::Result<bool> {
        os::ended(self.pidfd.as_fd())
    }
}

/// Looks what became of a run folder. Waits for a keeper that is just beginning or ending.
pub fn find(folder: &Path) -> io::Result<Found> {
    let until = Instant::now() + PATIENCE;
    loop {
        match connect(folder) {
            Ok(handle) => return Ok(Found::Keeper(Box::new(handle))),
            Err(_) if Instant::now() < until && held(folder)? => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) if held(folder)? => {
                return Err(io::Error::new(
                    error.kind(),
                    format!(
                        "{} is held, but its keeper does not answer: {error}",
                        folder.join(LOCK).display()
                    ),
                ));
            }
            Err(_) => return without_keeper(folder),
        }
    }
}

/// A node that lives though nobody holds the lock. The caller holds it, or knows that nobody does.
pub(super) fn survivor(folder: &Path) -> io::Result<Option<Orphan>> {
    let Some(start) = start::read::<Start>(folder, START)? else {
        return Ok(None);
    };
    if start.boot != start::boot_id()? {
        return Ok(None);
    }
    let orphan = |pid: u32, pidfd: OwnedFd| Orphan {
        who: Who {
            node: start.node.clone(),
            key: start.key.clone(),
            release: start.release.clone(),
            life: start.life,
            pid,
            started_unix_ms: start.started_unix_ms,
            taken_over: true,
            ..Who::default()
        },
        pidfd,
        output: None,
    };
    let node = start::read::<Node>(folder, NODE)?.filter(|node| node.key == start.key);
    if let Some(node) = &node
        && let Some(pidfd) = process::prove(node.pid, &start.key)
        // The number may have gone to a descendant of the same start: then the main process has ended.
        && process::began_ticks(node.pid) == Some(node.began_ticks)
    {
        return Ok(Some(orphan(node.pid, pidfd)));
    }
    for pid in start.cgroup.iter().flat_map(|path| cgroup::processes(path)) {
        if let Some(pidfd) = process::prove(pid, &start.key) {
            return Ok(Some(orphan(pid, pidfd)));
        }
    }
    Ok(None)
}

fn without_keeper(folder: &Path) -> io::Result<Found> {
    let Some(start) = start::read::<Start>(folder, START)? else {
        return Ok(Found::Empty);
    };
    let start = Box::new(start);
    // A damaged status file tells no more than none.
    let status = start::read::<Status>(folder, STATUS).unwrap_or_default();
    if let Some(status) = status.filter(|status| status.key == start.key) {
        return Ok(Found::Ended(start, status));
    }
    if start.boot != start::boot_id()? {
        return Ok(Found::Rebooted(start));
    }
    if let Some(orphan) = survivor(folder)? {
        return Ok(Found::Orphan(Box::new(orphan)));
    }
    let node = start::read::<Node>(folder, NODE).unwrap_or_default();
    let ran = node.is_some_and(|node| node.key == start.key);
    Ok(Found::Nothing { start, ran })
}

/// Whether somebody holds the lock of the folder.
fn held(folder: &Path) -> io::Result<bool> {
    let file = match OpenOptions::new().read(true).open(folder.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

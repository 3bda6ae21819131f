//! Starting a keeper: for a new node, or for a node that lost its own.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::handle::{acquainted, next_line};
use super::{Error, Handle, Orphan, connect, find};
use crate::lines::Lines;
use crate::start::{self, LOCK, START, Start};

/// How long a keeper may take to have the node running; it only forks, executes and writes two files.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a keeper may take to end after its node has.
const LETTING_GO: Duration = Duration::from_secs(3);

/// What the new keeper hears first, with the lock; on a take-over with the pidfd and, if there is one, the
/// output pipe.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Begin {
    /// Run what `start.json` says; the key must be this.
    Start(String),
    /// Watch over that process, which runs already.
    TakeOver {
        /// Its start key.
        key: String,
        /// Its number.
        pid: u32,
    },
}

/// What the new keeper answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Began {
    /// The node runs and `keeper.sock` answers.
    Running,
    /// Its program could not be run.
    Exec(String),
    /// Something else.
    Failed(String),
}

/// Starts a node: `program` (the `welkin` binary) becomes its keeper by `fleet keeper FOLDER`. Returns when
/// the node's program runs. `start.boot` and `start.started_unix_ms` are filled in here; the key should be
/// new ([`start::new_key`]). The agent may write the key down anywhere before; `start.json` has it too.
pub fn spawn(program: &Path, folder: &Path, start: &Start) -> Result<Handle, Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let lock = lock(folder)?;
    if let Some(orphan) = find::survivor(folder)? {
        return Err(Error::Running(format!(
            "the node runs already as process {}, without a keeper",
            orphan.who().pid
        )));
    }
    let mut start = start.clone();
    start.boot = start::boot_id()?;
    start.started_unix_ms = crate::process::now_unix_ms();
    start::write(folder, START, &start)?;
    begin(program, folder, &Begin::Start(start.key), &[lock.as_fd()])
}

/// Gives a node whose keeper was killed a new one. Its exit status will be [`crate::Exit::Unknown`].
pub fn take_over(program: &Path, folder: &Path, orphan: &Orphan) -> Result<Handle, Error> {
    let lock = lock(folder)?;
    let begin_with = Begin::TakeOver {
        key: orphan.who().key.clone(),
        pid: orphan.who().pid,
    };
    let mut fds = vec![lock.as_fd(), orphan.pidfd()];
    fds.extend(orphan.output());
    begin(program, folder, &begin_with, &fds)
}

/// The lock of a run folder. A keeper whose node has ended lets go of it a moment later; one whose node
/// runs says so.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)?;
    let until = Instant::now() + LETTING_GO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(Error::Io(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if let Ok(Err(_)) = connect(folder).and_then(|mut keeper| keeper.status()) {
            return Err(Error::Running("the node runs already".to_owned()));
        }
        if Instant::now() > until {
            return Err(Error::Running(format!(
                "the node runs already: its keeper holds {}",
                path.display()
            )));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn begin(
    program: &Path,
    folder: &Path,
    begin: &Begin,
    fds: &[BorrowedFd<'_>],
) -> Result<Handle, Error> {
    let folder = fs::canonicalize(folder)?;
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = Command::new(program);
    command
        .arg0("wk-keeper")
        .args(["fleet", "keeper"])
        .arg(&folder)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for name in ["NODE", "START", "CONTROL", "SECRETS", "FLEET"] {
        // What this agent was given itself is not for its nodes.
        command.env_remove(format!("WELKIN_{name}"));
    }
    let mut child = command
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
    drop(command);
    let mut lines = Lines::default();
    let answer = lines
        .send(ours.as_fd(), begin, fds)
        .and_then(|()| answer(&mut lines, &ours));
    if answer.is_err() {
        // Without an answer it may hang anywhere. Not its node: that has its own keeper by then.
        let _ = child.kill();
    }
    // The process that was spawned ends when the keeper has forked off.
    let _ = child.wait();
    match answer? {
        // The starting line goes on as a conversation: so even a short life is told to its end.
        Began::Running => Ok(acquainted(ours, lines)?),
        Began::Exec(text) => Err(Error::Exec(text)),
        Began::Failed(text) => Err(Error::Io(io::Error::other(text))),
    }
}

fn answer(lines: &mut Lines, stream: &UnixStream) -> io::Result<Began> {
    let until = Instant::now() + PATIENCE;
    match next_line(lines, stream, until)? {
        Some(line) => serde_json::from_slice(&line)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        None if lines.over() => Err(io::Error::other("the keeper ended before it had begun")),
        None => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the keeper does not begin",
        )),
    }
}

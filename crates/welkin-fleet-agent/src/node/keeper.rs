//! The keeper of one running node, as a task: news of the node's end go out, signals go in.
//!
//! A keeper that is gone while its node lives is replaced: the task holds the pidfd and the output pipe
//! for that. Calls of `welkin_fleet_keeper` wait for the keeper, so they run on threads that may block.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use welkin_fleet_keeper::agent::{Error, Found, Handle, Heard, Orphan, find, spawn, take_over};
use welkin_fleet_keeper::{Exit, Start, Status, start};

use crate::supervise::End;
use crate::{logs, say};

/// SIGTERM.
const TERMINATE: i32 = 15;
/// SIGKILL.
const KILL: i32 = 9;
/// Between tries to give an orphan a keeper.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a node whose main process may change is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What a task is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    /// SIGTERM.
    Terminate,
    /// SIGKILL for all of it.
    Kill,
    /// The same, as it uses more memory than this, for people.
    Over(String),
}

/// What a task tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The node is gone.
    Ended(End),
    /// Its main process is another one now.
    Process(u32),
    /// For the log.
    Note(String),
}

/// The way to a task. Dropped: the task lets go of the keeper, and the node goes on.
#[derive(Debug)]
pub struct Keeper {
    tell: mpsc::UnboundedSender<Tell>,
}

impl Keeper {
    /// The agent says few things, each at most once in 2 s, so nothing piles up.
    pub fn tell(&self, tell: Tell) {
        // A task that is gone has told the end.
        let _ = self.tell.send(tell);
    }
}

/// The places of one node.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The binary that becomes the keeper.
    pub program: PathBuf,
    /// `run/<node>`.
    pub run: PathBuf,
    /// `logs/<node>`.
    pub logs: PathBuf,
    /// The limit of its memory, in bytes.
    pub memory: Option<u64>,
    /// Its main process may become another: a script puts it into the background.
    pub changes: bool,
}

/// Starts a node; waits until its program runs.
pub fn begin(folder: &Folder, start: &Start) -> Result<Handle, End> {
    spawn(&folder.program, &folder.run, start).map_err(|error| match error {
        Error::Exec(text) => End::Exec(text.strip_prefix("exec: ").unwrap_or(&text).to_owned()),
        Error::Running(text) => End::Later(text),
        Error::Io(error) => End::Later(error.to_string()),
    })
}

/// What is left of a start with that key. `None`: it never came to be.
pub fn look(folder: &Folder, key: &str) -> io::Result<Option<Result<Handle, End>>> {
    let boot = start::boot_id()?;
    Ok(match find(&folder.run)? {
        Found::Keeper(handle) if handle.who().key == key => Some(Ok(*handle)),
        // The machine went down in order, so its keeper still saw how it ended; that is no fault of it.
        Found::Ended(start, _) if start.key == key && start.boot != boot => {
            Some(Err(End::Rebooted))
        }
        Found::Ended(start, status) if start.key == key => Some(Err(folder.end(&status))),
        Found::Rebooted(start) if start.key == key => Some(Err(End::Rebooted)),
        Found::Orphan(orphan) if orphan.who().key == key => Some(folder.regain(&orphan)),
        Found::Nothing { start, ran: true } if start.key == key => Some(Err(End::Unknown(
            "it ended together with its keeper".to_owned(),
        ))),
        _ => None,
    })
}

/// Watches over a node from now on.
pub fn attend(folder: Folder, handle: Handle, news: impl Fn(News) + Send + 'static) -> Keeper {
    let (tell, told) = mpsc::unbounded_channel();
    let task = Task {
        folder: Arc::new(folder),
        told,
        over: None,
        news: Box::new(news),
    };
    tokio::spawn(task.run(handle));
    Keeper { tell }
}

struct Task {
    folder: Arc<Folder>,
    told: mpsc::UnboundedReceiver<Tell>,
    /// It was killed for its memory.
    over: Option<String>,
    news: Box<dyn Fn(News) + Send>,
}

impl Task {
    async fn run(mut self, mut handle: Handle) {
        loop {
            let end = match self.with_keeper(handle).await {
                Some(Left::Ended(status)) => Err(self.folder.end(&status)),
                Some(Left::Orphan(orphan)) => {
                    (self.news)(News::Note(
                        "its keeper was killed; it gets another".to_owned(),
                    ));
                    let folder = Arc::clone(&self.folder);
                    blocking(move || folder.regain(&orphan)).await
                }
                None => return,
            };
            match end {
                Ok(again) => handle = again,
                Err(end) => {
                    let end = match self.over.take() {
                        Some(limit) => End::Memory(limit),
                        None => end,
                    };
                    return (self.news)(News::Ended(end));
                }
            }
        }
    }

    /// `None`: nobody wants to know any more.
    async fn with_keeper(&mut self, mut handle: Handle) -> Option<Left> {
        let watched = handle.as_fd().try_clone_to_owned();
        // It is a local socket that does not block; nothing is read from it here.
        let watched = watched.and_then(|fd| UnixStream::from_std(fd.into()));
        let watched = match watched {
            Ok(watched) => watched,
            Err(error) => {
                say(&format!("{}: {error}", self.folder.run.display()));
                return Some(Left::Orphan(handle.into_orphan()));
            }
        };
        let mut pid = handle.who().pid;
        loop {
            match handle.heard() {
                Ok(Some(Heard::Ended(status))) => return Some(Left::Ended(status)),
                Ok(None) => {}
                Ok(Some(Heard::KeeperGone)) | Err(_) => {
                    return Some(Left::Orphan(handle.into_orphan()));
                }
            }
            tokio::select! {
                // The next wait is for what comes after this moment: `heard` takes all there is.
                _ = watched.readable() => drop(watched.try_io(Interest::READABLE, || {
                    Err::<(), _>(io::ErrorKind::WouldBlock.into())
                })),
                told = self.told.recv() => handle = self.tell(handle, told?).await,
                () = tokio::time::sleep(LOOK), if self.folder.changes => {
                    handle = blocking(move || { let _ = handle.refresh(); handle }).await;
                    if handle.who().pid != pid {
                        pid = handle.who().pid;
                        (self.news)(News::Process(pid));
                    }
                }
            }
        }
    }

    async fn tell(&mut self, mut handle: Handle, tell: Tell) -> Handle {
        if let Tell::Over(limit) = &tell {
            self.over = Some(limit.clone());
        }
        if tell == Tell::Terminate {
            if let Err(error) = handle.signal(TERMINATE) {
                (self.news)(News::Note(format!("SIGTERM: {error}")));
            }
            return handle;
        }
        let (handle, killed) = blocking(move || {
            // The main process at least, should the keeper hang.
            let killed = handle.kill().or_else(|_| handle.signal(KILL));
            (handle, killed)
        })
        .await;
        if let Err(error) = killed {
            (self.news)(News::Note(format!("SIGKILL: {error}")));
        }
        handle
    }
}

enum Left {
    Ended(Status),
    Orphan(Orphan),
}

impl Folder {
    fn end(&self, status: &Status) -> End {
        let line = logs::last_line(&self.logs).unwrap_or_default();
        match &status.exit {
            Exit::Signal(KILL) if status.memory_kills > 0 => End::Memory(match self.memory {
                Some(bytes) => welkin_fleet_model::units::show_size(bytes),
                None => "of the machine".to_owned(),
            }),
            Exit::Code(code) => End::Status(*code, line),
            Exit::Signal(signal) => End::Signal(*signal, line),
            Exit::Exec(text) => End::Exec(text.strip_prefix("exec: ").unwrap_or(text).to_owned()),
            Exit::Unknown => End::Unknown("its keeper was killed".to_owned()),
        }
    }

    /// Gives a node that lives a keeper, however long that takes; or tells its end.
    fn regain(&self, orphan: &Orphan) -> Result<Handle, End> {
        let key = &orphan.who().key;
        loop {
            match find(&self.run) {
                Ok(Found::Keeper(handle)) if handle.who().key == *key => return Ok(*handle),
                Ok(Found::Ended(start, status)) if start.key == *key => {
                    return Err(self.end(&status));
                }
                _ => {}
            }
            if orphan.ended().unwrap_or(false) {
                return Err(End::Unknown("its keeper was killed".to_owned()));
            }
            match take_over(&self.program, &self.run, orphan) {
                Ok(handle) => return Ok(handle),
                Err(error) => say(&format!("{}: no new keeper: {error}", self.run.display())),
            }
            std::thread::sleep(AGAIN);
        }
    }
}

/// Runs what may wait on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It is never cancelled, so it panicked: so does who waits for it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

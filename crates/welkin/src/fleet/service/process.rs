//! The master's and the agent's process of a node: spawned when nobody holds the lock of its folder, and
//! again when it dies.
//!
//! The process leads a session of its own (`welkin fleet detached ...`) and outlives the node. The lock
//! is `lock` in its folder, an exclusive `flock` for as long as it lives. A thread of the node waits for
//! it: for its own child by `wait`, for one that somebody else started by asking for the lock, shared,
//! which is given when the holder is gone. Nothing ticks. Several nodes may do this for one folder: who
//! comes second finds the lock held, its process ends, and it waits like the others.
//!
//! A process that was told to end (`--end`) has written `ended` into the lock file: it is left alone.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Between two starts, at first and at most; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Living that long makes the next pause the first again.
const SETTLED: Duration = Duration::from_secs(60);

/// What is written into the lock file by a process that was told to end.
const ENDED: &str = "ended";

/// One of the two processes.
#[derive(Clone, Debug)]
pub struct Process {
    /// `master` or `agent`.
    pub word: &'static str,
    /// Its folder.
    pub dir: PathBuf,
    /// Its further arguments.
    pub arguments: Vec<OsString>,
}

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// It was told to.
    Ended,
    /// Nobody knows why.
    Died,
}

impl Process {
    /// Keeps it alive, until it is told to end; `log` hears what went wrong.
    pub fn keep(&self, log: impl Fn(String)) {
        let mut pause = PAUSE_FIRST;
        loop {
            let began = Instant::now();
            match self.live(&log) {
                Ok(Gone::Ended) => {
                    log(format!(
                        "the fleet's {} was ended, and is not started again by this node",
                        self.word
                    ));
                    return;
                }
                Ok(Gone::Died) => log(format!(
                    "the fleet's {} has ended, its last words are in {}; it is started again",
                    self.word,
                    self.log_file().display()
                )),
                Err(error) => log(format!(
                    "the fleet's {} cannot be started: {error}; it is tried again. Its folder is {}",
                    self.word,
                    self.dir.display()
                )),
            }
            pause = match began.elapsed() > SETTLED {
                true => PAUSE_FIRST,
                false => (pause * 2).min(PAUSE_MAX),
            };
            thread::sleep(pause);
        }
    }

    /// One life of it, whoever started it.
    fn live(&self, log: &impl Fn(String)) -> io::Result<Gone> {
        make_private(&self.dir)?;
        let lock = self.open_lock()?;
        match lock.try_lock_shared() {
            Ok(()) => {
                // A word of a life before.
                fs::write(self.lock_file(), "")?;
                drop(lock);
                let status = self.spawn(log)?.wait()?;
                if self.was_ended() {
                    return Ok(Gone::Ended);
                }
                // Another may have been faster: then that one is waited for.
                let lock = self.open_lock()?;
                match lock.try_lock_shared() {
                    Err(TryLockError::WouldBlock) => self.wait_for_other(&lock),
                    _ if status.success() => Ok(Gone::Ended),
                    _ => Ok(Gone::Died),
                }
            }
            Err(TryLockError::WouldBlock) => self.wait_for_other(&lock),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn wait_for_other(&self, lock: &File) -> io::Result<Gone> {
        lock.lock_shared()?;
        match self.was_ended() {
            true => Ok(Gone::Ended),
            false => Ok(Gone::Died),
        }
    }

    fn was_ended(&self) -> bool {
        fs::read_to_string(self.lock_file()).is_ok_and(|text| text.trim() == ENDED)
    }

    fn open_lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        options.open(self.lock_file())
    }

    fn lock_file(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Beside the folder: what the process says before it has a log of its own.
    fn log_file(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    /// Its own binary after an upgrade, as long as that starts; else the node's.
    fn program(&self) -> io::Result<PathBuf> {
        let upgraded = self.dir.join("welkin");
        let starts = |program: &Path| {
            let mut asked = Command::new(program);
            let asked = asked.arg("--version").stdin(Stdio::null());
            asked.output().is_ok_and(|output| output.status.success())
        };
        match upgraded.exists() && starts(&upgraded) {
            true => Ok(upgraded),
            false => own_program(),
        }
    }

    fn spawn(&self, log: &impl Fn(String)) -> io::Result<Child> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let said = options.open(self.log_file())?;
        let child = Command::new(self.program()?)
            .arg0(format!("wk-{}", self.word))
            .args(["fleet", "detached", self.word, "--dir"])
            .arg(&self.dir)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        leave_cgroup(self.word, child.id());
        log(format!(
            "the fleet's {} is started as process {}",
            self.word,
            child.id()
        ));
        Ok(child)
    }
}

/// The file of this program; one that was replaced since is still there under the second name.
fn own_program() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    match own.exists() {
        true => Ok(own),
        false => Ok("/proc/self/exe".into()),
    }
}

/// The folder, for its owner alone.
fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// Puts the process beside the node's cgroup, where that is permitted: an end of the node's whole cgroup
/// would else be its end too. Where it is not permitted there is nothing to be said.
fn leave_cgroup(word: &str, id: u32) {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return;
    };
    // In the root group, as in most containers, there is nothing to leave.
    if own.is_empty() {
        return;
    }
    let group = Path::new("/sys/fs/cgroup").join(own);
    let group = group.with_file_name(format!("welkin-{word}-{id}"));
    if fs::create_dir(&group).is_ok()
        && fs::write(group.join("cgroup.procs"), id.to_string()).is_err()
    {
        let _ = fs::remove_dir(&group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str) -> Process {
        let dir =
            std::env::temp_dir().join(format!("welkin-keep-{}-{name}/agent", std::process::id()));
        make_private(&dir).unwrap();
        Process {
            word: "agent",
            dir,
            arguments: Vec::new(),
        }
    }

    /// How the wait for a process ends that somebody else started and that writes `word` at its end.
    fn other_ends_with(name: &str, word: &str) -> Gone {
        let process = process(name);
        let held = process.open_lock().unwrap();
        held.lock().unwrap();
        fs::write(process.lock_file(), word).unwrap();
        let waits = thread::spawn({
            let process = process.clone();
            move || {
                process
                    .wait_for_other(&process.open_lock().unwrap())
                    .unwrap()
            }
        });
        drop(held);
        let gone = waits.join().unwrap();
        let _ = fs::remove_dir_all(process.dir.parent().unwrap());
        gone
    }

    #[test]
    fn one_that_was_told_to_end_is_told_from_one_that_died() {
        assert_eq!(other_ends_with("died", "4711\n"), Gone::Died);
        assert_eq!(other_ends_with("ended", "ended\n"), Gone::Ended);
    }
}

//! The node in its keeper's hands: started or taken over, signalled, killed whole, and waited for.
//!
//! A number is only used for a child that was not waited for yet, all else goes by pidfd or cgroup. So the
//! main process stays unwaited until its group is dead.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};

use crate::cgroup::Group;
use crate::os::{self, Program, Step};
use crate::process;
use crate::start::{self, NODE, Node as NodeFile, Start, Stay};
use crate::status::Exit;

/// How long killed processes may take to die; one in an uninterruptible wait would hold the end for ever.
const DYING: Duration = Duration::from_secs(5);

/// The processes of one node.
#[derive(Debug)]
pub struct Node {
    key: String,
    stay: Stay,
    /// Main process; with [`Stay::Descendants`] the oldest that is left.
    pub pid: u32,
    pub pidfd: OwnedFd,
    pub group: Option<Group>,
    /// It was started by another keeper, so it is not our child.
    pub taken_over: bool,
    /// What could not be set up.
    pub notes: Vec<String>,
}

/// A node that has ended.
#[derive(Debug)]
pub struct End {
    pub exit: Exit,
    pub left: u32,
    pub memory_kills: u64,
}

impl Node {
    /// Starts the program. Inner error: it could not be run, for people.
    pub fn start(start: &Start, output: &OwnedFd) -> io::Result<Result<Self, String>> {
        let mut notes = Vec::new();
        let group = match &start.cgroup {
            None => None,
            Some(path) => match Group::make(path, start.memory, start.cpu) {
                Ok(group) => Some(group),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Err(error),
                Err(error) => {
                    notes.push(format!("no cgroup {}: {error}", path.display()));
                    None
                }
            },
        };
        let Some(program) = start.command.first().filter(|word| !word.is_empty()) else {
            return Ok(Err("exec: the command is empty".to_owned()));
        };
        let environment = environment(start);
        let paths = paths(program, &environment);
        let environment: Vec<_> = environment.into_iter().collect();
        let prepared = Program::new(&paths, &start.command, &environment, &start.folder)?
            .with(start.identity.clone(), start.nofile);
        let waiting = prepared.fork(output)?;
        let pid = waiting.pid;
        let Some(pidfd) = process::pidfd(pid) else {
            return Err(io::Error::other("no pidfd: Linux 5.3 or later is needed"));
        };
        if let Some(group) = &group {
            group.add(pid)?;
        }
        // It begins only when its number is on disk: should we be killed, it can be found.
        let file = NodeFile {
            key: start.key.clone(),
            pid,
            began_ticks: process::began_ticks(pid).unwrap_or(0),
        };
        start::write(Path::new("."), NODE, &file)?;
        if let Err((step, error)) = waiting.go()? {
            reap(pid)?;
            if let Some(group) = &group {
                group.remove();
            }
            return Ok(Err(explain(start, program, step, &error)));
        }
        Ok(Ok(Self {
            key: start.key.clone(),
            stay: start.stay,
            pid,
            pidfd,
            group,
            taken_over: false,
            notes,
        }))
    }

    /// Takes a node that runs.
    pub fn take_over(start: &Start, pid: u32, pidfd: OwnedFd) -> Self {
        Self {
            key: start.key.clone(),
            stay: start.stay,
            pid,
            pidfd,
            group: start.cgroup.as_deref().and_then(Group::of_running),
            taken_over: true,
            notes: Vec::new(),
        }
    }

    /// Kills all of it. What has left its group and hangs below another process of it follows at the end.
    pub fn kill(&self) -> io::Result<()> {
        if let Some(group) = &self.group
            && group.kill().is_ok()
        {
            return Ok(());
        }
        if self.taken_over {
            if os::kill_group(self.pidfd.as_fd()).is_err() {
                self.kill_tree();
            }
            return Ok(());
        }
        os::kill_group_of_child(self.pid);
        for pid in self.children() {
            os::kill_child(pid);
        }
        Ok(())
    }

    /// Waits, without blocking, for what has ended. Some: the node has.
    pub fn reap(&mut self) -> io::Result<Option<End>> {
        if self.taken_over {
            let ended = os::ended(self.pidfd.as_fd())?;
            return Ok(ended.then(|| self.end(Exit::Unknown, 0)));
        }
        while let Some(pid) = os::ended_child()? {
            if pid != self.pid {
                reap(pid)?;
                continue;
            }
            if self.stay == Stay::Program {
                let left = self.clear();
                let exit = reap(pid)?;
                return Ok(Some(self.end(exit, left)));
            }
            let exit = reap(pid)?;
            if !self.next_main() {
                return Ok(Some(self.end(exit, 0)));
            }
        }
        Ok(None)
    }

    fn end(&self, exit: Exit, left: u32) -> End {
        let memory_kills = self.group.as_ref().map_or(0, Group::memory_kills);
        if let Some(group) = &self.group {
            let _ = group.kill();
            group.remove();
        }
        End {
            exit,
            left,
            memory_kills,
        }
    }

    /// The main process has ended: kills what it left. It is unwaited still, so its group's number is its.
    /// Returns how many there were.
    fn clear(&self) -> u32 {
        let mut seen = BTreeSet::new();
        if let Some(group) = &self.group {
            let left = process_count(&group.path, self.pid);
            seen.extend(left);
            let _ = group.kill();
        }
        let until = Instant::now() + DYING;
        loop {
            let left = self.children();
            let before = left.len();
            let left: Vec<u32> = left.into_iter().filter(|pid| !reaped(*pid)).collect();
            // One that died after the list was made may have left us children that are not on it.
            let complete = left.len() == before;
            if left.is_empty() && complete || Instant::now() > until {
                os::kill_group_of_child(self.pid);
                return u32::try_from(seen.len()).unwrap_or(u32::MAX);
            }
            seen.extend(&left);
            os::kill_group_of_child(self.pid);
            for pid in left {
                os::kill_child(pid);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Our children that belong to the node, but the main process.
    fn children(&self) -> Vec<u32> {
        let all = process::children(std::process::id());
        let others = all.into_iter().filter(|pid| *pid != self.pid);
        others
            .filter(|pid| process::belongs(*pid, &self.key))
            .collect()
    }

    /// With [`Stay::Descendants`]: the oldest process that is left is the node from now on.
    fn next_main(&mut self) -> bool {
        for pid in self.children() {
            if let Some(pidfd) = process::pidfd(pid) {
                (self.pid, self.pidfd) = (pid, pidfd);
                let file = NodeFile {
                    key: self.key.clone(),
                    pid,
                    began_ticks: process::began_ticks(pid).unwrap_or(0),
                };
                // Only for a keeper that is killed; the node runs on without it.
                let _ = start::write(Path::new("."), NODE, &file);
                return true;
            }
        }
        false
    }

    /// Without cgroup, and before Linux 6.9: main process and descendants, each by a pidfd that proves it.
    fn kill_tree(&self) {
        let mut todo = vec![self.pid];
        let mut found = Vec::new();
        while let Some(pid) = todo.pop() {
            todo.extend(process::children(pid));
            found.extend(process::prove(pid, &self.key));
        }
        for pidfd in found {
            let _ = os::signal(pidfd.as_fd(), libc::SIGKILL);
        }
        let _ = os::signal(self.pidfd.as_fd(), libc::SIGKILL);
    }
}

fn process_count(group: &Path, main: u32) -> Vec<u32> {
    let mut pids = crate::cgroup::processes(group);
    pids.retain(|pid| *pid != main);
    pids
}

/// Waits for a child that may not have ended yet.
fn reaped(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    matches!(waitpid(pid, WaitOptions::NOHANG), Ok(Some(_)))
}

/// Waits for a child that has ended.
pub fn reap(pid: u32) -> io::Result<Exit> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let waited = waitpid(pid, WaitOptions::empty())?;
    Ok(waited.map_or(Exit::Unknown, |(_, status)| exit(status)))
}

fn exit(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (_, Some(signal)) => Exit::Signal(signal),
        _ => Exit::Unknown,
    }
}

/// What the program finds: the agent's environment, the user's, what the entry says, and ours.
fn environment(start: &Start) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = env::vars_os().collect();
    let mut set = |name: &str, value: OsString| all.insert(name.into(), value);
    if let Some(who) = &start.identity {
        set("HOME", who.home.clone().into());
        set("USER", who.name.clone().into());
        set("LOGNAME", who.name.clone().into());
    }
    for (name, value) in &start.environment {
        set(name, value.into());
    }
    set("PWD", start.folder.clone().into());
    set("WELKIN_NODE", start.node.clone().into());
    set("WELKIN_START", start.key.clone().into());
    set("WELKIN_FLEET", start.fleet.clone().into());
    if let Some(control) = &start.control {
        set("WELKIN_CONTROL", control.clone().into());
    }
    if let Some(secrets) = &start.secrets {
        set("WELKIN_SECRETS", secrets.clone().into());
    }
    all
}

/// Where the program may lie.
fn paths(program: &str, environment: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    if program.contains('/') {
        return vec![PathBuf::from(program)];
    }
    let path = environment.get(&OsString::from("PATH"));
    let path = path.map_or(&b"/usr/local/bin:/usr/bin:/bin"[..], |path| path.as_bytes());
    path.split(|byte| *byte == b':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| Path::new(std::ffi::OsStr::from_bytes(folder)).join(program))
        .filter(|path| fs::metadata(path).is_ok_and(|file| file.is_file()))
        .chain([PathBuf::from("/nonexistent").join(program)])
        .collect()
}

fn explain(start: &Start, program: &str, step: Step, error: &io::Error) -> String {
    match step {
        Step::Limit => {
            let most = start.nofile.unwrap_or(0);
            format!("exec: open files {most}: {error}; lower limits.nofile or raise the agent's")
        }
        Step::Identity => {
            let name = start.identity.as_ref().map_or("", |who| &who.name);
            format!("exec: user {name}: {error}; the agent must run as root for that")
        }
        Step::Folder => format!("exec: working folder {}: {error}", start.folder.display()),
        Step::Execute => format!("exec: {program}: {error}"),
    }
}

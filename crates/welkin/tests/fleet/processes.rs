//! The processes of a fleet that a test has started in a folder: all that work in it or name it.
//!
//! They are detached, on purpose, so a test that fails would leave them behind: [`Swept`] ends them.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Folder, PATIENCE_S};

/// A process as /proc tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub id: u32,
    /// As killall would see it.
    pub name: String,
    /// With blanks between its words.
    pub command: String,
}

impl Process {
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.id.cast_signed()).expect("it is no group");
        // It may have ended meanwhile.
        let _ = kill_process(id, signal);
    }

    /// Ends it without a chance to say anything, and waits until it is gone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        wait_until("a killed process is gone", || !is_alive(self.id));
    }
}

/// Whether it runs; one that has ended and was not waited for yet does not.
pub fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    state.is_some_and(|state| state != b'Z' && state != b'X')
}

/// All that work in the folder or name it, but this one.
pub fn of(folder: &Path) -> Vec<Process> {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let all = fs::read_dir("/proc").expect("this is Linux").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let belongs = |id: &u32| {
        let cwd = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
        cwd.starts_with(&folder) || names(&command(*id), &folder.to_string_lossy())
    };
    ids.filter(|id| *id != std::process::id() && is_alive(*id))
        .filter(belongs)
        .map(|id| Process {
            id,
            name: fs::read_to_string(format!("/proc/{id}/comm"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
            command: command(id),
        })
        .collect()
}

/// Whether the words name the folder or something in it; the folder of another test may begin like it.
fn names(words: &str, folder: &str) -> bool {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(['/', ' ']);
    words
        .match_indices(folder)
        .any(|(at, _)| ends(&words[at + folder.len()..]))
}

fn command(id: u32) -> String {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Waits for what tells nobody that it has come.
pub fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(PATIENCE_S);
    while !is() {
        assert!(Instant::now() < end, "not within {PATIENCE_S} s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A folder whose processes end with it.
pub struct Swept {
    folder: Folder,
    path: PathBuf,
}

impl Swept {
    pub fn new() -> Self {
        let folder = Folder::new();
        let path = folder.path().canonicalize().expect("it was just made");
        Self { folder, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        self.folder.file(name, text)
    }

    pub fn read(&self, name: &str) -> String {
        self.folder.read(name)
    }

    /// Waits until the file holds `text`.
    pub fn wait_for(&self, name: &str, text: &str) -> String {
        self.folder.wait_for(name, text)
    }
}

impl Drop for Swept {
    fn drop(&mut self) {
        // Agents first, or they would start again what is killed here.
        for _ in 0..10 {
            let mut left = of(&self.path);
            if left.is_empty() {
                return;
            }
            left.sort_by_key(|process| !process.name.starts_with("wk-agent"));
            for process in left {
                process.signal(Signal::KILL);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

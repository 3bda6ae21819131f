//! A run folder with real keepers and real nodes, cleaned up whatever the test did.
#![allow(dead_code)] // Each test file uses a part of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use welkin_fleet_keeper::agent::{connect, find, spawn};
use welkin_fleet_keeper::{Error, Found, Handle, Heard, Start, Status, start};

/// Far more than anything here takes; a test that needs it has failed.
pub const LONG: Duration = Duration::from_secs(30);

pub fn keeper() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_wk-keeper"))
}

pub struct Place {
    pub root: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("wk-test-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        Self { root }
    }

    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// A node that is a shell script.
    pub fn script(&self, script: &str) -> Start {
        Start {
            node: "n_1".into(),
            key: start::new_key().unwrap(),
            fleet: "game".into(),
            command: vec!["sh".into(), "-c".into(), script.into()],
            folder: self.root.clone(),
            logs: self.root.join("logs"),
            ..Start::default()
        }
    }

    pub fn start(&self, start: &Start) -> Result<Handle, Error> {
        spawn(keeper(), &self.run(), start)
    }

    /// Starts a shell script as the node.
    pub fn sh(&self, script: &str) -> Handle {
        self.start(&self.script(script)).unwrap()
    }

    pub fn find(&self) -> Found {
        find(&self.run()).unwrap()
    }

    /// All output so far.
    pub fn log(&self) -> String {
        let mut files: Vec<_> = fs::read_dir(self.root.join("logs"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
            .collect();
        files.sort();
        let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
        texts.collect()
    }

    /// Waits until the output holds that text.
    pub fn logged(&self, text: &str) -> String {
        until(&format!("{text:?} in the output"), || {
            let log = self.log();
            log.contains(text).then_some(log)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut handle) = connect(&self.run()) {
            let _ = handle.kill();
            let _ = handle.wait(LONG);
        }
        if let Ok(Found::Orphan(orphan)) = find(&self.run()) {
            kill9(orphan.who().pid);
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Looks again until there is something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// The end of the node.
pub fn ended(handle: &mut Handle) -> Status {
    match handle.wait(LONG).unwrap() {
        Some(Heard::Ended(status)) => status,
        other => panic!("no end: {other:?}"),
    }
}

pub fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// `kill -9`, as an operator would.
pub fn kill9(pid: u32) {
    send("-KILL", pid);
}

pub fn send(signal: &str, pid: u32) {
    let mut kill = std::process::Command::new("kill");
    assert!(
        kill.arg(signal)
            .arg(pid.to_string())
            .status()
            .unwrap()
            .success()
    );
}

/// Numbers that stand in the output as `pid=<n>`.
pub fn pids(log: &str) -> Vec<u32> {
    let words = log.split_ascii_whitespace();
    words
        .filter_map(|word| word.strip_prefix("pid=")?.parse().ok())
        .collect()
}

//! Starts the real program in a folder of its own and reads what it says.
//!
//! Output is awaited line by line; a limit of [`PATIENCE_S`] seconds is there only so that a broken
//! program ends a test instead of hanging it.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything, in seconds.
pub const PATIENCE_S: u64 = 30;

/// The root of the repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

/// A temporary folder, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("welkin-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("temporary folders can be made");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("temporary files can be written");
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// Waits until the file holds `text`: a file tells nobody that it grew.
    pub fn wait_for(&self, name: &str, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(PATIENCE_S);
        loop {
            let content = self.read(name);
            if content.contains(text) {
                return content;
            }
            assert!(Instant::now() < end, "no {text:?} in {name}: {content}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program, to be started in `folder`.
pub fn welkin(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_welkin"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end; its exit status (-1: a signal), standard output and error.
pub fn output(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let child = welkin(folder, arguments).spawn().expect("welkin starts");
    let id = child.id();
    let (ended, watched) = channel::<()>();
    thread::spawn(move || {
        if watched.recv_timeout(Duration::from_secs(PATIENCE_S)) == Err(RecvTimeoutError::Timeout) {
            signal(id, "KILL");
        }
    });
    let output = child.wait_with_output().expect("it is our child");
    drop(ended);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().unwrap_or(-1);
    (status, text(&output.stdout), text(&output.stderr))
}

/// A running node; killed at the end of the test.
pub struct Node {
    child: Child,
    lines: Receiver<String>,
}

impl Node {
    /// Starts the program; standard output and error come as one stream of lines.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = welkin(folder, arguments).spawn().expect("welkin starts");
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let err = BufReader::new(child.stderr.take().expect("piped"));
        let errors = sender.clone();
        thread::spawn(move || forward(out, |line| sender.send(line).is_ok()));
        thread::spawn(move || forward(err, |line| errors.send(line).is_ok()));
        Self { child, lines }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line; `None` when the program has closed its output.
    pub fn line(&mut self) -> Option<String> {
        self.line_within(Duration::from_secs(PATIENCE_S))
            .unwrap_or_else(|| panic!("no line within {PATIENCE_S} s"))
    }

    /// `None`: nothing came in this time. `Some(None)`: the output is closed.
    pub fn line_within(&mut self, limit: Duration) -> Option<Option<String>> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Some(None),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }

    /// All lines up to the first that contains `text`, this one included.
    pub fn wait_for(&mut self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(line) = self.line() {
            let found = line.contains(text);
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("the program ended without {text:?}: {seen:#?}");
    }

    /// All lines until the output is closed, and how the program ended.
    pub fn finish(&mut self) -> (ExitStatus, Vec<String>) {
        let lines = std::iter::from_fn(|| self.line()).collect();
        (self.child.wait().expect("it is our child"), lines)
    }

    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stream: impl BufRead, mut send: impl FnMut(String) -> bool) {
    for line in stream.split(b'\n').map_while(Result::ok) {
        if !send(String::from_utf8_lossy(&line).into_owned()) {
            return;
        }
    }
}

/// Sends a signal (`HUP`, `TERM`) to a process.
pub fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .expect("kill is there");
    assert!(status.success(), "no process {process}");
}

//! A node under measurement: started with a config of its own, watched, and ended.

use crate::tree;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Worker threads of a node under measurement.
const WORKERS: u32 = 2;

/// Which program is measured.
pub enum Kind {
    /// The binary.
    Welkin(PathBuf),
    /// The checkout, with the binary `skynet` in it.
    Skynet(PathBuf),
}

/// A running node. It is killed when this is dropped, and its folder goes too.
pub struct Node {
    child: Child,
    lines: Receiver<String>,
    folder: PathBuf,
}

impl Node {
    /// Starts a node with `benches/<program>.lua` as its start service and further config lines.
    pub fn start(kind: &Kind, program: &str, config: &[String]) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("welkin-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
        let file = folder.join("config");
        std::fs::write(&file, config_text(kind, program, config))
            .map_err(|e| format!("cannot write {}: {e}", file.display()))?;
        let (binary, working) = match kind {
            Kind::Welkin(binary) => (binary.clone(), folder.clone()),
            Kind::Skynet(checkout) => (checkout.join("skynet"), checkout.clone()),
        };
        let mut child = Command::new(&binary)
            .arg(&file)
            .current_dir(working)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", binary.display()))?;
        let output = child.stdout.take().ok_or("the node has no output")?;
        let (sender, lines) = channel();
        // Ends with the node: its output is at an end then.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            folder,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.pid());
        let status =
            std::fs::read_to_string(&path).map_err(|e| format!("cannot read {path}: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Ok(kib.ok_or_else(|| format!("{path} has no VmRSS"))? * 1024.0)
    }

    /// Waits until the program says READY.
    pub fn wait_ready(&self, limit: Duration) -> Result<(), String> {
        self.wait_line(limit, |line| (line == "READY").then_some(()))
    }

    /// Waits for the line `RESULT name value unit` and gives the value.
    pub fn wait_result(&self, name: &str, limit: Duration) -> Result<f64, String> {
        self.wait_line(limit, |line| {
            let mut words = line.strip_prefix("RESULT ")?.split(' ');
            (words.next()? == name)
                .then(|| words.next()?.parse().ok())
                .flatten()
        })
    }

    fn wait_line<R>(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&str) -> Option<R>,
    ) -> Result<R, String> {
        let deadline = Instant::now() + limit;
        let mut last = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return Ok(found);
                    }
                    if line.starts_with("FAILED") {
                        return Err(line);
                    }
                    last = line;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = limit.as_secs();
                    return Err(format!("no answer in {seconds} s; last line: {last}"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the node has ended; last line: {last}"));
                }
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only for a node that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn config_text(kind: &Kind, program: &str, more: &[String]) -> String {
    let benches = tree::root().join("benches");
    let benches = benches.display();
    let mut lines = vec![
        format!("thread = {WORKERS}"),
        "harbor = 0".to_string(),
        "bootstrap = \"snlua bootstrap\"".to_string(),
        format!("start = \"{program}\""),
    ];
    match kind {
        Kind::Welkin(_) => lines.extend([
            format!("luaservice = \"{benches}/?.lua\""),
            format!("lua_path = \"{benches}/?.lua\""),
        ]),
        Kind::Skynet(checkout) => lines.extend(skynet_paths(checkout, &benches.to_string())),
    }
    lines.extend_from_slice(more);
    lines.join("\n") + "\n"
}

fn skynet_paths(checkout: &Path, benches: &str) -> [String; 5] {
    let at = checkout.display();
    [
        format!("lualoader = \"{at}/lualib/loader.lua\""),
        format!("cpath = \"{at}/cservice/?.so\""),
        format!("lua_cpath = \"{at}/luaclib/?.so\""),
        format!("luaservice = \"{at}/service/?.lua;{benches}/?.lua\""),
        format!("lua_path = \"{at}/lualib/?.lua;{at}/lualib/?/init.lua;{benches}/?.lua\""),
    ]
}

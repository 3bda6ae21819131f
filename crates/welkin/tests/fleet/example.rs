//! `examples/fleet`: one command starts a whole fleet, and Ctrl-C leaves nothing of it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::console::free_port;
use crate::processes::{self, wait_until};
use crate::support::{output, root};

/// The running example. What it says is read as long as it runs, or its own words would end it.
struct Example {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Example {
    fn drop(&mut self) {
        let id = Pid::from_raw(self.child.id().cast_signed()).expect("it is no group");
        // It stops what it has started.
        let _ = kill_process(id, Signal::TERM);
        let _ = self.child.wait();
    }
}

fn status(folder: &Path, master: &Path) -> String {
    let master = master.to_str().expect("a plain path");
    output(folder, &["fleet", "--dir", master, "status"]).1
}

#[test]
fn one_command_starts_a_fleet_and_ctrl_c_ends_it() {
    let mut child = Command::new(root().join("examples/fleet/start.sh"))
        .arg(env!("CARGO_BIN_EXE_welkin"))
        .env("WELKIN_EXAMPLE_HTTP", format!("127.0.0.1:{}", free_port()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("piped"));
    let mut example = Example { child, lines };
    let (mut said, mut master) = (String::new(), None);
    while !said.contains("Ctrl-C stops everything.") {
        let begin = said.len();
        let count = example.lines.read_line(&mut said).expect("it says text");
        assert!(count > 0, "it has ended: {said}");
        let line = said[begin..].trim();
        if let Some(folder) = line.strip_prefix("export WELKIN_FLEET_DIR=") {
            master = Some(PathBuf::from(folder));
        }
    }
    let master = master.expect("it says where the master is");
    let work = master.parent().expect("a folder").to_owned();
    let all = status(&work, &master);
    assert_eq!(all.matches(" ready  yes ").count(), 3, "{all}");
    assert!(said.contains(" update all --release "), "{said}");
    let id = Pid::from_raw(example.child.id().cast_signed()).expect("it is no group");
    kill_process(id, Signal::INT).expect("it runs");
    let mut rest = String::new();
    example
        .lines
        .read_to_string(&mut rest)
        .expect("it says text");
    let ended = example.child.wait().expect("it is our child");
    assert!(ended.success(), "{ended}: {rest}");
    wait_until("nothing is left running", || {
        processes::of(&work).is_empty()
    });
    assert!(fs::metadata(&work).is_err(), "nor on disk");
}

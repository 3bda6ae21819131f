//! Secrets on their way to nodes: only to the machines and nodes that name them, as files for the node's
//! user alone, and nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::fleet::{Fleet, kill_id};
use crate::processes::wait_until;

const CONTENT: &str = "correct-horse-battery-staple";

/// Says how long its secret is, and where it was told to look.
const READER: &str = "
local skynet = require 'skynet'
skynet.start(function()
    local folder = os.getenv 'WELKIN_SECRETS'
    local file = folder and io.open(folder .. '/db.pass')
    skynet.error('secret of ' .. (file and #file:read 'a' or 'no') .. ' bytes')
    skynet.error 'version 1 is up'
end)
";

/// The nodes `a`, which names the secret, and `b`, on `m1`, and `c` on `m2`.
fn fleet() -> Fleet {
    let fleet = Fleet::with_nodes(&[], "");
    fleet.start_far_agent("m2");
    fleet.apply(&["b", "a"], "");
    let file = fleet.folder.read("fleet.toml");
    let file = format!("{file}secrets = [\"db.pass\"]\n[node.c]\nmachine = \"m2\"\n");
    fleet.folder.file("fleet.toml", &file);
    let said = fleet.run(&["apply", "fleet.toml"]);
    let words = said.words();
    assert!(
        words.contains("secret db.pass of node a is not set"),
        "{said:?}"
    );
    let game = fleet.game("v1", "1");
    fs::write(fleet.path().join("v1/main.lua"), READER).expect("files can be made");
    fleet.must(&["update", "all", "--release", &game, "--yes"]);
    fleet
}

fn set(fleet: &Fleet, content: &str) {
    fleet.folder.file("given", content);
    fleet.must(&["secret", "set", "db.pass", "given"]);
    fs::remove_file(fleet.path().join("given")).expect("it was just made");
}

/// Files below a folder that hold a text.
fn holders(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("it has a kind"));
        if kind.is_dir() {
            found.extend(holders(&path, text));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_is_with_its_node_and_nowhere_else() {
    let fleet = fleet();
    let said = fleet.run(&["start", "a"]);
    assert_eq!(said.status, 1, "{said:?}");
    let words = said.words();
    assert!(words.contains("secret db.pass is not set"), "{said:?}");
    set(&fleet, CONTENT);
    fleet.must(&["start", "all"]);
    let length = format!("secret of {} bytes", CONTENT.len());
    fleet.wait_for_line("a", &length);
    fleet.wait_for_line("b", "secret of no bytes");
    let folder = fleet.agent_dir("m1").join("run/a/secrets");
    let mode = |path: &Path| {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&folder.join("db.pass")), 0o600);
    assert_eq!(mode(&folder), 0o700);
    // In no other place of any machine, the master's own state aside, which is its user's alone.
    assert_eq!(
        holders(&fleet.agent_dir("m1"), CONTENT),
        [folder.join("db.pass").display().to_string()]
    );
    assert!(holders(&fleet.agent_dir("m2"), CONTENT).is_empty());
    assert_eq!(mode(&fleet.path().join("master/fleet.redb")), 0o600);
    for words in [
        &["audit"][..],
        &["export"],
        &["secret", "list"],
        &["history", "a"],
    ] {
        let said = fleet.must(words);
        assert!(!said.out.contains(CONTENT), "{words:?}");
    }
    fleet.folder.file("passphrase", "a long passphrase");
    fleet.must(&["backup", "saved", "--passphrase-file", "passphrase"]);
    let saved = fs::read(fleet.path().join("saved")).expect("it was made");
    assert!(
        !saved
            .windows(CONTENT.len())
            .any(|part| part == CONTENT.as_bytes())
    );
    assert!(!fleet.logs().contains(CONTENT));
    let pid = fleet.pid("a");
    for file in ["environ", "cmdline"] {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).expect("it runs");
        assert!(
            !bytes
                .windows(CONTENT.len())
                .any(|part| part == CONTENT.as_bytes())
        );
    }
}

#[test]
fn a_secret_is_there_without_master_and_goes_with_its_node() {
    let fleet = fleet();
    set(&fleet, CONTENT);
    fleet.must(&["start", "a"]);
    let path = fleet.agent_dir("m1").join("run/a/secrets/db.pass");
    // One that is changed reaches the node that runs.
    set(&fleet, "another");
    let another = || fs::read_to_string(&path).is_ok_and(|text| text == "another");
    wait_until("the file changes", another);
    // Agent and master are away; the agent comes back alone, and starts the node as before.
    let pid = fleet.pid("a");
    fleet.master_process().kill();
    fleet.agent_process("m1").kill();
    kill_id(pid);
    let mut command = fleet.agent("m1");
    command.args(["--local", "master"]);
    fleet.spawn(command, "agent-m1.log");
    wait_until("it starts the node", || fleet.game_processes().len() == 1);
    assert!(another());
    fleet.start_master();
    fleet.wait_for_agent("m1");
    fleet.wait_for_state("a", "ready");
    let log = fleet.wait_for_line("a", "secret of 7 bytes");
    assert_eq!(log.matches("secret of 7 bytes").count(), 1, "{log}");
    // Not named any more: gone with the next start.
    let file = fleet.folder.read("fleet.toml");
    let file = file.replace("secrets = [\"db.pass\"]\n", "");
    fleet.folder.file("fleet.toml", &file);
    fleet.must(&["apply", "fleet.toml", "--restart", "--yes"]);
    wait_until("the file is gone", || !path.exists());
    // And with the node.
    fleet.must(&["stop", "a", "--yes"]);
    let file = fleet.folder.read("fleet.toml");
    let file = file.replace("[node.a]\nmachine = \"m1\"\n", "");
    fleet.folder.file("fleet.toml", &file);
    fleet.must(&["apply", "fleet.toml"]);
    let run = fleet.agent_dir("m1").join("run/a");
    wait_until("its folder is gone", || !run.exists());
}

//! A machine that is rebooted: all of its processes are gone at once, and the kernel has another boot id.
//! The id of the boot before stands in the agent's files, so that is where a test makes it another.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::processes::{self, wait_until};

const GROUPS: &str = "[group.login]\n[group.scene]\nafter = [\"login\"]\n";

/// A node of each group, and one that is stopped: `apply` knows no groups.
fn with_groups(fleet: &Fleet) {
    fleet.apply(&[], GROUPS);
    let mut file = fleet.folder.read("fleet.toml");
    for (node, group) in [("a", "scene"), ("b", "login"), ("c", "login")] {
        file += &format!("[node.{node}]\nmachine = \"m1\"\ngroup = \"{group}\"\n");
    }
    fleet.folder.file("fleet.toml", &file);
    fleet.must(&["apply", "fleet.toml"]);
    let game = fleet.game("v1", "1");
    fleet.must(&["update", "all", "--release", &game, "--yes"]);
    fleet.must(&["start", "a", "b"]);
}

/// What a power failure does to the machine of an agent: nobody is told, nothing is left but the disk.
fn pull_the_plug(fleet: &Fleet, machine: &str) {
    let master = fleet.master_process();
    // Agents first, or they would start again what ends here.
    fleet.agent_process(machine).kill();
    let mut all = processes::of(fleet.path());
    all.retain(|process| process.id != master.id);
    all.sort_by_key(|process| !process.name.starts_with("wk-keeper"));
    for process in &all {
        process.kill();
    }
    let dir = fleet.agent_dir(machine);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("this is Linux");
    let replaced = replace_in_files(&dir, boot.trim(), "00000000-0000-4000-8000-000000000000");
    assert!(replaced >= 2, "the agent's, and that of each start");
}

/// Replaces a text in all small files below a folder; in how many.
fn replace_in_files(folder: &Path, from: &str, to: &str) -> usize {
    let mut replaced = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("it has a kind");
        if kind.is_dir() {
            replaced += replace_in_files(&entry.path(), from, to);
        } else if kind.is_file() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if text.contains(from) {
                fs::write(entry.path(), text.replace(from, to)).expect("it can be written");
                replaced += 1;
            }
        }
    }
    replaced
}

/// The history of a node, oldest first: the states it came to, with the reasons.
fn history(fleet: &Fleet, node: &str) -> Vec<(String, String)> {
    let rows = fleet.rows(&["history", node]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.iter()
        .map(|row| (text(&row["to"]), text(&row["reason"])))
        .collect()
}

#[test]
fn what_was_wanted_running_starts_once_and_in_order_after_a_reboot() {
    let fleet = Fleet::with_nodes(&[], "");
    with_groups(&fleet);
    let before = ["a", "b"].map(|node| fleet.pid(node));
    pull_the_plug(&fleet, "m1");
    fleet.start_agent("m1");
    for (node, pid) in ["a", "b"].into_iter().zip(before) {
        let row = fleet.wait_for_state(node, "ready");
        assert_ne!(row["pid"], pid);
        fleet.assert_begins(node, "1", 2);
        let history = history(&fleet, node);
        assert!(
            history.iter().any(|(_, why)| why == "machine rebooted"),
            "{history:?}"
        );
    }
    assert_eq!(fleet.node("c")["state"], "stopped");
    assert_eq!(fleet.game_processes().len(), 2);
    assert_eq!(fleet.keepers().len(), 2);
    let log = fleet.folder.read("agent-m1.log");
    let last = |words: &str| log.rfind(words).unwrap_or_else(|| panic!("{words}: {log}"));
    assert!(last("the machine was rebooted") < last("b is starting"));
    assert!(last("b is ready") < last("a is starting"), "{log}");
}

#[test]
fn without_its_master_a_rebooted_machine_starts_in_its_own_order() {
    let mut fleet = Fleet::with_nodes(&[], "");
    with_groups(&fleet);
    pull_the_plug(&fleet, "m1");
    fleet.master_process().kill();
    let clock = Clock::new(fleet.path(), "clock");
    fleet.environment = clock.environment();
    let mut command = fleet.agent("m1");
    command.args(["--local", "master"]);
    fleet.spawn(command, "agent-m1.log");
    fleet
        .folder
        .wait_for("agent-m1.log", "nodes start on the master's word");
    assert_eq!(fleet.game_processes().len(), 0, "it waits for the master");
    // A minute goes by.
    clock.pass(61);
    wait_until("its nodes run", || fleet.game_processes().len() == 2);
    let log = fleet.folder.wait_for("agent-m1.log", "a is ready");
    let last = |words: &str| log.rfind(words).unwrap_or_else(|| panic!("{words}: {log}"));
    assert!(last("the master is away") < last("b is starting"), "{log}");
    assert!(last("b is ready") < last("a is starting"), "{log}");
    // The master finds it done.
    fleet.start_master();
    fleet.wait_for_agent("m1");
    for node in ["a", "b"] {
        fleet.wait_for_state(node, "ready");
        fleet.assert_begins(node, "1", 2);
    }
    assert_eq!(fleet.game_processes().len(), 2);
    assert_eq!(fleet.node("c")["state"], "stopped");
}

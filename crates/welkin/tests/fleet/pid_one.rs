//! An agent that is process 1, as in a container without an init: it waits for those whom nobody else waits
//! for, and its end is the end of all, after which everything is begun anew though the numbers are the same.
//!
//! Processes are named by this side's numbers here, which are not those that the agent tells.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::fleet::{Fleet, kill_id};
use crate::processes::{Process, is_alive, of, wait_until};

const NAMESPACE: [&str; 5] = [
    "--map-root-user",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// Whether this user may have a process 1 of his own.
fn may_be_first() -> bool {
    let output = Command::new("unshare").args(NAMESPACE).arg("true").output();
    let refused = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!(
        "skipped: namespaces are refused here: unshare: {}",
        refused.trim()
    );
    false
}

fn start_first(fleet: &Fleet) {
    let agent = fleet.agent("m1");
    let mut command = Command::new("unshare");
    command.args(NAMESPACE).arg(agent.get_program());
    command.args(agent.get_args());
    if !rustix::process::geteuid().is_root() {
        // Nobody else: a name of his own for himself.
        command.args(["--allow-user", "root"]);
    }
    command.args(["--local", "master"]);
    fleet.wait_until_missed("m1");
    fleet.spawn(command, "agent-m1.log");
    fleet.wait_for_agent("m1");
}

/// The number of a process in its own namespace.
fn own_number(id: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

/// Process 1, and the agent that it has started.
fn first_and_agent(fleet: &Fleet) -> (Process, Process) {
    let all = of(fleet.path()).into_iter();
    let (first, others): (Vec<_>, Vec<_>) = all.partition(|one| own_number(one.id) == Some(1));
    let agent = others.into_iter().find(|one| one.name == "wk-agent");
    let first = first.into_iter().next().expect("there is a process 1");
    (first, agent.expect("it has started an agent"))
}

/// A fleet whose agent is below process 1, with a node; `None` where there can be none.
fn fleet_below_first() -> Option<Fleet> {
    if !may_be_first() {
        return None;
    }
    let fleet = Fleet::new();
    fleet.start_master();
    start_first(&fleet);
    fleet.apply(&["a"], "");
    fleet.start_game();
    Some(fleet)
}

/// Those that have ended, have `parent` and are not waited for.
fn zombies(parent: u32) -> usize {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    let ids = children.split_ascii_whitespace();
    ids.filter(|id| !is_alive(id.parse().expect("a number")))
        .count()
}

#[test]
fn an_agent_as_process_1_waits_for_those_whom_nobody_waits_for() {
    let Some(fleet) = fleet_below_first() else {
        return;
    };
    let (first, agent) = first_and_agent(&fleet);
    // Keepers are nobody's children: whoever started them has ended. Each ends with its node.
    for begun in 2..5 {
        let node = fleet.game_processes()[0].id;
        kill_id(node);
        fleet.assert_begins("a", "1", begun);
        wait_until("it is ready", || fleet.node("a")["state"] == "ready");
        assert_eq!(fleet.game_processes().len(), 1);
    }
    // One that is killed leaves its node to process 1.
    let node = fleet.game_processes()[0].id;
    let keeper = fleet.keepers().pop().expect("there is one");
    keeper.kill();
    wait_until("another keeper is there", || {
        fleet.keepers().iter().any(|other| other.id != keeper.id)
    });
    assert!(is_alive(node));
    fleet.must(&["stop", "a", "--yes"]);
    wait_until("nobody is left unwaited for", || {
        zombies(first.id) == 0 && zombies(agent.id) == 0
    });
    assert!(is_alive(first.id) && is_alive(agent.id));
}

#[test]
fn an_agent_below_process_1_that_is_killed_is_started_again_and_finds_its_nodes() {
    let Some(fleet) = fleet_below_first() else {
        return;
    };
    let (node, pid) = (fleet.game_processes()[0].id, fleet.pid("a"));
    let (first, agent) = first_and_agent(&fleet);
    agent.kill();
    fleet
        .folder
        .wait_for("agent-m1.log", "the agent was ended by signal 9");
    fleet.wait_until_missed("m1");
    fleet.wait_for_agent("m1");
    assert_eq!(fleet.wait_for_state("a", "ready")["pid"], pid);
    assert!(is_alive(node) && is_alive(first.id));
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn the_end_of_process_1_is_the_end_of_all_and_the_next_one_begins_anew() {
    let Some(fleet) = fleet_below_first() else {
        return;
    };
    let master = fleet.master_process().id;
    for (begun, signal) in [(2, Signal::TERM), (3, Signal::KILL)] {
        let node = fleet.game_processes()[0].id;
        let (first, agent) = first_and_agent(&fleet);
        first.signal(signal);
        wait_until("all of it is gone", || {
            !is_alive(first.id) && !is_alive(agent.id) && !is_alive(node)
        });
        assert!(is_alive(master));
        // Again the numbers begin at 1, so those that are written down are of others now.
        start_first(&fleet);
        fleet.assert_begins("a", "1", begun);
        fleet.wait_for_state("a", "ready");
        assert_eq!(fleet.game_processes().len(), 1);
        assert_eq!(fleet.keepers().len(), 1);
    }
}

//! Master, agent, keeper or node is killed, at rest and in the middle of work: what ran goes on, nothing
//! runs twice, and what was acknowledged is kept.

use std::thread;
use std::time::Duration;

use crate::fleet::{Fleet, kill_id};
use crate::processes::{is_alive, wait_until};

#[test]
fn a_node_that_is_killed_is_started_again_and_says_why() {
    let fleet = Fleet::with_nodes(&["a"], "");
    fleet.kill_node("a");
    assert_eq!(fleet.node("a")["restarts"], 1);
    wait_until("the signal is named", || {
        fleet
            .must(&["history", "a"])
            .out
            .contains("ended by SIGKILL")
    });
}

#[test]
fn an_agent_that_is_killed_is_not_missed_by_its_nodes() {
    let fleet = Fleet::with_nodes(&["a", "b", "c"], "");
    let pids = ["a", "b", "c"].map(|node| fleet.pid(node));
    fleet.agent_process("m1").kill();
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    // One dies meanwhile.
    kill_id(pids[2]);
    let kept = fleet.run(&["--timeout", "60s", "stop", "b", "--yes"]);
    assert_eq!(kept.status, 1, "{kept:?}");
    assert!(kept.out.contains("unreachable"), "{kept:?}");
    fleet.start_agent("m1");
    fleet.wait_for_state("a", "ready");
    assert_eq!(fleet.pid("a"), pids[0], "it is the same process");
    fleet.wait_for_state("b", "stopped");
    assert!(!is_alive(pids[1]), "what was wanted meanwhile is done");
    let again = fleet.wait_for_state("c", "ready");
    assert_ne!(again["pid"], pids[2], "{again}");
    assert_eq!(fleet.game_processes().len(), 2);
}

#[test]
fn a_wish_that_is_not_to_be_kept_is_dropped() {
    let fleet = Fleet::with_nodes(&["a"], "");
    fleet.agent_process("m1").kill();
    fleet.wait_for_state("a", "unknown");
    let said = fleet.run(&["--now-or-never", "stop", "a", "--yes"]);
    assert_eq!(said.status, 1, "{said:?}");
    fleet.start_agent("m1");
    fleet.wait_for_state("a", "ready");
}

#[test]
fn a_master_that_is_killed_knows_all_it_acknowledged() {
    let fleet = Fleet::with_nodes(&["a", "b"], "");
    let pid = fleet.pid("a");
    fleet.must(&["stop", "b", "--yes"]);
    fleet.master_process().kill();
    // Agents act by their copy of what is wanted.
    let dead = pid;
    kill_id(dead);
    wait_until("the agent starts it again", || {
        fleet
            .game_processes()
            .iter()
            .any(|process| process.id != dead)
    });
    fleet.start_master();
    fleet.wait_for_agent("m1");
    let row = fleet.wait_for_state("a", "ready");
    assert_ne!(row["pid"], dead);
    assert_eq!(fleet.node("b")["state"], "stopped");
    assert_eq!(fleet.game_processes().len(), 1);
    fleet.must(&["audit", "--verify"]);
}

#[test]
fn a_master_killed_in_a_roll_goes_on_with_it() {
    let fleet = Fleet::with_nodes(&["a", "b", "c"], "[update]\nwatch = \"1s\"\n");
    let game = fleet.game("v2", "2");
    thread::scope(|scope| {
        let updating = scope.spawn(|| fleet.run(&["update", "all", "--release", &game, "--yes"]));
        let first = fleet.node("a")["release"].clone();
        wait_until("the first node has changed over", || {
            let row = fleet.node("a");
            row["state"] == "ready" && row["release"] != first
        });
        fleet.master_process().kill();
        let cut = updating.join().expect("the client ends");
        assert_ne!(
            cut.status, 0,
            "the client is told that the master has gone: {cut:?}"
        );
    });
    let pid = fleet.game_processes().len();
    assert!(pid >= 2, "the others run");
    fleet.start_master();
    for node in ["a", "b", "c"] {
        wait_until("each node runs the new release", || {
            let row = fleet.node(node);
            row["state"] == "ready" && row["release"] == fleet.node("a")["release"]
        });
    }
    fleet.wait_for_line("c", "version 2 is up");
    assert_eq!(fleet.game_processes().len(), 3);
}

#[test]
fn an_agent_killed_in_a_roll_leaves_each_node_running_once() {
    let fleet = Fleet::with_nodes(&["a", "b", "c"], "[update]\nwatch = \"1s\"\n");
    let game = fleet.game("v2", "2");
    let first = fleet.node("a")["release"].clone();
    let said = thread::scope(|scope| {
        let updating = scope.spawn(|| fleet.run(&["update", "all", "--release", &game, "--yes"]));
        wait_until("the first node has changed over", || {
            let row = fleet.node("a");
            row["state"] == "ready" && row["release"] != first
        });
        fleet.agent_process("m1").kill();
        fleet.start_agent("m1");
        updating.join().expect("the client ends")
    });
    // It went on, or it went back: in both cases with all of them.
    assert!(said.status == 0 || said.status == 5, "{said:?}");
    let releases =
        ["a", "b", "c"].map(|node| fleet.wait_for_state(node, "ready")["release"].clone());
    assert!(
        releases.iter().all(|release| *release == releases[0]),
        "{releases:?}"
    );
    assert_eq!(releases[0] == first, said.status == 5, "{said:?}");
    assert_eq!(fleet.game_processes().len(), 3);
}

#[test]
fn a_keeper_that_is_killed_is_replaced_and_its_node_goes_on() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let pid = fleet.pid("a");
    let keeper = fleet.keepers().pop().expect("there is one");
    keeper.kill();
    wait_until("another keeper is there", || {
        fleet.keepers().iter().any(|other| other.id != keeper.id)
    });
    assert_eq!(fleet.wait_for_state("a", "ready")["pid"], pid);
    // Its end is seen all the same.
    fleet.kill_node("a");
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn an_agent_killed_in_a_start_starts_nothing_twice() {
    let fleet = Fleet::with_nodes(&["a"], "");
    fleet.must(&["stop", "a", "--yes"]);
    for delay_ms in [0, 1, 2, 5, 10, 20, 40, 80] {
        fleet.must(&["start", "a", "--no-wait"]);
        thread::sleep(Duration::from_millis(delay_ms));
        fleet.agent_process("m1").kill();
        assert!(fleet.game_processes().len() <= 1, "after {delay_ms} ms");
        fleet.start_agent("m1");
        fleet.wait_for_state("a", "ready");
        assert_eq!(fleet.game_processes().len(), 1, "after {delay_ms} ms");
        fleet.must(&["stop", "a", "--yes"]);
        assert_eq!(fleet.game_processes().len(), 0, "after {delay_ms} ms");
    }
}

#[test]
fn an_agent_killed_in_a_fetch_has_no_half_a_release() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let game = fleet.game("v2", "2");
    // Large enough that it takes a moment.
    let noise: Vec<u8> = (0u32..8 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(fleet.path().join("v2/map.bin"), noise).expect("files can be made");
    let pid = fleet.pid("a");
    thread::scope(|scope| {
        let updating = scope.spawn(|| fleet.run(&["update", "all", "--release", &game, "--yes"]));
        thread::sleep(Duration::from_millis(150));
        fleet.agent_process("m1").kill();
        fleet.start_agent("m1");
        updating.join().expect("the client ends");
    });
    let running = fleet.wait_for_state("a", "ready");
    // Either it was early enough to try again, or nothing has changed; in no case half of it.
    if running["pid"] == pid {
        fleet.must(&["update", "all", "--release", &game, "--yes"]);
    }
    fleet.wait_for_line("a", "version 2 is up");
    let map =
        std::fs::read_dir(fleet.agent_dir("m1").join("releases")).expect("releases lie there");
    for release in map
        .flatten()
        .filter(|entry| entry.path().join("map.bin").exists())
    {
        let size = release
            .path()
            .join("map.bin")
            .metadata()
            .expect("it is there")
            .len();
        assert_eq!(size, 8 << 20);
    }
}

//! A keeper is killed while its agent is gone: nobody watches the node, nobody will know how it ends. The
//! agent that comes back finds it by its number and its start key, or knows that it has ended; it never runs
//! twice.

use crate::fleet::{Fleet, kill_id};
use crate::processes::{is_alive, wait_until};

/// The nodes `a` and `b` without agent and keepers, and their processes.
fn alone() -> (Fleet, [u32; 2]) {
    let fleet = Fleet::with_nodes(&["a", "b"], "");
    let pids = ["a", "b"].map(|node| fleet.pid(node));
    fleet.agent_process("m1").kill();
    for keeper in fleet.keepers() {
        keeper.kill();
    }
    (fleet, pids)
}

#[test]
fn a_node_whose_keeper_and_agent_were_killed_goes_on_and_is_found() {
    let (fleet, pids) = alone();
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    fleet.start_agent("m1");
    for (node, pid) in ["a", "b"].into_iter().zip(pids) {
        let row = fleet.wait_for_state(node, "ready");
        assert_eq!(row["pid"], pid, "{row}");
        assert_eq!(row["restarts"], 0, "{row}");
    }
    assert_eq!(fleet.game_processes().len(), 2);
    assert_eq!(fleet.keepers().len(), 2, "each has one again");
    // All that is asked of a node works as before, and its end is seen.
    fleet.must(&["stop", "a", "--yes"]);
    assert!(!is_alive(pids[0]));
    let again = fleet.kill_node("b");
    assert_ne!(again, pids[1]);
    fleet.must(&["start", "a"]);
    assert_eq!(fleet.game_processes().len(), 2);
}

#[test]
fn a_node_that_ended_unseen_is_started_again_once() {
    let (fleet, pids) = alone();
    kill_id(pids[0]);
    // What is wanted meanwhile of the one that runs on is done as well.
    fleet.wait_for_state("b", "unknown");
    assert_eq!(fleet.run(&["stop", "b", "--yes"]).status, 1);
    fleet.start_agent("m1");
    wait_until("it runs as another process", || {
        let row = fleet.node("a");
        row["state"] == "ready" && row["pid"] != pids[0]
    });
    fleet.assert_begins("a", "1", 2);
    let history = fleet.must(&["history", "a"]).out;
    assert!(history.contains("together with its keeper"), "{history}");
    fleet.wait_for_state("b", "stopped");
    assert!(!is_alive(pids[1]));
    assert_eq!(fleet.game_processes().len(), 1);
    assert_eq!(fleet.keepers().len(), 1);
}

#[test]
fn keepers_killed_again_and_again_lose_no_node() {
    let (fleet, pids) = alone();
    for _ in 0..3 {
        fleet.start_agent("m1");
        for (node, pid) in ["a", "b"].into_iter().zip(pids) {
            assert_eq!(fleet.wait_for_state(node, "ready")["pid"], pid);
        }
        fleet.agent_process("m1").kill();
        for keeper in fleet.keepers() {
            keeper.kill();
        }
    }
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    assert_eq!(fleet.game_processes().len(), 2);
}

//! A node that is given another machine: it is never started there while it may run on the one before,
//! unless an operator says that this machine is lost.

use crate::fleet::Fleet;
use crate::processes::is_alive;

/// The node `b` runs on `m2`, whose agent is killed; then the fleet file says `m1`.
fn moved() -> (Fleet, u32) {
    let fleet = Fleet::with_nodes(&[], "");
    fleet.start_far_agent("m2");
    let file = fleet.folder.read("fleet.toml") + "[node.b]\nmachine = \"m2\"\n";
    fleet.folder.file("fleet.toml", &file);
    fleet.must(&["apply", "fleet.toml"]);
    let game = fleet.game("v1", "1");
    fleet.must(&["update", "b", "--release", &game, "--yes"]);
    fleet.must(&["start", "b"]);
    let pid = fleet.pid("b");
    fleet.agent_process("m2").kill();
    fleet.wait_for_state("b", "unknown");
    fleet
        .folder
        .file("fleet.toml", &file.replace("\"m2\"", "\"m1\""));
    fleet.must(&["apply", "fleet.toml"]);
    (fleet, pid)
}

#[test]
fn a_node_moves_when_the_machine_before_has_said_that_it_ended() {
    let (fleet, pid) = moved();
    let said = fleet.run(&["--timeout", "5s", "start", "b"]);
    assert_ne!(said.status, 0, "{said:?}");
    let words = said.words();
    assert!(words.contains("m2"), "the machine is named: {said:?}");
    assert!(is_alive(pid));
    assert_eq!(fleet.game_processes().len(), 1, "it runs there alone");
    // The machine is not lost: its agent stops the node, and then it starts on the other.
    fleet.start_far_agent("m2");
    let row = fleet.wait_for_state("b", "ready");
    assert_ne!(row["pid"], pid, "{row}");
    assert_eq!(row["machine"], "m1", "{row}");
    assert!(!is_alive(pid));
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn a_machine_that_is_lost_gives_its_node_up_by_force() {
    let (fleet, pid) = moved();
    fleet.must(&["start", "b", "--force"]);
    let row = fleet.wait_for_state("b", "ready");
    assert_ne!(row["pid"], pid, "{row}");
    assert_eq!(row["machine"], "m1", "{row}");
    let again = fleet.pid("b");
    // It was not lost after all: what runs there is not wanted there.
    fleet.start_far_agent("m2");
    crate::processes::wait_until("the one before ends", || !is_alive(pid));
    assert_eq!(fleet.pid("b"), again);
    assert_eq!(fleet.game_processes().len(), 1);
}

//! Numbers of processes that are written down and belong to somebody else by now: he is not taken for what
//! had the number before, and no signal ever reaches him.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::fleet::{Fleet, kill_id};
use crate::processes::{is_alive, wait_until};
use crate::support::output;

/// Somebody who has nothing to do with the fleet, in a folder of his own.
struct Bystander(Child);

impl Bystander {
    fn new(environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").current_dir("/").stdin(Stdio::null());
        command.envs(environment.iter().copied());
        Self(command.spawn().expect("it starts"))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    /// When he began, as the files of a node have it.
    fn began_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("he lives");
        let (_, fields) = stat.rsplit_once(')').expect("as /proc has it");
        let field = fields.split_ascii_whitespace().nth(19);
        field.and_then(|text| text.parse().ok()).expect("a number")
    }

    fn assert_untouched(&mut self) {
        let ended = self.0.try_wait().expect("he is our child");
        assert_eq!(ended, None, "somebody has ended him");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Changes a JSON file of a run folder.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut value = serde_json::from_slice(&text).expect("it is JSON");
    change(&mut value);
    fs::write(path, value.to_string()).expect("it can be written");
}

/// The node `a` and all that watched over it are gone, and its files name these processes instead of its own:
/// one whose other marks are right too, and one in the agent's lock.
fn misnamed(node: &Bystander, agent: &Bystander) -> Fleet {
    let fleet = Fleet::with_nodes(&["a"], "");
    let pid = fleet.pid("a");
    fleet.agent_process("m1").kill();
    for keeper in fleet.keepers() {
        keeper.kill();
    }
    kill_id(pid);
    let dir = fleet.agent_dir("m1");
    edit(&dir.join("run/a/node.json"), |written| {
        assert_eq!(written["pid"], pid, "it is what proves nothing: {written}");
        written["pid"] = json!(node.id());
        written["began_ticks"] = json!(node.began_ticks());
    });
    fs::write(dir.join("lock"), format!("{}\n", agent.id())).expect("it can be written");
    fleet
}

#[test]
fn who_has_the_number_of_a_node_is_neither_adopted_nor_signalled() {
    // Even one that was started by a fleet, another one.
    let stranger = [
        ("WELKIN_START", "0123456789abcdef0123456789abcdef"),
        ("WELKIN_NODE", "a"),
    ];
    for environment in [&[][..], &stranger] {
        let (mut node, mut agent) = (Bystander::new(environment), Bystander::new(&[]));
        let fleet = misnamed(&node, &agent);
        // A lock that nobody holds names nobody: there is no agent to be ended.
        let words = ["fleet", "agent", "--dir", "agent-m1", "--end"];
        let (status, _, said) = output(fleet.path(), &words);
        assert_eq!(status, 1, "{said}");
        fleet.start_agent("m1");
        wait_until("the node is started again", || {
            let row = fleet.node("a");
            row["state"] == "ready" && row["pid"] != node.id()
        });
        fleet.assert_begins("a", "1", 2);
        assert_eq!(fleet.game_processes().len(), 1);
        let pid = fleet.pid("a");
        fleet.must(&["restart", "a", "--yes"]);
        assert!(!is_alive(pid));
        fleet.must(&["stop", "a", "--yes"]);
        node.assert_untouched();
        agent.assert_untouched();
    }
}

#[test]
fn a_stop_of_a_node_whose_number_is_anothers_stops_nobody() {
    let (mut node, mut agent) = (Bystander::new(&[]), Bystander::new(&[]));
    let fleet = misnamed(&node, &agent);
    fleet.wait_for_state("a", "unknown");
    assert_eq!(fleet.run(&["stop", "a", "--yes"]).status, 1);
    fleet.start_agent("m1");
    fleet.wait_for_state("a", "stopped");
    assert!(fleet.game_processes().is_empty() && fleet.keepers().is_empty());
    node.assert_untouched();
    agent.assert_untouched();
}

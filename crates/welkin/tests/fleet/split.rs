//! A network that is cut between master and agent while both live: what runs goes on, what is asked
//! meanwhile is kept or dropped as it was asked, and afterwards all is as it is wanted.

use serde_json::Value;

use crate::fleet::{Fleet, kill_id};
use crate::processes::{is_alive, wait_until};

#[test]
fn a_split_stops_nothing_and_what_was_asked_meanwhile_is_done_afterwards() {
    let (fleet, proxy) = Fleet::behind_proxy(&["a", "b", "c", "d"], "");
    fleet.must(&["stop", "d", "--yes"]);
    let [a, b, c] = ["a", "b", "c"].map(|node| fleet.pid(node));
    proxy.cut();
    let row = fleet.wait_for_state("a", "unknown");
    assert_eq!(
        row["last"], "ready",
        "the last state stays to be seen: {row}"
    );
    assert!(row["age"].is_u64(), "{row}");
    fleet.folder.wait_for("agent-m1.log", "nothing was heard");
    assert!([a, b, c].iter().all(|pid| is_alive(*pid)));
    // Kept: one to stop, one to start. Dropped: one that was to be stopped now or never.
    for (words, answer) in [
        (&["stop", "b", "--yes"][..], "unreachable"),
        (&["start", "d"], "unreachable"),
        (&["--now-or-never", "stop", "c", "--yes"], "unreachable"),
    ] {
        let said = fleet.run(words);
        assert_eq!(said.status, 1, "{words:?}: {said:?}");
        assert!(said.out.contains(answer), "{words:?}: {said:?}");
    }
    // The agent acts by what it knows: a node that dies comes back, and none of the new wishes is known.
    kill_id(a);
    wait_until("it is started again", || fleet.game_processes().len() == 3);
    assert!(is_alive(b) && is_alive(c));
    proxy.heal();
    fleet.wait_for_agent("m1");
    fleet.wait_for_state("b", "stopped");
    fleet.wait_for_state("d", "ready");
    assert_ne!(fleet.wait_for_state("a", "ready")["pid"], a);
    assert_eq!(fleet.wait_for_state("c", "ready")["pid"], c);
    assert!(!is_alive(b));
    assert_eq!(fleet.game_processes().len(), 3);
    assert_eq!(fleet.keepers().len(), 3);
}

#[test]
fn a_short_split_is_not_even_seen() {
    let (fleet, proxy) = Fleet::behind_proxy(&["a"], "");
    let pid = fleet.pid("a");
    proxy.cut();
    // Asked before anybody knows of the split; it arrives when the network is back.
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| fleet.run(&["stop", "a", "--yes"]));
        wait_until("the wish is written down", || {
            fleet.node("a")["wanted"] == "stopped"
        });
        assert!(is_alive(pid));
        proxy.heal();
        let said = stopping.join().expect("the client ends");
        assert_eq!(said.status, 0, "{said:?}");
    });
    assert!(!is_alive(pid));
    assert!(!fleet.folder.read("agent-m1.log").contains("no link"));
}

#[test]
fn a_command_under_way_when_the_network_is_cut_is_told_unreachable() {
    let settings = "stop = { drain = \"1s\", kill = \"1s\" }\n";
    let (fleet, proxy) = Fleet::behind_proxy(&["a"], settings);
    let pid = fleet.pid("a");
    proxy.cut();
    let said = fleet.run(&["--timeout", "60s", "restart", "a", "--yes"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.out.contains("unreachable"), "{said:?}");
    assert!(is_alive(pid));
    proxy.heal();
    fleet.wait_for_agent("m1");
    fleet.wait_for_state("a", "ready");
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn a_master_that_was_replaced_during_a_split_compares_and_acts_on_differences_alone() {
    let (fleet, proxy) = Fleet::behind_proxy(&["a", "b"], "");
    let [a, b] = ["a", "b"].map(|node| fleet.pid(node));
    proxy.cut();
    fleet.wait_for_state("a", "unknown");
    assert_eq!(fleet.run(&["stop", "b", "--yes"]).status, 1);
    fleet.master_process().kill();
    kill_id(a);
    wait_until("the agent starts it again", || {
        fleet
            .game_processes()
            .iter()
            .any(|process| process.id != a && process.id != b)
    });
    fleet.start_master();
    let row: Value = fleet.node("b");
    assert_eq!(row["wanted"], "stopped", "what was asked is kept: {row}");
    assert!(is_alive(b));
    proxy.heal();
    fleet.wait_for_agent("m1");
    fleet.wait_for_state("b", "stopped");
    let again = fleet.wait_for_state("a", "ready");
    assert_eq!(again["restarts"], 1, "{again}");
    assert_eq!(fleet.game_processes().len(), 1);
    fleet.must(&["audit", "--verify"]);
}

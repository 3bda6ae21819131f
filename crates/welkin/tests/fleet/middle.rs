//! Kills in the middle of work, each at a moment that the test holds still: a start that waits for a file,
//! a network that stops after so many bytes.

use std::fs;
use std::thread;

use crate::clock::Clock;
use crate::fleet::{Fleet, Said, kill_id};
use crate::processes::{is_alive, wait_until};

/// A game with so much beside it that its way takes a while.
fn large(fleet: &Fleet, name: &str, version: &str) -> String {
    let game = fleet.game(name, version);
    let mut state = 1u32;
    let mut noise = Vec::with_capacity(8 << 20);
    while noise.len() < 8 << 20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push((state >> 24) as u8);
    }
    fs::write(fleet.path().join(name).join("map.bin"), noise).expect("files can be made");
    game
}

/// What becomes of an update while `meanwhile` happens.
fn update(fleet: &Fleet, game: &str, meanwhile: impl FnOnce()) -> Said {
    thread::scope(|scope| {
        let words = [
            "--timeout",
            "120s",
            "update",
            "all",
            "--release",
            game,
            "--yes",
        ];
        let updating = scope.spawn(move || fleet.run(&words));
        meanwhile();
        updating.join().expect("the client ends")
    })
}

/// The process of a node's start with another release than `first`.
fn switched(fleet: &Fleet, node: &str, state: &str, first: &serde_json::Value) -> u32 {
    wait_until("it is on the way to the new release", || {
        let row = fleet.node(node);
        row["state"] == state && row["release"] != *first && row["pid"].is_u64()
    });
    fleet.pid(node)
}

#[test]
fn a_node_killed_while_it_starts_is_tried_again() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let (game, go) = fleet.gated_game("v2", "2");
    fleet.must(&["stop", "a", "--yes"]);
    fleet.must(&["update", "all", "--release", &game, "--yes"]);
    let said = thread::scope(|scope| {
        let starting = scope.spawn(|| fleet.run(&["--timeout", "60s", "start", "a"]));
        let first = fleet.wait_for_state("a", "starting");
        wait_until("it has a process", || fleet.node("a")["pid"].is_u64());
        kill_id(fleet.pid("a"));
        wait_until("the end is told", || {
            let history = fleet.must(&["history", "a"]).out;
            history.contains("ended by SIGKILL")
        });
        assert_eq!(first["ready"], false);
        fs::write(&go, "").expect("files can be made");
        starting.join().expect("the client ends")
    });
    let row = fleet.wait_for_state("a", "ready");
    assert!(
        said.status == 0 || said.out.contains("ended by SIGKILL"),
        "{said:?}"
    );
    assert_eq!(row["restarts"], 1, "{row}");
    assert_eq!(fleet.game_processes().len(), 1);
    fleet.assert_begins("a", "2", 1);
}

#[test]
fn a_node_killed_while_it_changes_over_takes_the_update_back() {
    let fleet = Fleet::with_nodes(&["a", "b"], "");
    let first = fleet.node("a")["release"].clone();
    let (game, _) = fleet.gated_game("v2", "2");
    let b = fleet.pid("b");
    let said = update(&fleet, &game, || {
        kill_id(switched(&fleet, "a", "starting", &first));
    });
    assert_eq!(said.status, 5, "{said:?}");
    let words = said.words();
    assert!(words.contains("a: ended by SIGKILL"), "{said:?}");
    let row = fleet.wait_for_state("a", "ready");
    assert_eq!(row["release"], first, "{row}");
    assert_eq!(fleet.pid("b"), b, "its turn had not come");
    assert_eq!(fleet.game_processes().len(), 2);
}

#[test]
fn a_node_killed_while_it_is_watched_takes_all_back_last_first() {
    let fleet = Fleet::with_nodes(&["a", "b", "c"], "[update]\nwatch = \"6s\"\n");
    let first = fleet.node("a")["release"].clone();
    let c = fleet.pid("c");
    let game = fleet.game("v2", "2");
    let said = update(&fleet, &game, || {
        switched(&fleet, "a", "ready", &first);
        kill_id(switched(&fleet, "b", "ready", &first));
    });
    assert_eq!(said.status, 5, "{said:?}");
    for node in ["a", "b"] {
        let row = fleet.wait_for_state(node, "ready");
        assert_eq!(row["release"], first, "{row}");
    }
    assert_eq!(fleet.pid("c"), c, "its turn had not come");
    let back = |node: &str| said.err.find(&format!("{node}: going back"));
    assert!(back("b") < back("a"), "{said:?}");
    assert_eq!(fleet.game_processes().len(), 3);
}

#[test]
fn a_node_killed_before_its_turn_does_not_hold_up_the_update() {
    let fleet = Fleet::with_nodes(&["a", "b"], "[update]\nwatch = \"1s\"\n");
    let first = fleet.node("a")["release"].clone();
    let (game, go) = fleet.gated_game("v2", "2");
    let said = update(&fleet, &game, || {
        switched(&fleet, "a", "starting", &first);
        fleet.kill_node("b");
        fs::write(&go, "").expect("files can be made");
    });
    assert_eq!(said.status, 0, "{said:?}");
    for node in ["a", "b"] {
        assert_ne!(fleet.wait_for_state(node, "ready")["release"], first);
        fleet.assert_begins(node, "2", 1);
    }
    assert_eq!(fleet.game_processes().len(), 2);
}

#[test]
fn an_agent_killed_in_the_middle_of_a_fetch_takes_it_anew() {
    let (fleet, proxy) = Fleet::behind_proxy(&["a"], "");
    let pid = fleet.pid("a");
    let game = large(&fleet, "v2", "2");
    let releases = fleet.agent_dir("m1").join("releases");
    let parts = || {
        let entries = fs::read_dir(&releases).expect("they lie there").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.len() != 64).count()
    };
    proxy.cut_after(3 << 20);
    let said = update(&fleet, &game, || {
        wait_until("a part of it has come", || proxy.is_cut() && parts() > 0);
        fleet.agent_process("m1").kill();
        assert!(is_alive(pid), "nothing has changed yet");
        proxy.heal();
        fleet.start_agent_by("m1", proxy.port);
    });
    assert_eq!(said.status, 0, "{said:?}\n{}", fleet.logs());
    fleet.assert_begins("a", "2", 1);
    assert_eq!(parts(), 0, "what had come is gone");
    let release = fs::read_dir(&releases).expect("they lie there").flatten();
    let sizes: Vec<u64> = release
        .filter_map(|entry| Some(entry.path().join("map.bin").metadata().ok()?.len()))
        .collect();
    assert_eq!(sizes, [8 << 20]);
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn a_master_killed_in_the_middle_of_a_fetch_goes_on_with_it() {
    let (fleet, proxy) = Fleet::behind_proxy(&["a"], "");
    let (pid, first) = (fleet.pid("a"), fleet.node("a")["release"].clone());
    let game = large(&fleet, "v2", "2");
    proxy.cut_after(3 << 20);
    let said = update(&fleet, &game, || {
        wait_until("a part of it has come", || proxy.is_cut());
        fleet.master_process().kill();
    });
    assert_eq!(said.status, 3, "{said:?}");
    assert!(is_alive(pid));
    proxy.heal();
    fleet.start_master();
    wait_until("it runs the new release", || {
        let row = fleet.node("a");
        row["state"] == "ready" && row["release"] != first
    });
    fleet.assert_begins("a", "2", 1);
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn an_agent_killed_while_a_node_changes_over_goes_on_with_that_start() {
    let fleet = Fleet::with_nodes(&["a", "b"], "");
    let first = fleet.node("a")["release"].clone();
    let (game, go) = fleet.gated_game("v2", "2");
    let mut pid = 0;
    let said = update(&fleet, &game, || {
        pid = switched(&fleet, "a", "starting", &first);
        fleet.agent_process("m1").kill();
        fleet.start_agent("m1");
        assert!(is_alive(pid));
        fs::write(&go, "").expect("files can be made");
    });
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(fleet.pid("a"), pid, "the start was not repeated");
    for node in ["a", "b"] {
        assert_ne!(fleet.wait_for_state(node, "ready")["release"], first);
        fleet.assert_begins(node, "2", 1);
    }
    assert_eq!(fleet.game_processes().len(), 2);
}

#[test]
fn a_master_killed_in_a_roll_switches_no_node_twice() {
    let fleet = Fleet::with_nodes(&["a", "b", "c"], "");
    let first = fleet.node("a")["release"].clone();
    let game = fleet.game("v2", "2");
    // The second node stops the world: its gate is closed for as long as the test likes.
    let go = fleet.path().join("v2.go");
    let gate = format!(
        "\nif os.getenv 'WELKIN_NODE' == 'b' then\n    local skynet = require 'skynet'\n    local start = skynet.start\n    \
         skynet.start = function(f) start(function() while not io.open '{}' do skynet.sleep(2) end f() end) end\nend\n",
        go.display()
    );
    let path = fleet.path().join("v2/main.lua");
    let text = fs::read_to_string(&path).expect("it was just made");
    fs::write(path, gate + &text).expect("it can be written");
    let said = update(&fleet, &game, || {
        switched(&fleet, "b", "starting", &first);
        fleet.master_process().kill();
    });
    assert_eq!(said.status, 3, "{said:?}");
    let pids = fleet.game_processes();
    assert_eq!(pids.len(), 3, "{pids:?}");
    fleet.start_master();
    fleet.wait_for_agent("m1");
    let [a, b] = ["a", "b"].map(|node| fleet.pid(node));
    fs::write(&go, "").expect("files can be made");
    wait_until("the last has changed over", || {
        let row = fleet.node("c");
        row["state"] == "ready" && row["release"] != first
    });
    assert_eq!(["a", "b"].map(|node| fleet.pid(node)), [a, b]);
    for node in ["a", "b", "c"] {
        fleet.assert_begins(node, "2", 1);
    }
    let audit = fleet.must(&["audit", "--verify"]);
    assert_eq!(audit.status, 0);
}

/// An update whose first node had just been told to change over when the master was killed, and which lay
/// for so long that the master, started again, leaves it to an operator. Gives the release before.
fn paused() -> (Fleet, String, serde_json::Value) {
    let mut fleet = Fleet::with_nodes(&["a", "b"], "[update]\nwatch = \"1s\"\nresume = \"10m\"\n");
    let first = fleet.node("a")["release"].clone();
    let (game, go) = fleet.gated_game("v2", "2");
    let said = update(&fleet, &game, || {
        switched(&fleet, "a", "starting", &first);
        fleet.master_process().kill();
    });
    assert_eq!(said.status, 3, "{said:?}");
    fs::write(&go, "").expect("files can be made");
    let clock = Clock::new(fleet.path(), "clock");
    clock.set(11 * 60);
    fleet.environment = clock.environment();
    fleet.start_master();
    fleet.wait_for_agent("m1");
    let row = fleet.wait_for_state("a", "ready");
    assert_ne!(row["release"], first, "{row}");
    assert_eq!(fleet.node("b")["release"], first, "it waits");
    (fleet, game, first)
}

#[test]
fn a_roll_that_lay_too_long_waits_for_a_word() {
    let (fleet, game, first) = paused();
    let other = fleet.run(&["update", "all", "--release", &game, "--yes"]);
    assert_eq!(other.status, 1, "one is under way: {other:?}");
    assert!(other.words().contains("is paused"), "{other:?}");
    fleet.must(&["--timeout", "60s", "update", "--continue"]);
    for node in ["a", "b"] {
        assert_ne!(fleet.wait_for_state(node, "ready")["release"], first);
        fleet.assert_begins(node, "2", 1);
    }
}

#[test]
fn a_rollback_of_a_paused_roll_takes_back_what_was_switched_and_nothing_else() {
    let (fleet, game, first) = paused();
    let b = fleet.pid("b");
    let said = fleet.run(&["--timeout", "60s", "rollback", "all", "--yes"]);
    assert_eq!(said.status, 5, "{said:?}");
    let row = fleet.wait_for_state("a", "ready");
    assert_eq!(row["release"], first, "{row}");
    fleet.assert_begins("a", "1", 2);
    assert_eq!(fleet.pid("b"), b, "its turn had not come");
    fleet.assert_begins("b", "2", 0);
    assert_eq!(fleet.game_processes().len(), 2);
    // Nothing is under way any more.
    fleet.must(&[
        "--timeout",
        "60s",
        "update",
        "all",
        "--release",
        &game,
        "--yes",
    ]);
    for node in ["a", "b"] {
        assert_ne!(fleet.wait_for_state(node, "ready")["release"], first);
    }
    fleet.must(&["audit", "--verify"]);
}

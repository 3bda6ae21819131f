//! The time of day is set, an hour ahead and back: nothing that runs stops, no waiting becomes longer or
//! shorter, and what is shown says that the clocks differ.

use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::processes::wait_until;

const HOUR_S: i64 = 3_600;

/// How far the machine's clock is off, as `machines` shows it.
fn offset(fleet: &Fleet) -> f64 {
    let rows = fleet.rows(&["machines"]);
    let row = rows.into_iter().find(|row| row["machine"] == "m1");
    let row = row.expect("it is listed");
    assert_eq!(row["connected"], true, "{row}");
    row["clock_offset"].as_f64().unwrap_or_default()
}

/// The states a node came to, oldest first, that do not pass at once.
fn states(fleet: &Fleet, node: &str) -> Vec<String> {
    let rows = fleet.rows(&["history", node]);
    let words = rows.iter().filter_map(|row| row["to"].as_str());
    words.map(str::to_owned).collect()
}

#[test]
fn a_machine_whose_clock_is_set_goes_on_and_the_difference_is_shown() {
    let mut fleet = Fleet::new();
    fleet.start_master();
    let clock = Clock::new(fleet.path(), "clock");
    fleet.environment = clock.environment();
    fleet.start_far_agent("m1");
    fleet.environment = Vec::new();
    fleet.apply(&["a", "b"], "");
    fleet.start_game();
    let b = fleet.pid("b");
    for (times, step) in [HOUR_S, -HOUR_S, 23 * HOUR_S, -23 * HOUR_S, 0]
        .into_iter()
        .enumerate()
    {
        clock.set(step);
        wait_until("the difference is seen", || {
            (offset(&fleet) - step as f64).abs() < 60.0
        });
        // The back-off is by the other clock: it is not an hour, which nobody would wait for here.
        fleet.kill_node("a");
        let row = fleet.node("b");
        assert_eq!(row["pid"], b, "{row}");
        let uptime = || fleet.node("b")["uptime"].as_u64().unwrap_or(u64::MAX);
        wait_until("it runs as long as it runs", || uptime() < 300);
        fleet.must(&["stop", "a", "--yes"]);
        fleet.must(&["start", "a"]);
        // Killed once and started anew once each time, as its log tells whatever the time is.
        fleet.assert_begins("a", "1", 3 + 2 * times);
    }
    // What happened stands in the order in which it did, whatever the clock said.
    let states = states(&fleet, "a");
    let order: Vec<&str> = states.iter().map(String::as_str).collect();
    let ends = order.iter().filter(|state| **state == "stopped").count();
    assert!(ends >= 5, "{order:?}");
    assert_eq!(order.last(), Some(&"ready"), "{order:?}");
    for pair in order.windows(2) {
        assert!(pair != ["ready", "starting"], "{order:?}");
    }
}

#[test]
fn an_agent_that_comes_back_with_another_clock_finds_its_nodes() {
    let mut fleet = Fleet::new();
    fleet.start_master();
    let clock = Clock::new(fleet.path(), "clock");
    fleet.environment = clock.environment();
    fleet.start_far_agent("m1");
    fleet.apply(&["a"], "");
    fleet.start_game();
    let pid = fleet.pid("a");
    // Late by most of a day, which certificates allow, and ahead.
    for step in [-23 * HOUR_S, 23 * HOUR_S] {
        fleet.agent_process("m1").kill();
        clock.set(step);
        fleet.start_far_agent("m1");
        assert_eq!(fleet.wait_for_state("a", "ready")["pid"], pid);
    }
    // A machine that is late enrols.
    clock.set(-23 * HOUR_S);
    fleet.start_far_agent("m2");
    fleet.kill_node("a");
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn a_master_whose_clock_is_set_goes_on_with_what_it_does() {
    let mut fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    fleet.environment = clock.environment();
    fleet.start_master();
    fleet.environment = Vec::new();
    fleet.start_far_agent("m1");
    fleet.apply(&["a", "b"], "[update]\nwatch = \"1s\"\n");
    fleet.start_game();
    for (version, step) in [("2", HOUR_S), ("3", -HOUR_S), ("4", 0)] {
        let game = fleet.game(&format!("v{version}"), version);
        let first = fleet.node("a")["release"].clone();
        let words = [
            "--timeout",
            "60s",
            "update",
            "all",
            "--release",
            &game,
            "--yes",
        ];
        let said = std::thread::scope(|scope| {
            let updating = scope.spawn(|| fleet.run(&words));
            wait_until("the first has changed over", || {
                fleet.node("a")["release"] != first
            });
            clock.set(step);
            updating.join().expect("the client ends")
        });
        assert_eq!(said.status, 0, "{said:?}");
        fleet.wait_for_line("b", &format!("version {version} is up"));
        wait_until("the difference is seen", || {
            (offset(&fleet) + step as f64).abs() < 60.0
        });
        fleet.must(&["drain", "a"]);
        fleet.must(&["drain", "a", "--off"]);
    }
    assert_eq!(
        states(&fleet, "a").last().map(String::as_str),
        Some("ready")
    );
    fleet.must(&["audit", "--verify"]);
    // The order is that of what happened, not of the times that were written down.
    let audit = fleet.rows(&["audit"]);
    let words = audit.iter().filter_map(|row| row["command"].as_str());
    let mut order: Vec<&str> = words
        .filter(|word| matches!(*word, "update" | "drain"))
        .collect();
    order.dedup();
    assert_eq!(order, ["update", "drain"].repeat(3));
}

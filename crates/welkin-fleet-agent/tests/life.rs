//! Nodes under orders: started, watched, stopped, started again; by real processes.

mod support;

use support::{World, lives};
use welkin_fleet_model::entry::{GiveUp, Probe, Restart};
use welkin_fleet_model::state::State;

const RUNS: &str = "./node.sh";
/// A node that ends by SIGTERM.
const SLEEPS: &str = "echo up; exec sleep 1000";

fn world(name: &str, script: &str) -> World {
    let mut world = World::new(name);
    world.script("node.sh", script);
    world.begin();
    world
}

#[test]
fn a_node_is_started_and_stopped_as_ordered() {
    let mut world = world("started", SLEEPS);
    world.want(World::entry("a", RUNS));
    world.send_orders();
    let report = world.wait_state("a", State::Ready);
    let pid = report.pid.unwrap();
    assert!(lives(pid));
    assert_eq!((report.life, report.orders), (1, world.orders.version));
    world.order("a").running = false;
    world.send_orders();
    let report = world.wait_state("a", State::Stopped);
    assert_eq!((report.pid, report.killed_after_s), (None, None));
    assert!(!lives(pid));
}

#[test]
fn a_node_that_dies_comes_back_and_the_reason_names_signal_and_last_line() {
    let mut world = world("dies", "echo last words; sleep 0.2; kill -SEGV $$");
    let mut entry = World::entry("a", RUNS);
    entry.restart = Restart::Always;
    entry.give_up = GiveUp {
        starts: 3,
        within_ms: 60_000,
    };
    world.want(entry);
    world.send_orders();
    let report = world.wait_state("a", State::Failed);
    assert_eq!(report.restarts, 2);
    assert_eq!(
        report.reason,
        "given up after 3 starts: ended by SIGSEGV: last words"
    );
    let states = world.look(|heard| heard.states.clone());
    let starts = states.iter().filter(|(_, state)| *state == State::Starting);
    assert_eq!(starts.count(), 3, "{states:?}");
}

#[test]
fn a_node_that_ignores_everything_is_killed_and_that_is_said() {
    let mut world = world(
        "ignores",
        "trap '' TERM; echo up; while :; do sleep 0.1; done",
    );
    world.want(World::entry("a", RUNS));
    world.send_orders();
    let pid = world.wait_state("a", State::Ready).pid.unwrap();
    world.order("a").running = false;
    world.send_orders();
    let report = world.wait_state("a", State::Stopped);
    assert_eq!(report.killed_after_s, Some(2));
    assert_eq!(report.reason, "killed after 2s");
    assert!(!lives(pid));
}

#[test]
fn a_wrong_program_is_a_failure_at_once() {
    let mut world = world("wrong", SLEEPS);
    world.script("broken.sh", "");
    std::fs::write(world.work().join("broken.sh"), b"\x7fELF broken").unwrap();
    for (node, command, part) in [
        ("missing", "./nothing.sh", "No such file"),
        ("outside", "/bin/sh -c true", "--allow-path"),
        ("broken", "./broken.sh", "exec: "),
        ("unclosed", "'./node.sh", "not closed"),
    ] {
        world.want(World::entry(node, command));
        world.send_orders();
        let report = world.wait_state(node, State::Failed);
        assert!(report.reason.contains(part), "{node}: {}", report.reason);
        assert_eq!(report.restarts, 0);
    }
}

#[test]
fn status_78_and_status_0_are_not_tried_again() {
    let mut world = world("status", "exit $1");
    world.want(World::entry("wrong", "./node.sh 78"));
    world.want(World::entry("through", "./node.sh 0"));
    world.send_orders();
    let wrong = world.wait_state("wrong", State::Failed);
    assert!(
        wrong.reason.starts_with("exit status 78"),
        "{}",
        wrong.reason
    );
    let through = world.wait_report("through", |report| {
        report.state == State::Stopped && report.life == 1
    });
    assert_eq!(through.restarts, 0);
}

#[test]
fn a_probe_of_a_port_decides_about_ready() {
    let mut world = world("port", SLEEPS);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut entry = World::entry("a", RUNS);
    entry.ready.probe = Probe::Tcp(port);
    entry.ready.timeout_ms = 500;
    world.want(entry);
    drop(listener);
    world.send_orders();
    let report = world.wait_state("a", State::NotReady);
    assert!(
        report.reason.starts_with("not ready within 0.5 s"),
        "{}",
        report.reason
    );
    let _listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    world.wait_state("a", State::Ready);
}

#[test]
fn a_new_life_is_another_process_and_older_orders_are_refused() {
    let mut world = world("lives", SLEEPS);
    world.want(World::entry("a", RUNS));
    world.send_orders();
    let first = world.wait_state("a", State::Ready).pid;
    world.order("a").life = 2;
    world.send_orders();
    let report = world.wait_report("a", |report| {
        report.life == 2 && report.state == State::Ready
    });
    assert_ne!(report.pid, first);
    world.orders.version = 1;
    world.order("a").running = false;
    world.send_orders();
    world.wait("a note", |heard| {
        heard
            .notes
            .iter()
            .any(|note| note.contains("are older than"))
    });
    assert_eq!(world.report("a").state, State::Ready);
}

#[test]
fn a_node_that_is_not_named_any_more_ends_and_leaves_no_folder() {
    let mut world = world("unnamed", SLEEPS);
    world.want(World::entry("a", RUNS));
    world.send_orders();
    let pid = world.wait_state("a", State::Ready).pid.unwrap();
    world.orders.nodes.clear();
    world.send_orders();
    let report = world.wait_state("a", State::Stopped);
    assert_eq!(report.orders, world.orders.version);
    assert!(!lives(pid));
    world.wait_for("the folder goes", || !world.run_folder("a").exists());
}

//! What is killed while it is needed: agent, keeper, master, each at bad moments; by real processes.

mod support;

use std::time::Duration;

use support::{World, keeper_of, kill, lives, talking_node};
use welkin_fleet_model::entry::Probe;
use welkin_fleet_model::state::State;

const RUNS: &str = "./node.sh";
const SLEEPS: &str = "echo up; exec sleep 1000";
/// Notes when it finds itself running beside another one of its kind.
const ALONE: &str = "trap 'rmdir one; exit 0' TERM\n\
    mkdir one || echo twice >> twice\n\
    while :; do sleep 0.02; done";

fn world(name: &str, script: &str) -> World {
    let mut world = World::new(name);
    world.script("node.sh", script);
    world.begin();
    world
}

fn running(name: &str, script: &str) -> (World, u32) {
    let mut world = world(name, script);
    world.want(World::entry("a", RUNS));
    world.send_orders();
    let pid = world.wait_state("a", State::Ready).pid.unwrap();
    (world, pid)
}

#[test]
fn an_agent_that_comes_back_finds_its_node() {
    let (mut world, pid) = running("adopt", SLEEPS);
    world.kill_agent();
    assert!(lives(pid));
    world.begin();
    let report = world.wait_state("a", State::Ready);
    assert_eq!((report.pid, report.restarts), (Some(pid), 0));
    world.order("a").running = false;
    world.send_orders();
    world.wait_state("a", State::Stopped);
    assert!(!lives(pid));
}

#[test]
fn an_agent_that_is_told_to_end_leaves_its_nodes_and_says_so_in_the_lock() {
    let (mut world, pid) = running("end", SLEEPS);
    world.end_agent();
    assert!(lives(pid));
    let lock = std::fs::read_to_string(world.dir.join("agent/lock")).unwrap();
    assert_eq!(lock.trim(), "ended");
    world.begin();
    assert_eq!(world.wait_state("a", State::Ready).pid, Some(pid));
}

#[test]
fn a_node_that_died_while_the_agent_was_away_is_an_unasked_end() {
    let (mut world, pid) = running("died", SLEEPS);
    world.kill_agent();
    kill(pid);
    world.wait_for("its status", || {
        world.run_folder("a").join("status.json").exists()
    });
    world.begin();
    let report = world.wait_report("a", |report| report.restarts == 1 && report.pid.is_some());
    assert_ne!(report.pid, Some(pid));
}

#[test]
fn a_stop_goes_on_after_the_agent_was_killed_in_the_middle_of_it() {
    let script = "trap '' TERM; echo up; while :; do sleep 0.1; done";
    let (mut world, pid) = running("midstop", script);
    world.order("a").running = false;
    world.send_orders();
    world.wait_state("a", State::Stopping);
    world.kill_agent();
    assert!(lives(pid));
    world.begin();
    let report = world.wait_state("a", State::Stopped);
    assert!(report.killed_after_s.is_some());
    assert!(!lives(pid));
}

#[test]
fn an_agent_killed_at_any_moment_of_a_start_starts_once() {
    let mut world = world("midstart", ALONE);
    let mut entry = World::entry("a", RUNS);
    entry.ready.probe = Probe::After(50);
    world.want(entry);
    for moment in [0, 5, 15, 30, 60, 120] {
        world.order("a").life += 1;
        world.send_orders();
        std::thread::sleep(Duration::from_millis(moment));
        world.kill_agent();
        world.begin();
        // The orders may have died with the agent.
        world.send_orders();
        let life = world.order("a").life;
        world.wait_report("a", |report| {
            report.life == life && report.state == State::Ready
        });
    }
    world.order("a").running = false;
    world.send_orders();
    world.wait_state("a", State::Stopped);
    assert!(!world.work().join("twice").exists());
}

#[test]
fn a_node_outlives_its_keeper_and_gets_another() {
    let (mut world, pid) = running("keeper", SLEEPS);
    let keeper = keeper_of(&world.run_folder("a"));
    kill(keeper);
    world.wait("a note", |heard| {
        heard
            .notes
            .iter()
            .any(|note| note.contains("keeper was killed"))
    });
    world.wait_for("a new keeper", || {
        let handle = welkin_fleet_keeper::agent::connect(&world.run_folder("a"));
        handle.is_ok_and(|handle| handle.who().keeper != keeper)
    });
    assert!(lives(pid));
    assert_eq!(world.report("a").state, State::Ready);
    kill(pid);
    let report = world.wait_report("a", |report| report.restarts == 1);
    assert!(report.pid != Some(pid));
    world.order("a").running = false;
    world.send_orders();
    world.wait_state("a", State::Stopped);
}

#[test]
fn a_node_whose_keeper_and_agent_were_killed_is_found() {
    let (mut world, pid) = running("both", SLEEPS);
    let keeper = keeper_of(&world.run_folder("a"));
    world.kill_agent();
    kill(keeper);
    world.begin();
    let report = world.wait_state("a", State::Ready);
    assert_eq!((report.pid, report.restarts), (Some(pid), 0));
}

#[test]
fn without_a_master_a_node_that_dies_is_started_again() {
    let (mut world, pid) = running("away", SLEEPS);
    world.kill_master();
    kill(pid);
    let run = world.run_folder("a");
    world.wait_for("another process", || {
        let handle = welkin_fleet_keeper::agent::connect(&run);
        handle.is_ok_and(|handle| handle.who().pid != pid)
    });
    world.start_master();
    world.wait_report("a", |report| {
        report.restarts == 1 && report.state == State::Ready
    });
}

#[test]
fn a_reboot_is_an_end_and_the_nodes_wait_for_a_new_life() {
    let (mut world, pid) = running("reboot", SLEEPS);
    world.kill_agent();
    kill(pid);
    world.wait_for("its status", || {
        world.run_folder("a").join("status.json").exists()
    });
    // As if all that had been before the machine was started.
    std::fs::write(world.dir.join("agent/boot"), "another\n").unwrap();
    let start = world.run_folder("a").join("start.json");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let text = std::fs::read_to_string(&start).unwrap();
    std::fs::write(&start, text.replace(boot.trim(), "another")).unwrap();
    world.begin();
    let report = world.report("a");
    assert_eq!((report.state, report.life), (State::Stopped, 1));
    assert!(
        report.reason.starts_with("machine rebooted"),
        "{}",
        report.reason
    );
    world.send_orders();
    world.order("a").life = 2;
    world.send_orders();
    world.wait_report("a", |report| {
        report.life == 2 && report.state == State::Ready
    });
}

#[test]
fn a_node_that_talks_is_asked_drained_and_stopped_over_its_connection() {
    let mut world = world("talks", SLEEPS);
    let mut entry = World::entry("a", &talking_node());
    entry.ready.probe = Probe::Control;
    entry.online = Some("gate.online".to_owned());
    world.want(entry);
    world.send_orders();
    let pid = world.wait_state("a", State::Ready).pid.unwrap();
    world.wait("its figures", |heard| {
        let figures = heard.beat.as_ref().and_then(|beat| beat.nodes.first());
        figures.is_some_and(|node| node.services == Some(5) && node.online == Some(11))
    });
    world.order("a").drain = true;
    world.send_orders();
    assert!(world.wait_state("a", State::Draining).drained);
    world.kill_agent();
    world.begin();
    let report = world.wait_state("a", State::Draining);
    assert_eq!(report.pid, Some(pid));
    kill(pid);
    // A drain outlives the node.
    world.wait_report("a", |report| {
        report.restarts == 1 && report.state == State::Draining
    });
    world.order("a").drain = false;
    world.send_orders();
    world.wait_state("a", State::Ready);
    world.order("a").running = false;
    world.send_orders();
    let report = world.wait_state("a", State::Stopped);
    assert_eq!(report.killed_after_s, None);
}

#[test]
fn a_node_that_was_started_by_hand_is_shown_and_stopped_like_the_others() {
    let mut world = world("hand", SLEEPS);
    world.want(World::entry("a", RUNS));
    world.order("a").running = false;
    world.order("a").entry.ready.probe = Probe::Control;
    world.send_orders();
    world.wait_state("a", State::Stopped);
    let mut node = std::process::Command::new(env!("CARGO_BIN_EXE_wk-agent"))
        .arg("node")
        .arg(world.dir.join("agent/agent.sock"))
        .env("WELKIN_NODE", "a")
        .env_remove("WELKIN_START")
        .spawn()
        .unwrap();
    let report = world.wait_state("a", State::Ready);
    assert_eq!((report.pid, report.adopted), (Some(node.id()), true));
    // The agent may be replaced: the node comes again.
    world.kill_agent();
    world.begin();
    world.wait_report("a", |report| report.adopted && report.state == State::Ready);
    world.order("a").running = true;
    world.send_orders();
    world.order("a").running = false;
    world.send_orders();
    assert_eq!(node.wait().unwrap().code(), Some(0));
    world.wait_state("a", State::Stopped);
}

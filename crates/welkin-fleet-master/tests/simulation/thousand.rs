//! A thousand nodes on a hundred machines: how much memory, how quick, how soon calm after a restart.

use std::time::Instant;

use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::client::{Command, Status};

use crate::store::fleet_file;
use crate::world::{World, all, start};

/// What the whole test process may have resident, agents and disk included.
const MEMORY_MAX: u64 = 200 << 20;

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    pages * 4096
}

#[test]
fn a_thousand_nodes_are_started_shown_and_found_again_after_a_restart() {
    let nodes: Vec<(String, String, String)> = (0..1000)
        .map(|n| {
            (
                format!("node_{n:04}"),
                format!("m{:03}", n % 100),
                format!("g{}", n % 3),
            )
        })
        .collect();
    let nodes: Vec<(&str, &str, &str)> = nodes
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
        .collect();
    let groups = "[group.g1]\nafter = [\"g0\"]\n[group.g2]\nafter = [\"g1\"]\n";
    let mut world = World::of(11, &fleet_file(groups, &nodes));
    let outcome = world.run(start(all()));
    assert_eq!((outcome.status, outcome.rows.len()), (Status::Done, 1000));
    world.pass(5000);

    let began = Instant::now();
    let status = world.run(Command::Status { sel: Vec::new() });
    println!("status of 1000 nodes: {:?}", began.elapsed());
    assert_eq!(status.rows.len(), 1000);

    let versions: u64 = world
        .agents
        .values()
        .map(|agent| agent.orders.version)
        .sum();
    world.kill_master();
    world.pass(2000);
    world.start_master();
    let (began, from) = (Instant::now(), world.now);
    world.until("all are known again", |world| {
        let views = world.fleet.as_ref().expect("a master").view().nodes;
        views.iter().all(|node| node.state == State::Ready)
    });
    let calm = world.now - from;
    println!(
        "all known {calm} ms after the restart (virtual), {:?} of work",
        began.elapsed()
    );
    assert!(calm < 10_000, "{calm}");
    world.pass(3000);
    let after: u64 = world
        .agents
        .values()
        .map(|agent| agent.orders.version)
        .sum();
    assert_eq!(versions, after, "nobody was told anything new");
    let resident = resident();
    println!("resident with all agents: {} MiB", resident >> 20);
    assert!(resident < MEMORY_MAX, "{resident}");
}

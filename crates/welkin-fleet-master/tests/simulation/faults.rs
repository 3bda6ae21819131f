//! Agents that are away, masters that are killed, disks that are full, backups that are old.

use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::client::{Command, Options, Outcome, Status};

use crate::store::fleet_file;
use crate::world::{World, all, results, start};

fn world() -> World {
    World::of(3, &fleet_file("", &[("a", "m1", ""), ("b", "m2", "")]))
}

fn apply(file: String) -> Command {
    Command::Apply {
        file,
        cluster: None,
        dry_run: false,
        restart: false,
    }
}

#[test]
fn what_is_asked_of_an_agent_that_is_away_is_done_when_it_is_back() {
    let mut world = world();
    world.run(start(vec!["b".into()]));
    world.cut("m2", None);
    world.pass(11_000);
    let shown = world.shown("b");
    assert_eq!(shown["state"], "unknown");
    assert!(
        shown["reason"]
            .as_str()
            .unwrap()
            .contains("last state ready"),
        "{shown:?}"
    );
    let outcome = world.run(Command::Stop {
        sel: vec!["b".into()],
    });
    assert_eq!(
        (outcome.status, results(&outcome)["b"].as_str()),
        (Status::Failed, "unreachable")
    );
    world.agents.get_mut("m2").unwrap().connects_at = Some(0);
    world.until("it is stopped", |world| world.state("b") == State::Stopped);

    let never = Options {
        now_or_never: true,
        ..Options::default()
    };
    // Also while its silence is too short for it to be unknown.
    for silence_ms in [11_000, 1_000] {
        world.cut("m2", None);
        world.pass(silence_ms);
        let call = world.call_with(start(vec!["b".into()]), never.clone());
        assert_eq!(results(&world.wait(call))["b"], "unreachable");
        world.agents.get_mut("m2").unwrap().connects_at = Some(0);
        world.pass(5000);
        assert_eq!(world.state("b"), State::Stopped, "now or never");
    }

    world.cut("m2", None);
    world.pass(11_000);
    world.run(start(vec!["b".into()]));
    world.agents.get_mut("m2").unwrap().connects_at = Some(0);
    world.until("it is started", |world| world.state("b") == State::Ready);
}

#[test]
fn a_start_for_a_node_that_runs_unseen_does_not_restart_it() {
    let mut world = world();
    world.run(start(all()));
    let life = world.node("b").unwrap().report.life;
    world.cut("m2", None);
    world.pass(11_000);
    world.run(Command::Stop {
        sel: vec!["b".into()],
    });
    world.run(start(vec!["b".into()]));
    world.agents.get_mut("m2").unwrap().connects_at = Some(0);
    world.pass(5000);
    assert_eq!(world.node("b").unwrap().report.life, life);
    assert_eq!(world.state("b"), State::Ready);
}

#[test]
fn a_master_that_is_killed_comes_back_and_touches_nothing_that_is_as_it_should_be() {
    let mut world = world();
    world.run(start(all()));
    let versions: Vec<u64> = world
        .agents
        .values()
        .map(|agent| agent.orders.version)
        .collect();
    world.kill_master();
    world.pass(5000);
    world.start_master();
    let shown = world.shown("a");
    assert_eq!(
        (shown["state"].clone(), shown["last"].clone()),
        ("unknown".into(), "ready".into())
    );
    world.pass(5000);
    assert_eq!(world.shown("a")["state"], "ready");
    let after: Vec<u64> = world
        .agents
        .values()
        .map(|agent| agent.orders.version)
        .collect();
    assert_eq!(versions, after, "no orders were needed");
    assert!(
        world.agents.values().all(|agent| agent.starts.is_empty()),
        "nothing was started again"
    );
}

#[test]
fn an_acknowledged_start_is_carried_out_by_the_next_master() {
    let mut world = world();
    let call = world.call(Command::Start {
        sel: all(),
        no_wait: true,
        force: false,
    });
    assert_eq!(world.wait(call).status, Status::Done);
    world.kill_master();
    world.start_master();
    world.until("all run", |world| {
        ["a", "b"]
            .iter()
            .all(|node| world.state(node) == State::Ready)
    });
}

#[test]
fn a_full_disk_refuses_changes_and_leaves_everything_as_it_is() {
    let mut world = world();
    world.run(start(vec!["a".into()]));
    world.disk.full = true;
    let outcome = world.run(start(vec!["b".into()]));
    assert_eq!(
        (outcome.status, outcome.errors[0].code.as_str()),
        (Status::Failed, "refused")
    );
    assert!(
        outcome.errors[0].text.contains("no space left"),
        "{outcome:?}"
    );
    let outcome = world.run(Command::Stop {
        sel: vec!["b".into()],
    });
    assert_eq!(outcome.errors[0].code, "refused", "{outcome:?}");
    world.pass(3000);
    assert_eq!(world.state("b"), State::Stopped);
    assert_eq!(
        world.shown("a")["state"],
        "ready",
        "figures and reports go on"
    );
    let outcome = world.run(apply(fleet_file("", &[("a", "m1", "")])));
    assert_eq!(outcome.errors[0].code, "refused", "{outcome:?}");
    assert_eq!(world.shown("b")["state"], "stopped", "the old file holds");
    world.disk.full = false;
    assert_eq!(results(&world.run(start(vec!["b".into()])))["b"], "started");
}

#[test]
fn an_agent_that_cannot_write_orders_down_lets_who_asked_know_at_once() {
    let mut world = world();
    world.run(start(all()));
    world.agents.get_mut("m2").unwrap().full = true;
    let sel = || vec!["b".to_owned()];
    let refused = |outcome: Outcome| {
        let error = &outcome.errors[0];
        assert_eq!(outcome.status, Status::Failed, "{outcome:?}");
        let words = "agent of m2 cannot write down what is wanted (orders.json: no room)";
        assert!(error.text.contains(words), "{outcome:?}");
        error.code.clone()
    };
    let outcome = world.run(Command::Stop { sel: sel() });
    assert_eq!(refused(outcome), "unwritten");
    let drain = |off| Command::Drain { sel: sel(), off };
    assert_eq!(refused(world.run(drain(false))), "unwritten");
    let restart = Command::Restart {
        sel: sel(),
        at_once: 1,
    };
    assert_eq!(refused(world.run(restart)), "failed");
    let outcome = world.run(Command::Stop { sel: sel() });
    assert_eq!(refused(outcome), "unwritten");
    assert_eq!(world.state("b"), State::Ready);
    let reason = world.shown("b")["reason"].to_string();
    assert!(reason.contains("make room there"), "{reason}");
    // What was asked last is done when there is room, and asked anew it is not refused for what was.
    world.agents.get_mut("m2").unwrap().full = false;
    world.until("it is stopped", |world| world.state("b") == State::Stopped);
    assert_eq!(world.shown("b")["reason"], "");
    world.run(drain(true));
    assert_eq!(results(&world.run(start(sel())))["b"], "started");
}

#[test]
fn an_old_backup_stops_nothing() {
    let mut world = world();
    let old = world.disk.clone();
    world.run(start(all()));
    world.run(apply(fleet_file(
        "",
        &[("a", "m1", ""), ("b", "m2", ""), ("c", "m2", "")],
    )));
    world.run(start(vec!["c".into()]));
    world.kill_master();
    world.disk = old;
    world.start_master();
    world.pass(10_000);
    for node in ["a", "b", "c"] {
        assert_eq!(world.state(node), State::Ready, "{node}");
    }
    let outcome = world.run(Command::Status { sel: Vec::new() });
    let tail = outcome.tail.join("\n");
    assert!(
        tail.contains("a: wanted running (records: stopped)"),
        "{tail}"
    );
    assert!(
        tail.contains("c: not in the fleet file; it stays as it is"),
        "{tail}"
    );
    assert_eq!(outcome.rows.len(), 3);
    // The next file decides.
    world.run(apply(fleet_file("", &[("a", "m1", ""), ("b", "m2", "")])));
    world.until("c is gone", |world| world.node("c").is_none());
    assert_eq!(world.state("a"), State::Ready);
}

#[test]
fn a_node_moves_when_its_old_machine_has_said_that_it_ended() {
    let mut world = world();
    world.run(start(all()));
    world.cut("m2", None);
    world.pass(11_000);
    let outcome = world.run(apply(fleet_file(
        "[machine.m2]\n",
        &[("a", "m1", ""), ("b", "m1", "")],
    )));
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    let outcome = world.run(start(vec!["b".into()]));
    assert!(
        results(&outcome)["b"].contains("waits for the agent of m2"),
        "{outcome:?}"
    );
    assert!(
        !world.agents["m1"]
            .orders
            .nodes
            .iter()
            .any(|o| o.entry.name == "b" && o.running)
    );
    world.agents.get_mut("m2").unwrap().connects_at = Some(0);
    world.until("it has moved", |world| {
        world.agents["m1"]
            .nodes
            .get("b")
            .is_some_and(|node| node.report.state == State::Ready)
    });
}

#[test]
fn a_lost_machine_gives_its_node_up_only_by_force() {
    let mut world = world();
    world.run(start(all()));
    world.cut("m2", None);
    world.agents.get_mut("m2").unwrap().nodes.clear();
    world.agents.get_mut("m2").unwrap().orders = Default::default();
    world.pass(11_000);
    world.run(apply(fleet_file("", &[("a", "m1", ""), ("b", "m1", "")])));
    world.pass(3000);
    assert!(
        !world.agents["m1"]
            .orders
            .nodes
            .iter()
            .any(|o| o.entry.name == "b" && o.running)
    );
    let forced = Command::Start {
        sel: vec!["b".into()],
        no_wait: false,
        force: true,
    };
    assert_eq!(results(&world.run(forced))["b"], "started");
}

#[test]
fn a_rebooted_machine_starts_on_the_masters_word() {
    let mut world = world();
    world.run(start(all()));
    world.cut("m2", Some(2000));
    let node = world
        .agents
        .get_mut("m2")
        .unwrap()
        .nodes
        .get_mut("b")
        .unwrap();
    node.report.state = State::Stopped;
    node.report.reason = "machine rebooted".into();
    world.until("it is back", |world| world.state("b") == State::Ready);
}

#[test]
fn a_node_of_a_bare_cluster_file_is_where_its_address_is() {
    let mut world = World::new(5);
    let nodes = [
        ("master", "127.0.0.1:1"),
        ("x", "10.0.0.2:2"),
        ("y", "10.0.0.3:3"),
    ];
    let nodes = nodes
        .map(|(name, address)| (name.to_owned(), address.to_owned()))
        .into();
    world.run(Command::Classic {
        master: "master".into(),
        nodes,
    });
    for (name, address) in [("mb", "10.0.0.2"), ("ma", "10.0.0.2"), ("mc", "10.0.0.3")] {
        world.add_agent(name);
        world.agents.get_mut(name).unwrap().addresses = vec![address.into()];
    }
    world.delay = 1;
    world.pass(2000);
    let outcome = world.run(start(all()));
    assert_eq!(results(&outcome).len(), 2, "never the master: {outcome:?}");
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    assert!(world.agents["mc"].nodes["y"].report.state == State::Ready);
    let order = &world.agents["mc"].orders.nodes[0];
    assert!(order.entry.scripted && order.entry.machine == "mc");
    let outcome = world.run(Command::Stop {
        sel: vec!["master".into()],
    });
    assert_eq!(outcome.errors[0].text, "refused: master");
    let list = world.run(Command::List { sel: Vec::new() });
    assert_eq!(list.rows.len(), 3);
    assert_eq!(list.rows[0]["state"], "ready");
}

#[test]
fn a_node_started_by_hand_is_taken_over_and_one_that_was_to_stop_is_stopped() {
    let mut world = world();
    let agent = world.agents.get_mut("m1").unwrap();
    let version = agent.orders.version;
    let node = agent.nodes.get_mut("a").unwrap();
    node.report.adopted = true;
    node.report.state = State::Ready;
    node.report.orders = version;
    world.cut("m1", Some(100));
    world.pass(3000);
    assert_eq!(world.shown("a")["wanted"], "running");
    assert_eq!(world.state("a"), State::Ready);
    assert_eq!(
        results(&world.run(Command::Stop {
            sel: vec!["a".into()]
        }))["a"],
        "stopped"
    );
}

#[test]
fn an_old_backup_stops_nothing_though_the_disk_is_full_at_first() {
    let mut world = world();
    let old = world.disk.clone();
    world.run(start(all()));
    world.kill_master();
    world.disk = old;
    world.disk.full = true;
    world.start_master();
    world.pass(10_000);
    world.disk.full = false;
    world.pass(5000);
    for node in ["a", "b"] {
        assert_eq!(world.state(node), State::Ready, "{node}");
        assert_eq!(world.shown(node)["wanted"], "running");
    }
}

#[test]
fn a_command_whose_turn_comes_on_a_full_disk_is_refused() {
    let mut world = world();
    let first = world.call(start(vec!["a".into()]));
    let second = world.call(Command::Stop {
        sel: vec!["a".into()],
    });
    world.disk.full = true;
    assert_eq!(
        world.wait(first).status,
        Status::Done,
        "it was on disk already"
    );
    let outcome = world.wait(second);
    assert_eq!(outcome.errors[0].code, "refused", "{outcome:?}");
    assert_eq!(world.state("a"), State::Ready);
}

//! start, stop, restart, drain, figures: what they do and what they answer.

use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::client::{Command, Figures, Options, Status};

use crate::store::fleet_file;
use crate::world::{World, all, results, start};

const NODES: [(&str, &str, &str); 4] = [
    ("login", "m1", "login"),
    ("scene_1", "m1", "scene"),
    ("scene_2", "m2", "scene"),
    ("web", "m2", ""),
];

fn world() -> World {
    World::of(
        1,
        &fleet_file("[group.scene]\nafter = [\"login\"]\n", &NODES),
    )
}

#[test]
fn groups_start_one_after_the_other_and_stop_the_other_way() {
    let mut world = world();
    let call = world.call(start(all()));
    world.until("login is there", |world| {
        world.state("login") == State::Starting
    });
    assert_eq!(
        world.state("scene_1"),
        State::Stopped,
        "scene waits for login"
    );
    world.until("a scene starts", |world| {
        world.state("scene_1") == State::Starting
    });
    assert_eq!(world.state("login"), State::Ready);
    let outcome = world.wait(call);
    assert_eq!(outcome.status, Status::Done);
    assert!(
        results(&outcome).values().all(|result| result == "started"),
        "{outcome:?}"
    );
    let again = world.run(start(all()));
    assert!(
        results(&again)
            .values()
            .all(|result| result == "already running"),
        "{again:?}"
    );

    let call = world.call(Command::Stop { sel: all() });
    world.until("a scene stops", |world| {
        world.state("scene_2") == State::Stopping
    });
    assert_eq!(world.state("login"), State::Ready, "login goes last");
    let outcome = world.wait(call);
    assert_eq!(outcome.status, Status::Done);
    assert!(
        results(&outcome).values().all(|result| result == "stopped"),
        "{outcome:?}"
    );
    let again = world.run(Command::Stop { sel: all() });
    assert!(
        results(&again)
            .values()
            .all(|result| result == "already stopped"),
        "{again:?}"
    );
}

#[test]
fn a_failed_node_holds_up_no_later_group() {
    let mut world = world();
    world.agents.get_mut("m1").unwrap().bad.insert("x".into());
    world.disk.full = false;
    let outcome = world.run(start(vec!["login".into()]));
    assert_eq!(outcome.status, Status::Done);
    world
        .agents
        .get_mut("m1")
        .unwrap()
        .nodes
        .get_mut("login")
        .unwrap()
        .report
        .state = State::Failed;
    world.cut("m1", Some(100));
    world.pass(1000);
    let outcome = world.run(start(vec!["group:scene".into()]));
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
}

#[test]
fn a_restart_goes_node_by_node_and_ends_at_the_first_failure() {
    let mut world = world();
    world.run(start(all()));
    let call = world.call(Command::Restart {
        sel: all(),
        at_once: 1,
    });
    let mut most = 0;
    while !world.done.contains_key(&call) {
        world.step();
        let down = NODES
            .iter()
            .filter(|(name, ..)| world.state(name) != State::Ready)
            .count();
        most = most.max(down);
    }
    assert_eq!(most, 1, "one at a time");
    let outcome = world.wait(call);
    assert!(
        results(&outcome)
            .values()
            .all(|result| result == "restarted"),
        "{outcome:?}"
    );
}

#[test]
fn what_had_to_be_killed_is_said_and_fails_the_stop() {
    let mut world = world();
    world.run(start(all()));
    world
        .agents
        .get_mut("m2")
        .unwrap()
        .nodes
        .get_mut("web")
        .unwrap()
        .stubborn = true;
    let outcome = world.run(Command::Stop {
        sel: vec!["web".into()],
    });
    assert_eq!(outcome.status, Status::Failed);
    assert_eq!(results(&outcome)["web"], "killed after 40s");
}

#[test]
fn a_drain_outlives_a_restart_of_the_node() {
    let mut world = world();
    world.run(start(all()));
    world.pass(3000);
    let outcome = world.run(Command::Drain {
        sel: vec!["web".into()],
        off: false,
    });
    assert_eq!(results(&outcome)["web"], "draining");
    assert_eq!(outcome.rows[0]["online"], 7);
    world.run(Command::Restart {
        sel: vec!["web".into()],
        at_once: 1,
    });
    assert_eq!(world.state("web"), State::Draining);
    world.run(Command::Drain {
        sel: vec!["web".into()],
        off: true,
    });
    assert_eq!(world.state("web"), State::Ready);
}

#[test]
fn the_second_command_on_a_node_waits_or_hears_busy() {
    let mut world = world();
    let first = world.call(start(vec!["login".into()]));
    let options = Options {
        or_busy: true,
        ..Options::default()
    };
    let busy = world.call_with(
        Command::Stop {
            sel: vec!["login".into()],
        },
        options.clone(),
    );
    let busy = world.wait(busy);
    assert_eq!(busy.errors[0].code, "busy");
    assert!(
        busy.errors[0]
            .text
            .starts_with("busy: start by anna since 20"),
        "{busy:?}"
    );
    let some = world.call_with(start(vec!["login".into(), "web".into()]), options);
    let second = world.call(Command::Stop {
        sel: vec!["login".into()],
    });
    assert_eq!(results(&world.wait(first))["login"], "started");
    assert_eq!(results(&world.wait(second))["login"], "stopped");
    let some = world.wait(some);
    assert_eq!(results(&some)["web"], "started");
    assert!(results(&some)["login"].starts_with("busy: "), "{some:?}");
    assert_eq!(some.status, Status::Failed);
}

#[test]
fn a_client_that_waits_too_short_hears_how_far_it_is_and_the_work_goes_on() {
    let mut world = world();
    let options = Options {
        timeout_ms: 100,
        ..Options::default()
    };
    let call = world.call_with(start(all()), options);
    let outcome = world.wait(call);
    assert_eq!(outcome.status, Status::TimedOut);
    assert_eq!(outcome.rows.len(), 4);
    world.until("all run", |world| {
        NODES
            .iter()
            .all(|(name, ..)| world.state(name) == State::Ready)
    });
    world.pass(200);
    assert!(world.disk.audited("start").contains(&"done".to_owned()));
}

#[test]
fn unknown_nodes_are_errors_and_are_written_down() {
    let mut world = world();
    let outcome = world.run(start(vec!["loggin".into()]));
    assert_eq!(outcome.errors[0].code, "unknown-node");
    assert!(world.disk.audited("start")[0].starts_with("refused: "));
}

#[test]
fn figures_come_from_all_that_speak_and_the_rest_is_unreachable() {
    let mut world = world();
    world.run(start(all()));
    world.pass(3000);
    world.cut("m2", None);
    world.pass(100);
    let outcome = world.run(Command::Figures {
        kind: Figures::Cpu,
        sel: Vec::new(),
    });
    assert_eq!(outcome.rows.len(), 4);
    assert_eq!(outcome.rows[0]["cpu"], 1.5);
    let lost: Vec<&str> = outcome
        .errors
        .iter()
        .map(|trouble| trouble.node.as_str())
        .collect();
    assert_eq!(lost, ["scene_2", "web"]);
    let online = world.run(Command::Online {
        sel: vec!["login".into()],
    });
    assert_eq!(online.rows[0]["online"], 7);
    let machines = world.run(Command::Figures {
        kind: Figures::Vmstat,
        sel: Vec::new(),
    });
    assert_eq!(
        machines.rows[0]["nodes"],
        serde_json::json!(["login", "scene_1"])
    );
}

#[test]
fn a_line_for_a_console_goes_to_the_node_and_into_the_audit_log() {
    let mut world = world();
    let outcome = world.run(Command::Exec {
        node: "login".into(),
        line: "mem".into(),
    });
    assert_eq!(outcome.rows[0]["output"], "did mem");
    assert_eq!(world.disk.audited("exec mem"), ["accepted"]);
}

#[test]
fn scripts_run_once_on_each_machine_and_say_what_has_changed() {
    let mut world = world();
    for agent in world.agents.values_mut() {
        agent.script = "At revision 7.".into();
    }
    let update = Command::UpdateScript {
        sel: all(),
        restart: false,
    };
    let outcome = world.run(update.clone());
    assert_eq!(results(&outcome)["login"], "updated - -> 7");
    assert_eq!(results(&world.run(update.clone()))["web"], "unchanged 7");
    world.agents.get_mut("m1").unwrap().script = "Updated to revision 8.".into();
    let outcome = world.run(update);
    assert_eq!(results(&outcome)["scene_1"], "updated 7 -> 8");
    assert_eq!(
        world.agents["m1"].asked.len(),
        3,
        "once for each machine, not for each node"
    );
}

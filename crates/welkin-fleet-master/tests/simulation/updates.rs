//! Updates: rolled, watched, rolled back, interrupted.

use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::agent::Ask;
use welkin_fleet_model::wire::client::{Command, Status};

use crate::store::fleet_file;
use crate::world::{World, all, results, start};

const NODES: [(&str, &str, &str); 4] = [
    ("login", "m1", "login"),
    ("scene_1", "m1", "scene"),
    ("scene_2", "m2", "scene"),
    ("scene_3", "m2", "scene"),
];

fn world() -> World {
    let extra =
        "[update]\nwatch = \"2s\"\norder = [\"login\"]\n[group.scene]\nafter = [\"login\"]\n";
    let mut world = World::of(7, &fleet_file(extra, &NODES));
    for agent in world.agents.values_mut() {
        agent.bad.insert("bad".into());
        agent.faulty.insert("faulty".into());
    }
    world.run(start(all()));
    world
}

fn update(release: &str) -> Command {
    Command::Update {
        sel: all(),
        release: Some(release.into()),
        label: "v".into(),
        signature: None,
        no_rollback: false,
    }
}

fn releases(world: &World) -> Vec<Option<&str>> {
    NODES
        .iter()
        .map(|(name, ..)| world.node(name).unwrap().report.release.as_deref())
        .collect()
}

fn all_ready(world: &World) -> bool {
    NODES
        .iter()
        .all(|(name, ..)| world.state(name) == State::Ready)
}

#[test]
fn an_update_switches_one_node_after_the_other_and_can_be_taken_back() {
    let mut world = world();
    let call = world.call(update("good"));
    let mut most = 0;
    while !world.done.contains_key(&call) {
        world.step();
        most = most.max(
            NODES
                .iter()
                .filter(|(name, ..)| world.state(name) != State::Ready)
                .count(),
        );
    }
    let outcome = world.wait(call);
    assert_eq!((outcome.status, most), (Status::Done, 1), "{outcome:?}");
    assert_eq!(releases(&world), [Some("good"); 4]);
    assert!(world.disk.loaded.roll.is_none());
    world.run(update("better"));
    assert_eq!(releases(&world), [Some("better"); 4]);
    let outcome = world.run(Command::Rollback { sel: all() });
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    assert_eq!(releases(&world), [Some("good"); 4]);
}

#[test]
fn a_release_that_does_not_come_up_is_rolled_back_with_the_reason_on_top() {
    let mut world = world();
    world.run(update("good"));
    // Only m2 cannot run it: login and scene_1 are switched before it fails.
    world.agents.get_mut("m1").unwrap().bad.clear();
    let outcome = world.run(update("bad"));
    assert_eq!(outcome.status, Status::RolledBack, "{outcome:?}");
    assert_eq!(outcome.head, ["rolled back: scene_2: exit status 1"]);
    assert_eq!(releases(&world), [Some("good"); 4]);
    assert!(all_ready(&world));
    assert_eq!(results(&outcome)["scene_3"], "not touched");
    assert!(results(&outcome)["scene_2"].starts_with("failed, rolled back"));
    let back: Vec<_> = world
        .progress
        .iter()
        .filter(|line| line.ends_with(": going back"))
        .collect();
    assert_eq!(
        back,
        [
            "scene_2: going back",
            "scene_1: going back",
            "login: going back"
        ],
        "last first"
    );
}

#[test]
fn a_fault_found_before_the_roll_changes_nothing() {
    let mut world = world();
    let lives: Vec<u64> = NODES
        .iter()
        .map(|(n, ..)| world.node(n).unwrap().report.life)
        .collect();
    let outcome = world.run(update("faulty"));
    assert_eq!(outcome.status, Status::Failed, "{outcome:?}");
    assert!(outcome.head[0].contains("no such file"), "{outcome:?}");
    world.agents.get_mut("m2").unwrap().deaf = true;
    let outcome = world.run(update("good"));
    assert!(
        outcome.head[0].contains("fetch: m2: digest differs"),
        "{outcome:?}"
    );
    let fetches = world.agents["m2"]
        .asked
        .iter()
        .filter(|ask| matches!(ask, Ask::Fetch { digest, .. } if digest == "good"));
    assert_eq!(fetches.count(), 3, "twice again");
    let after: Vec<u64> = NODES
        .iter()
        .map(|(n, ..)| world.node(n).unwrap().report.life)
        .collect();
    assert_eq!(lives, after);
}

#[test]
fn an_interrupted_update_goes_on_where_it_was() {
    for steps in [5, 40, 100, 200, 300, 400] {
        let mut world = world();
        world.call(update("good"));
        for _ in 0..steps {
            world.step();
        }
        world.kill_master();
        world.pass(1000);
        world.start_master();
        world.until("it is over", |world| world.disk.loaded.roll.is_none());
        assert_eq!(releases(&world), [Some("good"); 4], "after {steps} steps");
        for (name, ..) in NODES {
            assert_eq!(
                world.node(name).unwrap().report.life,
                2,
                "{name} is switched once, {steps}"
            );
        }
    }
}

#[test]
fn an_update_that_stood_still_for_long_waits_for_an_operator() {
    let mut world = world();
    world.call(update("good"));
    world.until("login is switched", |world| {
        releases(world)[0] == Some("good")
    });
    world.kill_master();
    world.skew += 11 * 60_000;
    world.start_master();
    world.pass(20_000);
    assert_eq!(releases(&world)[3], None, "paused");
    let status = world.run(Command::Status { sel: Vec::new() });
    assert!(status.tail.join(" ").contains("paused"), "{status:?}");
    let refused = world.run(update("better"));
    assert!(refused.errors[0].text.contains("is paused"), "{refused:?}");
    let outcome = world.run(Command::UpdateContinue);
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    assert_eq!(releases(&world), [Some("good"); 4]);
}

#[test]
fn a_paused_or_running_update_can_be_taken_back() {
    for paused in [true, false] {
        let mut world = world();
        let call = world.call(update("good"));
        world.until("login is through", |world| {
            world.progress.contains(&"login: updated".to_owned())
        });
        let outcome = if paused {
            world.kill_master();
            world.skew += 11 * 60_000;
            world.start_master();
            world.pass(3000);
            world.run(Command::Rollback { sel: all() })
        } else {
            assert_eq!(world.run(Command::UpdateCancel).status, Status::Done);
            world.wait(call)
        };
        assert_eq!(outcome.status, Status::RolledBack, "{outcome:?}");
        assert_eq!(releases(&world), [None; 4]);
        assert!(all_ready(&world));
    }
}

#[test]
fn a_disk_that_fails_in_the_roll_holds_it_up_and_no_more() {
    let mut world = world();
    let call = world.call(update("good"));
    world.until("login is switched", |world| {
        releases(world)[0] == Some("good")
    });
    world.disk.full = true;
    world.pass(10_000);
    world.disk.full = false;
    let outcome = world.wait(call);
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    assert_eq!(releases(&world), [Some("good"); 4]);
}

#[test]
fn an_agent_that_is_restarted_in_a_roll_does_not_end_it() {
    let mut world = world();
    let call = world.call(update("good"));
    world.until("scene_2 stops", |world| {
        world.state("scene_2") == State::Stopping
    });
    world.cut("m2", Some(3000));
    assert_eq!(world.wait(call).status, Status::Done);
    assert_eq!(releases(&world), [Some("good"); 4]);
}

#[test]
fn an_upgrade_goes_machine_by_machine_and_knows_who_came_back() {
    let mut world = world();
    let upgrade = |release: &str| Command::Upgrade {
        machines: vec!["m1".into(), "m2".into()],
        release: release.into(),
        label: String::new(),
        signature: None,
    };
    let call = world.call(upgrade("good"));
    for name in ["m1", "m2"] {
        world.until("it is told", |world| {
            let told = |ask: &Ask| matches!(ask, Ask::Upgrade { .. });
            world.agents[name].asked.iter().any(told)
        });
        world.cut(name, Some(1000));
        let agent = world.agents.get_mut(name).unwrap();
        agent.version = "2".into();
        agent.program = Some("good".into());
    }
    let outcome = world.wait(call);
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    assert!(outcome.rows.iter().all(|row| row["version"] == "2"));
    assert!(all_ready(&world), "the nodes have noticed nothing");
    let call = world.call(upgrade("better"));
    let outcome = world.wait(call);
    assert_eq!(outcome.status, Status::Failed);
    let text = outcome.rows[0]["result"].as_str().unwrap();
    assert!(
        text.starts_with("failed: the agent did not come back"),
        "{text}"
    );
    assert_eq!(outcome.rows[1]["result"], "failed: not upgraded: m1 failed");
    // What runs there already is left alone.
    let outcome = world.run(upgrade("good"));
    assert!(outcome.rows.iter().all(|row| row["result"] == "unchanged"));
}

#[test]
fn an_agent_that_comes_back_as_it_was_has_not_been_upgraded() {
    let mut world = world();
    let call = world.call(Command::Upgrade {
        machines: vec!["m1".into()],
        release: "good".into(),
        label: String::new(),
        signature: None,
    });
    world.until("it is told", |world| {
        let told = |ask: &Ask| matches!(ask, Ask::Upgrade { .. });
        world.agents["m1"].asked.iter().any(told)
    });
    // The new binary died; who looks after the agent has started the old one.
    world.cut("m1", Some(1000));
    let outcome = world.wait(call);
    assert_eq!(outcome.status, Status::Failed);
    let text = outcome.rows[0]["result"].as_str().unwrap();
    assert!(text.contains("the old binary came back"), "{text}");
}

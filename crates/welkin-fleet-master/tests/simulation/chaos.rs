//! Cuts, restarts of masters, full disks, commands, all from a seed: nothing that was acknowledged is
//! lost, and no node is on two machines (which the world checks at every step).

use std::collections::BTreeMap;

use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::client::{Command, Status};

use crate::store::fleet_file;
use crate::world::{World, results};

const MACHINES: [&str; 3] = ["m1", "m2", "m3"];

fn file(at: &BTreeMap<String, &str>) -> String {
    let groups = ["login", "scene", ""];
    let nodes: Vec<(&str, &str, &str)> = at
        .iter()
        .enumerate()
        .map(|(number, (name, machine))| (name.as_str(), *machine, groups[number % 3]))
        .collect();
    // Machines that have no node at the moment stay in the file.
    let mut text = fleet_file("[group.scene]\nafter = [\"login\"]\n", &nodes);
    for machine in MACHINES {
        if !text.contains(&format!("[machine.{machine}]")) {
            text.push_str(&format!("[machine.{machine}]\n"));
        }
    }
    text
}

/// What was asked for, and what was promised.
struct Chaos {
    world: World,
    at: BTreeMap<String, &'static str>,
    wanted: BTreeMap<String, bool>,
    calls: Vec<(u64, String, bool)>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let at: BTreeMap<String, &str> = (0..9)
            .map(|number| (format!("n{number}"), MACHINES[number % 3]))
            .collect();
        let world = World::of(seed, &file(&at));
        Self {
            world,
            at,
            wanted: BTreeMap::new(),
            calls: Vec::new(),
        }
    }

    fn act(&mut self) {
        let world = &mut self.world;
        let node = format!("n{}", world.random.below(9));
        let machine = MACHINES[usize::try_from(world.random.below(3)).unwrap()];
        match world.random.below(12) {
            0..=2 => {
                let sel = vec![node.clone()];
                let call = world.call(Command::Start {
                    sel,
                    no_wait: true,
                    force: false,
                });
                self.calls.push((call, node, true));
            }
            3..=4 => {
                let call = world.call(Command::Stop {
                    sel: vec![node.clone()],
                });
                self.calls.push((call, node, false));
            }
            5 => {
                let back = 100 + world.random.below(15_000);
                world.cut(machine, Some(back));
            }
            6 => {
                // Who waits hears nothing, and nothing was promised; it may have been begun.
                for (_, node, _) in self.calls.drain(..) {
                    self.wanted.remove(&node);
                }
                world.kill_master();
                world.pass(500);
                world.start_master();
            }
            7 => {
                world.disk.full = true;
                world.pass(300);
                world.disk.full = false;
            }
            8 => {
                self.at.insert(node, machine);
                let file = file(&self.at);
                let apply = Command::Apply {
                    file,
                    cluster: None,
                    dry_run: false,
                    restart: false,
                };
                world.run(apply);
            }
            _ => {}
        }
        let ms = world.random.below(3000);
        world.pass(ms);
        self.hear();
    }

    fn hear(&mut self) {
        for (call, node, running) in std::mem::take(&mut self.calls) {
            let Some(outcome) = self.world.done.remove(&call) else {
                self.calls.push((call, node, running));
                continue;
            };
            if outcome
                .errors
                .iter()
                .any(|trouble| trouble.code == "refused")
            {
                continue;
            }
            let result = results(&outcome)[&node].clone();
            let kept = result == "unreachable" || result.contains("waits");
            assert!(outcome.status == Status::Done || kept, "{outcome:?}");
            self.wanted.insert(node, running);
        }
    }

    /// Everybody is back: all is as it was promised.
    fn end(mut self, seed: u64) {
        for agent in self.world.agents.values_mut() {
            agent.connects_at = Some(0);
        }
        self.world.pass(60_000);
        self.hear();
        assert!(
            self.calls.is_empty(),
            "seed {seed}: no answer to {:?}",
            self.calls
        );
        for (node, running) in self.wanted {
            let state = self.world.state(&node);
            let wanted = if running {
                State::Ready
            } else {
                State::Stopped
            };
            assert_eq!(state, wanted, "seed {seed}: {node}");
        }
    }
}

fn run(seed: u64) {
    let mut chaos = Chaos::new(seed);
    for _ in 0..120 {
        chaos.act();
    }
    chaos.end(seed);
}

#[test]
fn nothing_acknowledged_is_lost_and_no_node_is_twice() {
    for seed in 1..=40 {
        run(seed);
    }
}

//! `stop`: what is selected is wanted stopped; the gates let later groups end first.

use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::agent::{Ask, Script};

use super::targets::Targets;
use super::{Asker, Poll};
use crate::core::{CallId, Fleet, Node};

/// See the file.
pub(in crate::core) struct Stop {
    pub targets: Targets,
    pub now_or_never: bool,
    /// `stop_all`: where a node that scripts run had to be killed, `stop.sh` is run for what is left.
    pub sweep: bool,
}

impl Stop {
    pub(super) fn begin(&mut self, fleet: &mut Fleet) {
        let now = fleet.now.mono_ms;
        for name in self.targets.pending() {
            self.targets.touch(&name, now);
            let Some(node) = fleet.nodes.get(&name) else {
                self.targets.succeed(fleet, None, &name, "already stopped");
                continue;
            };
            let state = fleet.state(node);
            if self.now_or_never && fleet.is_away(node, true) {
                self.targets
                    .fail(fleet, None, &name, "unreachable", "unreachable");
                continue;
            }
            let idle = matches!(state, State::Stopped | State::Failed) && !on_its_way(fleet, node);
            fleet.want(&name, |w| (w.running, w.revive) = (false, false));
            if state == State::Unknown {
                self.targets
                    .fail(fleet, None, &name, "unreachable", "unreachable");
            } else if idle {
                self.targets.succeed(fleet, None, &name, "already stopped");
            }
        }
    }

    pub(super) fn poll(&mut self, fleet: &mut Fleet, call: Option<CallId>) -> Poll {
        for name in self.targets.pending() {
            let Some(node) = fleet.nodes.get(&name) else {
                self.targets.succeed(fleet, call, &name, "stopped");
                continue;
            };
            let killed = node.report.killed_after_s;
            match fleet.state(node) {
                State::Unknown => {
                    self.targets
                        .fail(fleet, call, &name, "unreachable", "unreachable")
                }
                State::Stopped | State::Failed if has_its_orders(fleet, node) => match killed {
                    Some(seconds) => {
                        self.sweep(fleet, &name);
                        let text = format!("killed after {seconds}s");
                        self.targets.fail(fleet, call, &name, "killed", text);
                    }
                    None => self.targets.succeed(fleet, call, &name, "stopped"),
                },
                _ => {
                    if let Some(why) = fleet.unwritten(node) {
                        self.targets.fail(fleet, call, &name, "unwritten", why);
                    }
                }
            }
        }
        match self.targets.pending().is_empty() {
            true => Poll::Done(self.targets.outcome()),
            false => Poll::Pending,
        }
    }
}

impl Stop {
    fn sweep(&self, fleet: &mut Fleet, name: &str) {
        let entry = &fleet.nodes[name].entry;
        if self.sweep && entry.scripted {
            let machine = entry.machine.clone();
            let ask = Ask::Script {
                script: Script::Stop,
                node: Some(name.to_owned()),
            };
            fleet.ask(
                &machine,
                Asker {
                    task: 0,
                    what: "stop.sh".to_owned(),
                },
                ask,
                None,
            );
        }
    }
}

/// A start was ordered, and the agent has not said yet that it took it up.
fn on_its_way(fleet: &Fleet, node: &Node) -> bool {
    let wanted = fleet.durable.wanted(&node.entry.name);
    wanted.running && wanted.life > node.report.life
}

/// The agent speaks of the orders that it must stop, not of those before.
fn has_its_orders(fleet: &Fleet, node: &Node) -> bool {
    let sent = fleet
        .machines
        .get(&node.entry.machine)
        .and_then(|machine| machine.sent.as_ref());
    let told = sent.is_some_and(|orders| {
        orders
            .nodes
            .iter()
            .any(|order| order.entry.name == node.entry.name && !order.running)
    });
    told && node.report.orders >= node.ordered
}

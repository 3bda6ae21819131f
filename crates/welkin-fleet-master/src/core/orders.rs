//! What each agent is told to want: the records of its nodes, held back where a gate is closed or
//! another machine may still run the node.

use std::sync::Arc;

use welkin_fleet_model::wire::agent::{Order, Orders};

use super::gates::Gates;
use super::{Change, Effect, Fleet, Node};

impl Fleet {
    /// Sends new orders to every connected agent whose orders are not what they should be.
    pub(super) fn send_orders(&mut self) {
        let connected: Vec<(String, u64)> = self
            .machines
            .iter()
            .filter_map(|(name, machine)| Some((name.clone(), machine.session?)))
            .collect();
        for (machine, _) in &connected {
            self.adopt_if_newer(machine);
        }
        let gates = Gates::new(self);
        // One pass over all nodes, not one for each machine.
        let mut by_machine: std::collections::BTreeMap<String, Vec<String>> = Default::default();
        for (name, node) in &self.nodes {
            if self.plan.own.as_deref() != Some(name) {
                by_machine
                    .entry(node.entry.machine.clone())
                    .or_default()
                    .push(name.clone());
            }
        }
        for (machine, session) in connected {
            let nodes = by_machine.remove(&machine).unwrap_or_default();
            self.order_machine(&gates, &machine, session, &nodes);
        }
    }

    fn order_machine(&mut self, gates: &Gates, machine: &str, session: u64, nodes: &[String]) {
        let sent = self.machines[machine].sent.clone().unwrap_or_default();
        let mut orders = Vec::with_capacity(nodes.len());
        let mut changed = Vec::new();
        for name in nodes {
            let node = &self.nodes[name];
            let at = sent
                .nodes
                .binary_search_by(|order| order.entry.name.as_str().cmp(name));
            let old = at.ok().map(|at| &sent.nodes[at]);
            let new = self.order(gates, node, old);
            if old != Some(&new) {
                changed.push(name.clone());
            }
            orders.push(new);
        }
        self.bring_releases(machine, &orders);
        let frame = Orders {
            version: sent.version,
            fleet: self.plan.fleet.name.clone(),
            nodes: orders,
            groups: self.plan.fleet.start_order(),
            keep: self.plan.fleet.keep(),
        };
        let record = self.durable.machine(machine);
        if frame == *sent && frame.version == record.version {
            self.note_versions(machine, nodes, sent.version);
            return;
        }
        self.send(machine, session, frame, record, &changed);
    }

    fn send(
        &mut self,
        machine: &str,
        session: u64,
        mut orders: Orders,
        mut record: super::MachineRecord,
        changed: &[String],
    ) {
        record.version = record.version.max(orders.version) + 1;
        orders.version = record.version;
        for order in orders.nodes.iter().filter(|order| order.running) {
            let holder = Some(machine.to_owned());
            self.want(&order.entry.name, |wanted| wanted.holder = holder);
        }
        for name in changed {
            if let Some(node) = self.nodes.get_mut(name) {
                node.ordered = record.version;
            }
        }
        let orders = Arc::new(orders);
        self.put(Change::Machine(machine.to_owned(), record));
        if let Some(machine) = self.machines.get_mut(machine) {
            machine.sent = Some(orders.clone());
        }
        self.effect(Effect::Orders { session, orders });
        // The writes above are this send's own; they ask for no other.
        self.stirred = false;
    }

    /// An agent that came with what it should have: its reports are measured by that version.
    fn note_versions(&mut self, machine: &str, nodes: &[String], version: u64) {
        debug_assert!(self.machines.contains_key(machine));
        for name in nodes {
            if let Some(node) = self.nodes.get_mut(name)
                && node.ordered == 0
            {
                node.ordered = version;
            }
        }
    }

    /// What the agent is to be told of one node. `old`: what it was told last.
    fn order(&self, gates: &Gates, node: &Node, old: Option<&Order>) -> Order {
        let wanted = self.durable.wanted(&node.entry.name);
        let elsewhere = wanted
            .holder
            .as_ref()
            .is_some_and(|m| *m != node.entry.machine);
        let mut order = Order {
            entry: (*node.entry).clone(),
            running: wanted.running,
            life: wanted.life,
            drain: wanted.drain,
            release: wanted.release.clone(),
            previous: wanted
                .before
                .as_ref()
                .and_then(|before| before.release.clone()),
        };
        if elsewhere {
            order.running = false;
            order.life = node.report.life.min(wanted.life);
        } else if gates.hold(self, node, &wanted) {
            let (running, life) = old.map_or((false, node.report.life), |o| (o.running, o.life));
            order.running = running;
            order.life = life;
        }
        order
    }
}

//! An agent that comes with newer orders than ours: this master's records come from a backup. What the
//! agent was told last is what people wanted last, so it wins; what differs is shown until the next
//! `apply`, and nothing is stopped for being unknown here.

use welkin_fleet_model::wire::agent::{Order, Orders};

use super::{Asked, Before, Change, Fleet};

impl Fleet {
    /// Takes over what the agent has, if it is newer than what was ever sent from here.
    pub(super) fn adopt_if_newer(&mut self, machine: &str) {
        let sent = self
            .machines
            .get(machine)
            .and_then(|known| known.sent.clone());
        if let Some(newer) =
            sent.filter(|sent| sent.version > self.durable.machine(machine).version)
        {
            self.adopt_newer(machine, &newer);
        }
    }

    fn adopt_newer(&mut self, machine: &str, newer: &Orders) {
        let mut record = self.durable.machine(machine);
        let older = std::mem::replace(&mut record.version, newer.version);
        let mut differences = Vec::new();
        for order in &newer.nodes {
            let name = &order.entry.name;
            if !self.plan.nodes.contains_key(name) {
                differences.push(format!("{name}: not in the fleet file; it stays as it is"));
                record.foreign.retain(|entry| entry.name != *name);
                record.foreign.push(order.entry.clone());
            }
            if let Some(difference) = self.adopt_order(machine, order) {
                differences.push(difference);
            }
        }
        self.put(Change::Machine(machine.to_owned(), record));
        self.rebuild_nodes();
        for name in self.nodes_of(machine) {
            let named = newer.nodes.iter().any(|order| order.entry.name == name);
            let wanted = self.durable.wanted(&name);
            if !named && wanted.running {
                differences.push(format!(
                    "{name}: was taken from this machine; it is not started"
                ));
                self.want(&name, |w| w.running = false);
            }
        }
        let text = format!(
            "agent {machine} has newer orders ({} > {older}): they hold; {} differences to these records",
            newer.version,
            differences.len()
        );
        self.log(text.clone());
        self.put(Change::Audit(Asked {
            unix_ms: self.now.unix_ms,
            who: machine.to_owned(),
            from: "agent".to_owned(),
            command: "newer orders".to_owned(),
            target: machine.to_owned(),
            result: std::iter::once(text)
                .chain(differences.iter().cloned())
                .collect::<Vec<_>>()
                .join("; "),
        }));
        self.machines
            .entry(machine.to_owned())
            .or_default()
            .differences = differences;
    }

    fn adopt_order(&mut self, machine: &str, order: &Order) -> Option<String> {
        let name = &order.entry.name;
        let old = self.durable.wanted(name);
        let ours = self
            .plan
            .nodes
            .get(name)
            .is_none_or(|entry| entry.machine == machine || entry.machine.is_empty());
        if !ours {
            // Our file has it elsewhere: until that agent says otherwise it may run here.
            let holder = order.running.then(|| machine.to_owned());
            self.want(name, |w| w.holder = holder.or(w.holder.take()));
            return Some(format!("{name}: the fleet file has it on another machine"));
        }
        self.want(name, |w| {
            w.running = order.running;
            w.life = w.life.max(order.life);
            w.drain = order.drain;
            w.release.clone_from(&order.release);
            if let Some(previous) = &order.previous {
                w.before = Some(Before {
                    release: Some(previous.clone()),
                });
            }
            w.holder = order
                .running
                .then(|| machine.to_owned())
                .or(w.holder.take());
        });
        let new = self.durable.wanted(name);
        let word = |running: bool| if running { "running" } else { "stopped" };
        let mut parts = Vec::new();
        if old.running != new.running {
            parts.push(format!(
                "wanted {} (records: {})",
                word(new.running),
                word(old.running)
            ));
        }
        if old.release != new.release {
            let short = |r: &Option<String>| {
                r.as_deref()
                    .map_or("-".to_owned(), |d| d.chars().take(12).collect())
            };
            parts.push(format!(
                "release {} (records: {})",
                short(&new.release),
                short(&old.release)
            ));
        }
        if old.drain != new.drain {
            parts.push(format!("drain {} (records: {})", new.drain, old.drain));
        }
        (!parts.is_empty()).then(|| format!("{name}: {}", parts.join(", ")))
    }
}

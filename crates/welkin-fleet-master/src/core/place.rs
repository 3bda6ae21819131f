//! On which machine a node is that is given by nothing but its address: where an agent has that address.
//!
//! Of several the machine whose name is first. A place that was found stays, until its agent tells that
//! it has the address no more: a node does not wander because another machine has joined.

use welkin_fleet_model::cluster::split_address;

use super::{Change, Fleet};

impl Fleet {
    /// Finds places for nodes that have none.
    pub(super) fn place_nodes(&mut self) {
        let mut placed = self.durable.placed().clone();
        placed.retain(|name, _| {
            self.plan
                .nodes
                .get(name)
                .is_some_and(|e| e.machine.is_empty())
        });
        for (name, entry) in &self.plan.nodes {
            let Some((ip, _)) = entry.address.as_deref().and_then(split_address) else {
                continue;
            };
            if !entry.machine.is_empty() || placed.get(name).is_some_and(|m| self.has(m, ip)) {
                continue;
            }
            let machines = self.durable.machines().keys();
            if let Some(machine) = machines.into_iter().find(|m| self.has(m, ip)) {
                placed.insert(name.clone(), machine.clone());
            }
        }
        if self.put(Change::Placed(placed)) {
            self.rebuild_nodes();
        }
    }

    fn has(&self, machine: &str, ip: &str) -> bool {
        let loopback = ip == "localhost"
            || ip
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
        // Addresses that lead nowhere else: in a fleet of one machine, its own.
        let record = self.durable.machines().get(machine);
        record.is_some_and(|record| loopback || record.addresses.iter().any(|a| a == ip))
    }
}

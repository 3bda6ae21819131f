//! Finding the nodes that an agent before this one has started.

use std::collections::BTreeMap;

use welkin_fleet_keeper::agent::Handle;
use welkin_fleet_keeper::start;
use welkin_fleet_model::wire::agent::Order;

use super::{Agent, alone};
use crate::node::keeper::{self, Folder, blocking};
use crate::node::{MEMORY, launch};
use crate::say;
use crate::supervise::{End, Found, Memory};

impl Agent {
    /// Before anything else happens: what runs is known, then what is wanted is looked at.
    pub(super) async fn adopt(&mut self) -> Result<(), String> {
        let folders = self.settings.folders.clone();
        let mut rebooted = alone::is_rebooted(&folders)?;
        let names = folders
            .nodes()
            .map_err(|e| format!("{}: {e}", folders.dir().display()))?;
        let mut handles: BTreeMap<String, Handle> = BTreeMap::new();
        for name in names {
            let memory = match start::read::<Memory>(&folders.run(&name), MEMORY) {
                Ok(memory) => memory.unwrap_or_default(),
                Err(error) => {
                    say(&format!("{name}: {error}"));
                    Memory::default()
                }
            };
            let (found, handle) = self.find(&name, &memory).await;
            rebooted |= found == Found::Ended(End::Rebooted);
            self.make_node(&name);
            let now = self.now();
            let Some(node) = self.nodes.get_mut(&name) else {
                continue;
            };
            // What it does next depends on the orders, which come below.
            let actions = node.supervisor.restore(now, &memory, found);
            debug_assert!(actions.is_empty(), "nothing is done before the orders");
            if let Some(handle) = handle {
                node.key.clone_from(&memory.start_key);
                handles.insert(name, handle);
            }
        }
        if rebooted && self.orders.version > 0 {
            self.begin_reboot();
        }
        for (name, handle) in handles {
            self.take_back(&name, handle);
        }
        if self.orders.version > 0 || !self.nodes.is_empty() {
            self.apply_orders();
        }
        Ok(())
    }

    async fn find(&self, name: &str, memory: &Memory) -> (Found, Option<Handle>) {
        let Some(key) = memory.start_key.clone() else {
            return (Found::Nothing, None);
        };
        let folder = Folder {
            program: self.settings.program.clone(),
            run: self.settings.folders.run(name),
            logs: self.settings.folders.logs(name),
            memory: memory.entry.limits.memory,
            changes: memory.entry.scripted,
        };
        let looked = blocking(move || keeper::look(&folder, &key)).await;
        match looked {
            Ok(Some(Ok(handle))) => {
                let pid = handle.who().pid;
                (Found::Running { pid }, Some(handle))
            }
            Ok(Some(Err(end))) => (Found::Ended(end), None),
            Ok(None) => (Found::Nothing, None),
            Err(error) => {
                // Its lock is held by somebody who does not answer: a start would be refused too.
                say(&format!("{name}: {error}"));
                (Found::Ended(End::Unknown(error.to_string())), None)
            }
        }
    }

    fn take_back(&mut self, name: &str, handle: Handle) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let attempt = node.supervisor.attempt();
        let entry = node.supervisor.run().map(|run| run.entry.clone());
        let identity = entry.map(|entry| launch::identity(&self.settings, &entry));
        let owner = match identity {
            Some(Ok(Some(user))) => Some((user.uid, user.gid)),
            _ => None,
        };
        say(&format!("{name} runs as process {}", handle.who().pid));
        match self.listen(name, owner) {
            Ok(listener) => {
                if let Some(node) = self.nodes.get_mut(name) {
                    node.listener = Some(listener);
                }
            }
            Err(error) => say(&format!("{name}: control socket: {error}")),
        }
        self.attend(name, attempt, handle);
    }

    /// The order of a node, if there is one.
    pub(super) fn order_of(&self, name: &str) -> Option<&Order> {
        self.orders
            .nodes
            .iter()
            .find(|order| order.entry.name == name)
    }
}

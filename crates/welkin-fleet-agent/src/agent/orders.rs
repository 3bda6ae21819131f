//! What is wanted, on disk before anything is done for it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use welkin_fleet_keeper::start;
use welkin_fleet_model::state::Unwritten;
use welkin_fleet_model::wire::agent::{Order, Orders};

use super::Agent;
use crate::folders::{Folders, is_name};
use crate::node::Node;
use crate::say;
use crate::supervise::Supervisor;

/// In the agent's folder.
const ORDERS: &str = "orders.json";

/// The last orders. None were given: version 0.
pub(super) fn load(folders: &Folders) -> Result<Orders, String> {
    let path: PathBuf = folders.dir().join(ORDERS);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Orders::default()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    serde_json::from_slice(&text).or_else(|error| {
        // Its nodes go on; what is wanted of them is asked of the master.
        say(&format!(
            "{}: {error}; the master is asked for it anew",
            path.display()
        ));
        Ok(Orders::default())
    })
}

impl Agent {
    /// What the master wants from now on.
    pub(super) fn take_orders(&mut self, orders: Orders) {
        if orders.version < self.orders.version {
            let (older, own) = (orders.version, self.orders.version);
            return self.note(&format!(
                "orders of version {older} are older than the {own} in force, and are not followed"
            ));
        }
        self.unwritten = None;
        if orders != self.orders {
            if let Err(error) = start::write(self.settings.folders.dir(), ORDERS, &orders) {
                self.note(&format!(
                    "orders of version {} are not followed, as they cannot be written down: {error}",
                    orders.version
                ));
                let path = self.settings.folders.dir().join(ORDERS);
                self.tell_unwritten(&orders, &format!("{}: {error}", path.display()));
                self.unwritten = Some(orders);
                return;
            }
            self.orders = orders;
        }
        for node in self.nodes.values_mut() {
            node.unwritten = None;
        }
        self.apply_orders();
    }

    /// Each node for which the orders would change something is reported with why they do not: somebody
    /// may wait for it.
    fn tell_unwritten(&mut self, orders: &Orders, why: &str) {
        for order in &orders.nodes {
            let name = &order.entry.name;
            if is_name(name) && self.order_of(name) != Some(order) {
                self.make_node(name);
            }
        }
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        for name in names {
            let new = orders.nodes.iter().find(|order| order.entry.name == name);
            let changes = self.order_of(&name) != new;
            let unwritten = changes.then(|| Unwritten {
                orders: orders.version,
                why: why.to_owned(),
            });
            if let Some(node) = self.nodes.get_mut(&name) {
                node.unwritten = unwritten;
            }
            self.tell_changes(&name);
        }
    }

    /// Tries again what could not be written down: the master has said it, and does not say it twice.
    pub(super) fn retry_orders(&mut self) {
        if let Some(orders) = self.unwritten.take() {
            self.take_orders(orders);
        }
    }

    /// Passes the orders on to each node.
    pub(super) fn apply_orders(&mut self) {
        let wanted: Vec<Order> = self.orders.nodes.clone();
        let mut named = BTreeSet::new();
        for order in wanted {
            let name = order.entry.name.clone();
            if !is_name(&name) {
                self.note(&format!("{name:?} cannot be the name of a node"));
                continue;
            }
            named.insert(name.clone());
            self.make_node(&name);
            self.order_node(&name, Some(order));
        }
        let left: Vec<String> = self.nodes.keys().cloned().collect();
        for name in left.into_iter().filter(|name| !named.contains(name)) {
            self.order_node(&name, None);
        }
    }

    fn order_node(&mut self, name: &str, order: Option<Order>) {
        let now = self.now();
        let version = self.orders.version;
        let blocked = order.as_ref().and_then(|order| self.blocked(order));
        let secrets = order.as_ref().map(|order| order.entry.secrets.clone());
        self.supervise(name, |supervisor| {
            supervisor.block(blocked);
            supervisor.order(now, order, version)
        });
        if let Some(names) = secrets {
            self.write_running_secrets(name, &names);
        }
    }

    /// What a start of it would need and is not here.
    fn blocked(&self, order: &Order) -> Option<String> {
        let digest = order.release.as_deref()?;
        let there = is_name(digest) && self.settings.folders.releases().join(digest).is_dir();
        (!there).then(|| {
            let id: String = digest.chars().take(12).collect();
            format!("release {id} is not here yet")
        })
    }

    /// A release came: who waited for it may start.
    pub(super) fn see_to_releases(&mut self) {
        let now = self.now();
        for order in self.orders.nodes.clone() {
            let blocked = self.blocked(&order);
            self.supervise(&order.entry.name, |supervisor| {
                supervisor.block(blocked);
                supervisor.tick(now)
            });
        }
    }

    pub(super) fn make_node(&mut self, name: &str) {
        if !self.nodes.contains_key(name) {
            self.seed = self
                .seed
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(1);
            let supervisor = Supervisor::new(name, self.seed, self.now());
            self.nodes.insert(name.to_owned(), Node::new(supervisor));
        }
    }
}

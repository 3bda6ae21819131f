//! One node: its supervision, and what the agent holds for it.

pub mod keeper;
pub mod launch;
pub mod paths;
pub mod secrets;
pub mod told;
pub mod words;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::task::AbortHandle;
use welkin_fleet_model::state::{NodeReport, Unwritten};

use crate::control::client::Client;
use crate::supervise::{Memory, Supervisor};
use keeper::Keeper;
use told::Told;

/// What an agent writes down of a node in its run folder.
pub const MEMORY: &str = "memory.json";

/// A node.
#[derive(Debug)]
pub struct Node {
    /// What happens to it.
    pub supervisor: Supervisor,
    /// `WELKIN_START` of its run.
    pub key: Option<String>,
    /// Of its run, if it was started by a keeper.
    pub keeper: Option<Keeper>,
    /// Of its run, if it was started by hand: its process, and what waits for its end.
    pub hand: Option<Hand>,
    /// Its control connection.
    pub client: Option<Client>,
    /// Accepts its control connections.
    pub listener: Option<Guard>,
    /// What it says of itself.
    pub told: Told,
    /// Its cgroup, and whether the memory limit is the kernel's care.
    pub confined: Confined,
    /// Orders that change something for it, and could not be written down.
    pub unwritten: Option<Unwritten>,
    /// As last written down.
    pub written: Option<Memory>,
    /// As last reported to the present master.
    pub reported: Option<NodeReport>,
}

/// How a node's process is held that was started by hand.
#[derive(Debug)]
pub struct Hand {
    /// Its process.
    pub pidfd: Arc<OwnedFd>,
    /// Waits for its end.
    pub _watch: Guard,
}

/// What the keeper said of its cgroup.
#[derive(Clone, Debug, Default)]
pub struct Confined {
    /// Where it is.
    pub cgroup: Option<std::path::PathBuf>,
    /// The kernel holds the memory limit.
    pub memory: bool,
    /// Limits that it does not hold, a short phrase each.
    pub notes: Vec<String>,
}

/// A task that ends with its owner.
#[derive(Debug)]
pub struct Guard(pub AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Node {
    /// Nothing is known of it.
    pub fn new(supervisor: Supervisor) -> Self {
        Self {
            supervisor,
            key: None,
            keeper: None,
            hand: None,
            client: None,
            listener: None,
            told: Told::default(),
            confined: Confined::default(),
            unwritten: None,
            written: None,
            reported: None,
        }
    }

    /// For the master.
    pub fn report(&self) -> NodeReport {
        NodeReport {
            start_key: self.key.clone(),
            notes: self.confined.notes.clone(),
            unwritten: self.unwritten.clone(),
            ..self.supervisor.report()
        }
    }

    /// The run is over: what belonged to it goes.
    pub fn run_ended(&mut self) {
        self.key = None;
        self.keeper = None;
        self.hand = None;
        self.client = None;
        self.told = Told::default();
        self.confined = Confined::default();
    }
}

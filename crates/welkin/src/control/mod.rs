//! How a node is told to end, and how it says how it is: signals and the control socket meet here.
//!
//! [`Control`] holds what the node was told. `drain.rs` is the way to the end, `report.rs` the answer to
//! `status`; `claim.rs`, `clients.rs` and `socket.rs` are the control socket, `client.rs` its other side,
//! `agent.rs` the connection to a fleet's agent. All of it runs on threads of its own, so that it
//! answers while every worker is busy; services are reached through [`welkin_lua::hooks`].

mod agent;
mod claim;
pub mod client;
mod clients;
mod drain;
mod report;
mod socket;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use welkin_lua::hooks::Hooks;
use welkin_net::Net;
use welkin_runtime::{Address, Node};

use crate::config::Config;
use crate::fleet::Players;
use crate::logger::Writers;
use crate::os::{process, signal};

pub use claim::Claim;

/// How long the end waits for the logger; a service may hold all workers.
const LAST_LINES_MS_MAX: u64 = 200;

/// What the node was told.
#[derive(Debug, Default, PartialEq)]
enum Phase {
    #[default]
    Serving,
    /// It drains to end.
    Stopping,
    /// The hooks are through, the process ends.
    Ended(End),
}

/// How a node that drained ends.
#[derive(Clone, Debug, Default, PartialEq)]
struct End {
    status: u8,
    unfinished: Vec<String>,
}

/// What came of the wish to stop.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Stop {
    /// Nothing has to happen before the end: it may come at once.
    Plain,
    /// The node drains from now on.
    Begun,
    /// It does so already.
    Before,
}

#[derive(Debug, Default)]
struct Told {
    phase: Phase,
    /// Connections that wait to pass on the [`End`].
    waiting: usize,
}

/// The control of one node.
pub struct Control {
    node: Arc<Node>,
    net: Arc<Net>,
    hooks: Arc<Hooks>,
    writers: Arc<Writers>,
    /// `welkin_ready` is `manual`.
    manual: bool,
    /// The first service is skynet's, which ends when the start service has started.
    own_bootstrap: bool,
    exit: Duration,
    name: Option<String>,
    start_key: Option<String>,
    first: OnceLock<Address>,
    told: Mutex<Told>,
    changed: Condvar,
    /// Held while services count their players.
    counting: Mutex<()>,
    /// The file of the control socket.
    claim: Mutex<Option<Claim>>,
    /// Who asks the program for its players in the fleet's way.
    players: Arc<Players>,
}

impl Control {
    /// For a node that does not run yet.
    pub fn new(
        node: &Arc<Node>,
        net: &Arc<Net>,
        hooks: &Arc<Hooks>,
        writers: &Arc<Writers>,
        config: &Config,
    ) -> Arc<Self> {
        let key = |name: &str| {
            let value = config.environment.get(name.as_bytes());
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        Arc::new(Self {
            node: Arc::clone(node),
            net: Arc::clone(net),
            hooks: Arc::clone(hooks),
            writers: Arc::clone(writers),
            manual: config.ready_by_hand,
            own_bootstrap: key("bootstrap").as_deref() == Some("snlua bootstrap"),
            exit: Duration::from_millis(config.exit_ms.into()),
            name: std::env::var("WELKIN_NODE")
                .ok()
                .or_else(|| key("cluster_node")),
            start_key: std::env::var("WELKIN_START").ok(),
            first: OnceLock::new(),
            told: Mutex::default(),
            changed: Condvar::new(),
            counting: Mutex::new(()),
            claim: Mutex::new(None),
            players: Arc::default(),
        })
    }

    /// Who waits for the program's own count of players.
    pub fn players(&self) -> Arc<Players> {
        Arc::clone(&self.players)
    }

    /// The service that starts all others is launched.
    pub fn launched(&self, first: Address) {
        // Once a node.
        let _ = self.first.set(first);
    }

    /// Why the node takes no new work; `None`: it does.
    fn unready(&self) -> Option<String> {
        let said = |text: &str| Some(text.to_owned());
        if self.told.lock().phase != Phase::Serving {
            return said("it ends");
        } else if self.hooks.is_draining() {
            return said("it drains");
        } else if self.hooks.is_start_failed() {
            return said("its start service has failed: the log says why");
        }
        let starts = self.first.get().is_none_or(|first| {
            // A bootstrap of the program's own may stay, so it says nothing about the start.
            self.own_bootstrap && self.node.slot(*first).is_some()
        });
        match self.manual {
            true if self.hooks.is_ready() => None,
            true => said("the program has not called welkin.ready() (welkin_ready = \"manual\")"),
            false if starts => said("it starts"),
            false => None,
        }
    }

    /// SIGTERM or SIGINT came: the node drains, or ends at once where it has nothing to drain or the
    /// wish comes again.
    pub fn signalled(self: &Arc<Self>, number: i32) {
        if self.stop() != Stop::Begun {
            self.end_by(number);
        }
    }

    /// Ends the process by this signal, now; only the log's last lines are waited for.
    fn end_by(&self, number: i32) -> ! {
        self.writers
            .drain(&self.node, Duration::from_millis(LAST_LINES_MS_MAX));
        self.release();
        signal::end_by(number)
    }

    /// The exit status that draining left, if the node has drained.
    pub fn status(&self) -> Option<u8> {
        match &self.told.lock().phase {
            Phase::Ended(end) => Some(end.status),
            _ => None,
        }
    }

    /// Takes the control socket's file away, at the end.
    pub fn release(&self) {
        drop(self.claim.lock().take());
    }

    /// The end when the node does not come to it by itself.
    fn end_hard(&self, status: u8) -> ! {
        self.writers
            .drain(&self.node, Duration::from_millis(LAST_LINES_MS_MAX));
        self.release();
        process::exit_at_once(status.into())
    }
}

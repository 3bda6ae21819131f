//! The console's commands, each carried out by a thread that waits for the master's answer.
//!
//! Texts and their meaning are `welkin_fleet_model::note`'s; here is who waits how long. Before a command
//! the master is told the nodes of the cluster config, when they are others than before.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use welkin_fleet_model::note;
use welkin_fleet_model::wire::client::{Command, Options, Outcome, Status};
use welkin_runtime::Address;

use super::{Own, request};
use crate::fleet::packed;

/// Commands that are under way at a time.
const RUNNING_MAX: usize = 32;
/// How long a master that was just spawned has to make its socket.
const SOCKET_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks for it.
const SOCKET_PAUSE: Duration = Duration::from_millis(50);
/// How long figures may take: the master gives up on a machine after 2 s.
const FIGURES_LIMIT: Duration = Duration::from_secs(10);
/// How long starting, stopping or updating all nodes may take.
const WORK_LIMIT: Duration = Duration::from_secs(1800);

/// A command as it was typed.
#[derive(Debug)]
pub struct Asked {
    /// Its word.
    pub command: String,
    /// The node it is about; `None`: all.
    pub node: Option<String>,
    /// The cluster config: name to address.
    pub nodes: BTreeMap<String, String>,
}

/// The way to the master.
#[derive(Debug)]
pub struct Commands {
    socket: PathBuf,
    /// Name of this node.
    own: String,
    running: AtomicUsize,
    /// What the master was last told.
    told: Mutex<Option<BTreeMap<String, String>>>,
}

impl Commands {
    /// For the master whose socket this is, from the node `own`.
    pub fn new(socket: PathBuf, own: String) -> Self {
        Self {
            socket,
            own,
            running: AtomicUsize::new(0),
            told: Mutex::new(None),
        }
    }

    /// Has a command carried out; the text: it is refused at once.
    pub(super) fn run(
        self: &Arc<Self>,
        service: &Arc<Own>,
        asker: (Address, i32),
        asked: Asked,
    ) -> Option<String> {
        if self.running.fetch_add(1, Ordering::Relaxed) >= RUNNING_MAX {
            self.running.fetch_sub(1, Ordering::Relaxed);
            return Some(format!(
                "{RUNNING_MAX} commands are under way, wait for one of them"
            ));
        }
        let (commands, service) = (Arc::clone(self), Arc::clone(service));
        let works = thread::Builder::new().name("fleet-command".to_owned());
        let works = works.spawn(move || {
            let answer = match commands.answer(&asked) {
                Ok(texts) => request::table(&texts),
                Err(line) => packed(&line),
            };
            commands.running.fetch_sub(1, Ordering::Relaxed);
            service.answer(asker, &answer);
        });
        works.err().map(|error| {
            self.running.fetch_sub(1, Ordering::Relaxed);
            format!("no thread: {error}")
        })
    }

    fn answer(&self, asked: &Asked) -> Result<BTreeMap<String, String>, String> {
        let node = asked.node.as_deref();
        let command = match asked.command.as_str() {
            // At the start of the service, so that the master knows its nodes before anybody asks.
            "" => None,
            word => Some(note::request(word, node)?),
        };
        self.tell(&asked.nodes)?;
        let Some(command) = command else {
            return Ok(BTreeMap::new());
        };
        let limit = match &command {
            Command::List { .. } | Command::Figures { .. } | Command::Online { .. } => {
                FIGURES_LIMIT
            }
            _ => WORK_LIMIT,
        };
        let outcome = self.call(command, limit)?;
        note::answer(&asked.command, node, &outcome)
    }

    fn tell(&self, nodes: &BTreeMap<String, String>) -> Result<(), String> {
        let mut told = self.told.lock();
        if told.as_ref() == Some(nodes) {
            return Ok(());
        }
        let classic = Command::Classic {
            master: self.own.clone(),
            nodes: nodes.clone(),
        };
        let outcome = self.call(classic, FIGURES_LIMIT)?;
        if outcome.status != Status::Done {
            let why = outcome.errors.first();
            let why = why.map_or("no reason", |error| error.text.as_str());
            return Err(format!(
                "the master does not take the cluster config: {why}"
            ));
        }
        *told = Some(nodes.clone());
        Ok(())
    }

    fn call(&self, command: Command, limit: Duration) -> Result<Outcome, String> {
        // One that was just spawned makes its socket soon.
        let until = Instant::now() + SOCKET_LIMIT;
        while UnixStream::connect(&self.socket).is_err() {
            if Instant::now() >= until {
                return Err(format!(
                    "the master does not answer at {}; the file master.log beside its folder says why",
                    self.socket.display()
                ));
            }
            thread::sleep(SOCKET_PAUSE);
        }
        let options = Options {
            timeout_ms: limit.as_millis().try_into().unwrap_or(u64::MAX),
            ..Options::default()
        };
        welkin_fleet_client::ask(&self.socket, command, &options, limit)
    }
}

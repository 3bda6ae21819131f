//! The native service `.fleet` behind `cluster_master` and `cluster_slave`.
//!
//! What is done here waits: for a process to die, for the master to answer, for a service to count its
//! players. So each has a thread, and the service only hands requests out and answers in; no worker ever
//! waits. Nothing of it exists before one of the two services (or the agent's question for players) asks.
//!
//! `process.rs` keeps master or agent alive, `note.rs` are the console's commands, `request.rs` is what Lua
//! asks.

mod note;
mod process;
mod request;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use welkin_runtime::{Address, Context, Flow, Message, Node, Service, kind};

use super::settings::{Part, Settings};
use super::{Players, answer, packed};
use crate::control::Control;
use note::Commands;
use process::Process;
use request::Request;

/// How often a slave that has no master yet looks whether one has appeared beside it.
const MASTER_PAUSE: Duration = Duration::from_secs(2);

/// The service as its threads know it.
struct Own {
    node: Arc<Node>,
    address: Address,
}

impl Own {
    fn log(&self, text: impl Into<Vec<u8>>) {
        self.node.log(self.address, text);
    }

    fn answer(&self, asker: (Address, i32), bytes: &[u8]) {
        answer(&self.node, self.address, asker, bytes);
    }
}

pub(super) struct Fleet {
    own: Arc<Own>,
    settings: Option<Arc<Settings>>,
    control: Arc<Control>,
    players: Arc<Players>,
    /// Once the master's part has begun.
    commands: Option<Arc<Commands>>,
}

impl Service for Fleet {
    fn handle(&mut self, _cx: &Context<'_>, message: Message) -> Flow {
        let asker = (message.source, message.session);
        match message.kind {
            kind::LUA => {
                let answer = match request::read(message.payload.as_bytes()) {
                    Some(request) => self.request(asker, request),
                    None => Some("fleet: a request that cannot be read".to_owned()),
                };
                if let Some(text) = answer {
                    self.own.answer(asker, &packed(&text));
                }
            }
            kind::RESPONSE => self
                .players
                .answered(message.session, Some(&message.payload)),
            kind::ERROR => self.players.answered(message.session, None),
            _ => {}
        }
        Flow::Done
    }
}

impl Fleet {
    pub fn new(cx: &Context<'_>, settings: Option<&Arc<Settings>>, control: &Arc<Control>) -> Self {
        let own = Own {
            node: Arc::clone(cx.node),
            address: cx.slot.address(),
        };
        Self {
            own: Arc::new(own),
            settings: settings.cloned(),
            control: Arc::clone(control),
            players: control.players(),
            commands: None,
        }
    }

    /// `None`: the answer comes later.
    fn request(&mut self, asker: (Address, i32), request: Request) -> Option<String> {
        let Some(settings) = self.settings.clone() else {
            return Some("config key master_flag is not set".to_owned());
        };
        match request {
            Request::Begin => {
                let done = self.begin(&settings);
                Some(done.map_or_else(|error| format!("no thread: {error}"), |()| String::new()))
            }
            Request::Note {
                command,
                node,
                nodes,
            } => {
                let Some(commands) = &self.commands else {
                    return Some("this node is not the master's".to_owned());
                };
                let asked = note::Asked {
                    command,
                    node,
                    nodes,
                };
                commands.run(&self.own, asker, asked)
            }
        }
    }

    fn begin(&mut self, settings: &Arc<Settings>) -> std::io::Result<()> {
        // One that a keeper started has its agent already, which is told by another way.
        if std::env::var_os("WELKIN_CONTROL").is_none() {
            let agent = settings.dir.join("agent/agent.sock");
            self.control.answer_agent(&agent)?;
        }
        let (own, settings) = (Arc::clone(&self.own), Arc::clone(settings));
        let name = match settings.part {
            Part::Master => {
                self.commands.get_or_insert_with(|| {
                    let socket = settings.dir.join("master/fleet.sock");
                    Arc::new(Commands::new(socket, settings.node.clone()))
                });
                "fleet-master"
            }
            Part::Slave => "fleet-agent",
        };
        let keeps = thread::Builder::new().name(name.to_owned());
        keeps.spawn(move || {
            let process = match settings.part {
                Part::Master => master(&settings, &own),
                Part::Slave => agent(&settings, &own),
            };
            process.keep(|text| own.log(text));
        })?;
        Ok(())
    }
}

fn master(settings: &Settings, own: &Own) -> Process {
    let mut arguments: Vec<OsString> = Vec::new();
    match (&settings.listen, &settings.secret) {
        (Some(listen), Some(secret)) => {
            arguments.extend(["--listen".into(), listen.into()]);
            arguments.extend(["--secret-file".into(), secret.into()]);
        }
        _ => {
            arguments.extend(["--listen".into(), "off".into()]);
            own.log(
                "the master does not listen for agents of other machines: config key fleet_secret is missing (welkin fleet secret-file FILE makes one)",
            );
        }
    }
    Process {
        word: "master",
        dir: settings.dir.join("master"),
        arguments,
    }
}

/// Waits until it is known where the master is.
fn agent(settings: &Settings, own: &Own) -> Process {
    let beside = settings.dir.join("master/fleet.sock");
    let mut is_said = false;
    let (master, secret): (OsString, Option<&PathBuf>) = loop {
        match (&settings.master, &settings.secret) {
            (Some(master), Some(secret)) => break (master.into(), Some(secret)),
            _ if beside.exists() => break (path_with_slash(&beside), None),
            (master, _) if !is_said => {
                is_said = true;
                let key = match master {
                    Some(_) => "fleet_secret",
                    None => "fleet_master",
                };
                own.log(format!(
                    "this node is in no fleet: config key {key} is missing, and there is no master at {}",
                    beside.display()
                ));
            }
            _ => {}
        }
        thread::sleep(MASTER_PAUSE);
    };
    let mut arguments = vec!["--master".into(), master];
    if let Some(secret) = secret {
        arguments.extend(["--secret-file".into(), secret.into()]);
    }
    if let Some(machine) = &settings.machine {
        arguments.extend(["--machine".into(), machine.into()]);
    }
    Process {
        word: "agent",
        dir: settings.dir.join("agent"),
        arguments,
    }
}

/// By its slash the agent tells a path from a host.
fn path_with_slash(path: &std::path::Path) -> OsString {
    match path.is_absolute() {
        true => path.into(),
        false => std::path::Path::new(".").join(path).into(),
    }
}

//! A master of a few lines and an agent of its own process, in a folder of their own.
//!
//! The master is the real door of `welkin-fleet-trust` on a local socket; it gives orders and notes what
//! the agent reports. Everything is waited for by what is reported, at most [`PATIENCE`].

#![allow(dead_code)] // Each test file uses its part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use welkin_fleet_model::entry::{NodeEntry, Probe};
use welkin_fleet_model::state::{NodeReport, State};
use welkin_fleet_model::wire::agent::{
    Ask, Beat, FromAgent, MachineReport, Order, Orders, Reply, ToAgent,
};
use welkin_fleet_trust::{
    Authority, Gate, GateOptions, Incoming, Link, MemoryRecords, Receiver, Sender, Witness,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the master has heard.
#[derive(Default)]
pub struct Heard {
    pub machine: Option<MachineReport>,
    pub nodes: BTreeMap<String, NodeReport>,
    /// All states a node went through, in order.
    pub states: Vec<(String, State)>,
    pub beat: Option<Beat>,
    pub notes: Vec<String>,
    pub replies: BTreeMap<u64, Result<Reply, String>>,
    pub links: u64,
    /// What came in streams, and whether they are over.
    pub streams: BTreeMap<u64, (Vec<u8>, bool)>,
    sender: Option<Sender>,
}

struct Quiet;

impl Witness for Quiet {
    fn log(&self, line: &str) {
        eprintln!("master: {line}");
    }
}

pub struct World {
    pub dir: PathBuf,
    /// The agent's `--dir`.
    pub agent_dir: PathBuf,
    heard: Arc<(Mutex<Heard>, Condvar)>,
    runtime: Option<tokio::runtime::Runtime>,
    agent: Option<Child>,
    pub orders: Orders,
    asked: u64,
    arguments: Vec<String>,
}

impl World {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("wk-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("work")).unwrap();
        let mut world = Self {
            agent_dir: dir.join("agent"),
            dir,
            heard: Arc::default(),
            runtime: None,
            agent: None,
            orders: Orders {
                version: 1,
                fleet: "game".to_owned(),
                ..Orders::default()
            },
            asked: 0,
            arguments: Vec::new(),
        };
        world.start_master();
        world
    }

    pub fn start_master(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let socket = self.dir.join("fleet.sock");
        let _ = std::fs::remove_file(&socket);
        let heard = Arc::clone(&self.heard);
        let authority = Authority::open(&self.dir, Arc::new(MemoryRecords::default())).unwrap();
        runtime.spawn(async move {
            let gate = Gate::new(authority, Arc::new(Quiet), GateOptions::default());
            let listener = tokio::net::UnixListener::bind(socket).unwrap();
            let (links, mut made) = tokio::sync::mpsc::channel::<Link>(8);
            tokio::spawn(async move { gate.serve_local(listener, links).await });
            while let Some(link) = made.recv().await {
                let (sender, receiver) = link.split();
                let mut state = heard.0.lock().unwrap();
                state.sender = Some(sender);
                state.links += 1;
                drop(state);
                tokio::spawn(listen(receiver, Arc::clone(&heard)));
            }
        });
        self.runtime = Some(runtime);
    }

    pub fn kill_master(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        self.heard.0.lock().unwrap().sender = None;
    }

    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    pub fn run_folder(&self, node: &str) -> PathBuf {
        self.agent_dir.join("run").join(node)
    }

    /// Writes a shell script into the working folder; nodes run `./NAME`.
    pub fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.work().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn add_arguments(&mut self, arguments: &[&str]) {
        self.arguments
            .extend(arguments.iter().map(|a| (*a).to_owned()));
    }

    pub fn start_agent(&mut self) {
        let program = std::env::var("WELKIN").unwrap_or(env!("CARGO_BIN_EXE_wk-agent").to_owned());
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("agent.log"))
            .unwrap();
        let child = Command::new(program)
            .args([
                "fleet",
                "agent",
                "--machine",
                "m1",
                "--allow-user",
                "root",
                "--local",
            ])
            .arg(&self.dir)
            .arg("--dir")
            .arg(&self.agent_dir)
            .args(&self.arguments)
            .current_dir(self.work())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.agent = Some(child);
    }

    pub fn agent_pid(&self) -> u32 {
        self.agent.as_ref().unwrap().id()
    }

    /// Starts the agent and waits for its first words.
    pub fn begin(&mut self) {
        let before = self.heard.0.lock().unwrap().links;
        self.start_agent();
        self.wait("the agent's link", |heard| {
            heard.links > before && heard.machine.is_some()
        });
    }

    pub fn kill_agent(&mut self) {
        let mut child = self.agent.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        self.heard.0.lock().unwrap().machine = None;
    }

    pub fn end_agent(&mut self) {
        let program = env!("CARGO_BIN_EXE_wk-agent");
        let status = Command::new(program)
            .args(["fleet", "agent", "--end", "--dir"])
            .arg(&self.agent_dir)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let mut child = self.agent.take().unwrap();
        assert!(child.wait().unwrap().success());
        self.heard.0.lock().unwrap().machine = None;
    }

    /// An entry whose node is ready when it runs.
    pub fn entry(name: &str, command: &str) -> NodeEntry {
        let mut entry = NodeEntry {
            name: name.to_owned(),
            machine: "m1".to_owned(),
            command: command.to_owned(),
            ..NodeEntry::default()
        };
        entry.ready.probe = Probe::After(0);
        entry.stop.drain_ms = 1_000;
        entry.stop.kill_ms = 1_000;
        entry.backoff.first_ms = 50;
        entry.backoff.max_ms = 100;
        entry
    }

    /// Adds an order for a node that is to run.
    pub fn want(&mut self, entry: NodeEntry) {
        self.orders.nodes.push(Order {
            entry,
            running: true,
            life: 1,
            ..Order::default()
        });
    }

    pub fn order(&mut self, node: &str) -> &mut Order {
        let mut orders = self.orders.nodes.iter_mut();
        orders.find(|order| order.entry.name == node).unwrap()
    }

    pub fn send_orders(&mut self) {
        self.orders.version += 1;
        let orders = ToAgent::Orders(self.orders.clone());
        self.send(&orders);
    }

    pub fn send(&self, message: &ToAgent) {
        let sender = self.heard.0.lock().unwrap().sender.clone();
        sender
            .expect("an agent is linked")
            .try_send(message)
            .unwrap();
    }

    pub fn begin_ask(&mut self, ask: Ask) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.send(&ToAgent::Ask { id, ask });
        id
    }

    pub fn ask(&mut self, ask: Ask) -> Result<Reply, String> {
        let id = self.begin_ask(ask);
        self.wait("a reply", |heard| heard.replies.contains_key(&id));
        self.heard.0.lock().unwrap().replies.remove(&id).unwrap()
    }

    /// Sends an archive as the stream of an ask that was begun.
    pub fn stream(&self, id: u64, bytes: &[u8]) {
        let sender = self.heard.0.lock().unwrap().sender.clone().unwrap();
        let handle = self.runtime.as_ref().unwrap().handle();
        handle.block_on(async {
            for piece in bytes.chunks(100_000) {
                sender.piece(id, piece).await.unwrap();
            }
            sender.end(id, "").await.unwrap();
        });
    }

    pub fn reply(&self, id: u64) -> Result<Reply, String> {
        self.wait("a reply", |heard| heard.replies.contains_key(&id));
        self.heard.0.lock().unwrap().replies.remove(&id).unwrap()
    }

    pub fn wait(&self, what: &str, until: impl Fn(&Heard) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut heard = self.heard.0.lock().unwrap();
        while !until(&heard) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let nodes = heard.nodes.clone();
                let notes = heard.notes.clone();
                drop(heard);
                let log = std::fs::read_to_string(self.dir.join("agent.log"));
                panic!(
                    "{what} does not come\n{nodes:#?}\n{notes:#?}\n{}",
                    log.unwrap_or_default()
                );
            }
            heard = self.heard.1.wait_timeout(heard, left).unwrap().0;
        }
    }

    pub fn wait_state(&self, node: &str, state: State) -> NodeReport {
        self.wait_report(node, |report| report.state == state)
    }

    pub fn wait_report(&self, node: &str, fits: impl Fn(&NodeReport) -> bool) -> NodeReport {
        self.wait(&format!("a state of {node}"), |heard| {
            heard.nodes.get(node).is_some_and(&fits)
        });
        self.report(node)
    }

    pub fn report(&self, node: &str) -> NodeReport {
        self.heard.0.lock().unwrap().nodes[node].clone()
    }

    pub fn look<T>(&self, at: impl FnOnce(&Heard) -> T) -> T {
        at(&self.heard.0.lock().unwrap())
    }

    /// Waits for something on this machine.
    pub fn wait_for(&self, what: &str, until: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !until() {
            assert!(Instant::now() < end, "{what} does not come");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        // What tests left running: by their keepers, never by a number.
        if let Ok(entries) = std::fs::read_dir(self.agent_dir.join("run")) {
            for entry in entries.flatten() {
                // One that was just being begun by the agent is waited for.
                let found = welkin_fleet_keeper::agent::find(&entry.path());
                if let Ok(welkin_fleet_keeper::agent::Found::Keeper(mut keeper)) = found {
                    let _ = keeper.kill();
                }
            }
        }
        // Keepers that end write their last words there.
        let mut tries = if std::thread::panicking() { 0 } else { 40 };
        while tries > 0 && std::fs::remove_dir_all(&self.dir).is_err() {
            std::thread::sleep(Duration::from_millis(25));
            tries -= 1;
        }
    }
}

async fn listen(mut receiver: Receiver, heard: Arc<(Mutex<Heard>, Condvar)>) {
    while let Ok(Some(incoming)) = receiver.next().await {
        match &incoming {
            Incoming::Message(_) => {}
            Incoming::Piece { stream, data } => {
                let mut state = heard.0.lock().unwrap();
                state.streams.entry(*stream).or_default().0.extend(data);
                heard.1.notify_all();
                continue;
            }
            Incoming::End { stream, .. } => {
                heard
                    .0
                    .lock()
                    .unwrap()
                    .streams
                    .entry(*stream)
                    .or_default()
                    .1 = true;
                heard.1.notify_all();
                continue;
            }
        }
        let Ok(message) = incoming.parse::<FromAgent>() else {
            continue;
        };
        let mut state = heard.0.lock().unwrap();
        match message {
            FromAgent::Machine(machine) => {
                for report in &machine.nodes {
                    state.nodes.insert(report.node.clone(), report.clone());
                }
                state.machine = Some(*machine);
            }
            FromAgent::Node(report) => {
                if state.nodes.get(&report.node).map(|old| old.state) != Some(report.state) {
                    state.states.push((report.node.clone(), report.state));
                }
                state.nodes.insert(report.node.clone(), report);
            }
            FromAgent::Beat(beat) => state.beat = Some(*beat),
            FromAgent::Reply { id, reply } => drop(state.replies.insert(id, reply)),
            FromAgent::Note(note) => state.notes.push(note),
            FromAgent::Renew(_) => {}
        }
        heard.1.notify_all();
    }
    heard.1.notify_all();
}

/// Kills a process that a test has started, by its number while its parent still holds it.
pub fn kill(pid: u32) {
    let status = Command::new("kill").arg("-9").arg(pid.to_string()).status();
    assert!(status.unwrap().success());
}

/// Process of the keeper of a run folder.
pub fn keeper_of(run: &Path) -> u32 {
    welkin_fleet_keeper::agent::connect(run)
        .unwrap()
        .who()
        .keeper
}

/// The command of a node that answers on its control connection.
pub fn talking_node() -> String {
    format!(
        "sh -c 'exec {} node $WELKIN_CONTROL'",
        env!("CARGO_BIN_EXE_wk-agent")
    )
}

/// Whether a process is there.
pub fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
        && std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
}

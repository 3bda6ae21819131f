//! A fleet of a test: master and agents as real processes, in a folder of its own.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::console::free_port;
use crate::processes::{self, Process, Swept, is_alive, wait_until};
use crate::proxy::Proxy;
use crate::support::welkin;

/// What came of a command.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// All its words.
    pub fn words(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// A fleet. Its processes end with it.
pub struct Fleet {
    pub folder: Swept,
    pub port: u16,
    /// Added to the environment of all that is started.
    pub environment: Vec<(String, String)>,
}

impl Fleet {
    /// Nothing runs yet.
    pub fn new() -> Self {
        Self {
            folder: Swept::new(),
            port: free_port(),
            environment: Vec::new(),
        }
    }

    /// Master, one agent `m1`, and these nodes, all of them with the game's version `1` and started.
    pub fn with_nodes(nodes: &[&str], settings: &str) -> Self {
        let fleet = Self::new();
        fleet.start_master();
        fleet.start_agent("m1");
        fleet.apply(nodes, settings);
        if !nodes.is_empty() {
            fleet.start_game();
        }
        fleet
    }

    /// The machine `m1` behind a network that can be cut, with these nodes, all of them started.
    pub fn behind_proxy(nodes: &[&str], settings: &str) -> (Self, Proxy) {
        let fleet = Self::new();
        fleet.start_master();
        let proxy = Proxy::to(fleet.port);
        fleet.start_agent_by("m1", proxy.port);
        fleet.apply(nodes, settings);
        fleet.start_game();
        (fleet, proxy)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a part of the fleet, with its words in `log`.
    pub fn spawn(&self, mut command: Command, log: &str) {
        let log = self.path().join(log);
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("files can be made");
        command
            .current_dir(self.path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("it is open"))
            .stderr(log)
            .process_group(0);
        let mut child = command.spawn().expect("it starts");
        // Waited for, so that its end is one.
        std::thread::spawn(move || child.wait());
    }

    /// Starts the master and waits until it answers.
    pub fn start_master(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_welkin"));
        let listen = format!("127.0.0.1:{}", self.port);
        command.args(["fleet", "master", "--dir", "master", "--listen", &listen]);
        self.spawn(command, "master.log");
        self.wait_for_master();
    }

    /// A master whose files cannot grow beyond `size` bytes.
    pub fn start_limited_master(&self, size: u64) {
        let mut command = Command::new("sh");
        let limited = format!(
            "trap '' XFSZ; exec prlimit --fsize={size} {} fleet master --dir master --listen 127.0.0.1:{}",
            env!("CARGO_BIN_EXE_welkin"),
            self.port
        );
        command.args(["-c", &limited]);
        self.spawn(command, "master.log");
        self.wait_for_master();
    }

    pub fn wait_for_master(&self) {
        wait_until("the master answers", || self.run(&["machines"]).status == 0);
    }

    /// An agent's command line; where its master is comes behind.
    pub fn agent(&self, machine: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_welkin"));
        let dir = format!("agent-{machine}");
        command.args(["fleet", "agent", "--dir", &dir, "--machine", machine]);
        if rustix::process::geteuid().is_root() {
            command.args(["--allow-user", "root"]);
        }
        command
    }

    /// Starts an agent that joins over the local socket, and waits until the master knows it.
    pub fn start_agent(&self, machine: &str) {
        let mut command = self.agent(machine);
        command.args(["--local", "master"]);
        self.wait_until_missed(machine);
        self.spawn(command, &format!("agent-{machine}.log"));
        self.wait_for_agent(machine);
    }

    /// The same over the port, with a token that is made for it.
    pub fn start_far_agent(&self, machine: &str) {
        self.start_agent_by(machine, self.port);
    }

    /// The same over another port, behind which the master's is.
    pub fn start_agent_by(&self, machine: &str, port: u16) {
        self.spawn_agent_by(machine, port);
        self.wait_for_agent(machine);
    }

    /// The same without waiting for it.
    pub fn spawn_agent_by(&self, machine: &str, port: u16) {
        let mut command = self.agent(machine);
        command.args(["--master", &format!("127.0.0.1:{port}")]);
        if !self
            .path()
            .join(format!("agent-{machine}/identity"))
            .exists()
        {
            let token = self.must(&["token", machine, "--role", "agent"]).out;
            self.folder.file("token", &token);
            command.args(["--token-file", "token"]);
        }
        self.wait_until_missed(machine);
        self.spawn(command, &format!("agent-{machine}.log"));
    }

    pub fn wait_for_agent(&self, machine: &str) {
        wait_until("the agent has joined", || self.has_agent(machine));
    }

    /// Waits until the master knows that the agent before is gone: what it says of the machine from then on
    /// is about the next one.
    pub fn wait_until_missed(&self, machine: &str) {
        wait_until("the agent is missed", || !self.has_agent(machine));
    }

    fn has_agent(&self, machine: &str) -> bool {
        let machines = self.rows(&["machines"]);
        let is_it = |row: &Value| row["machine"] == machine && row["connected"] == true;
        machines.iter().any(is_it)
    }

    /// A command of `welkin fleet`.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let output = welkin(self.path(), &["fleet", "--dir", "master"])
            .args(arguments)
            .envs(self.environment.iter().cloned())
            .output();
        Said::of(&output.expect("it starts"))
    }

    /// The same by somebody on another machine, whose home is the folder `home`, at this port.
    pub fn person(&self, home: &str, port: u16, arguments: &[&str]) -> Said {
        let master = format!("127.0.0.1:{port}");
        let home = self.path().join(home);
        fs::create_dir_all(&home).expect("folders can be made");
        let output = welkin(self.path(), &["fleet", "--master", &master])
            .args(arguments)
            .envs(self.environment.iter().cloned())
            .env("HOME", home)
            .env_remove("XDG_CONFIG_HOME")
            .output();
        Said::of(&output.expect("it starts"))
    }

    /// One that succeeds.
    pub fn must(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {said:?}\n{}", self.logs());
        said
    }

    /// What the processes have logged, for messages.
    pub fn logs(&self) -> String {
        let read = |name: &str| format!("== {name}\n{}", self.folder.read(name));
        ["master.log", "agent-m1.log"].map(read).join("\n")
    }

    /// The rows of a command's table.
    pub fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.run(&[&["--json"], arguments].concat());
        let parsed: Value = serde_json::from_str(&said.out).unwrap_or_default();
        parsed["results"].as_array().cloned().unwrap_or_default()
    }

    /// The row of a node in `status`.
    pub fn node(&self, name: &str) -> Value {
        let rows = self.rows(&["status", name]);
        rows.into_iter().next().unwrap_or_default()
    }

    pub fn wait_for_state(&self, node: &str, state: &str) -> Value {
        let mut row = Value::Null;
        let begin = std::time::Instant::now();
        loop {
            if row["state"] == state {
                return row;
            }
            assert!(
                begin.elapsed().as_secs() < 30,
                "{node} is not {state}: {row}\n{}",
                self.logs()
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
            row = self.node(node);
        }
    }

    /// Process of a node that runs.
    pub fn pid(&self, node: &str) -> u32 {
        let row = self.node(node);
        let pid = row["pid"]
            .as_u64()
            .unwrap_or_else(|| panic!("{node} has no process: {row}"));
        u32::try_from(pid).expect("a process id")
    }

    /// Kills the node's process, and waits until it is ready as another; gives that one.
    pub fn kill_node(&self, node: &str) -> u32 {
        let killed = self.pid(node);
        kill_id(killed);
        wait_until("it is started again", || {
            let row = self.node(node);
            row["state"] == "ready" && row["pid"] != killed
        });
        self.pid(node)
    }

    /// Gives the master a fleet file with these nodes, all on `m1`.
    pub fn apply(&self, nodes: &[&str], settings: &str) {
        let mut file = String::from(
            "[fleet]\nname = \"test\"\n[defaults]\ncommand = \"welkin {config}\"\nconfig = \"config\"\n\
             backoff = { first = \"100ms\", max = \"1s\" }\n",
        );
        file.push_str(settings);
        if !settings.contains("[update]") {
            file.push_str("\n[update]\nwatch = \"500ms\"\n");
        }
        for node in nodes {
            file.push_str(&format!("\n[node.{node}]\nmachine = \"m1\"\n"));
        }
        self.folder.file("fleet.toml", &file);
        self.must(&["apply", "fleet.toml"]);
    }

    /// The master's own process.
    pub fn master_process(&self) -> Process {
        self.holder(&self.path().join("master"))
    }

    pub fn agent_process(&self, machine: &str) -> Process {
        self.holder(&self.path().join(format!("agent-{machine}")))
    }

    fn holder(&self, dir: &Path) -> Process {
        let lock = fs::read_to_string(dir.join("lock")).expect("there is a lock");
        let id: u32 = lock.trim().parse().expect("it holds a process id");
        let all = processes::of(self.path());
        all.into_iter()
            .find(|process| process.id == id)
            .expect("who holds it runs")
    }

    /// The node processes in the folder: what a keeper has started.
    pub fn game_processes(&self) -> Vec<Process> {
        let all = processes::of(self.path()).into_iter();
        all.filter(|process| process.command.trim_end().ends_with(" config"))
            .collect()
    }

    pub fn keepers(&self) -> Vec<Process> {
        let all = processes::of(self.path()).into_iter();
        all.filter(|process| process.name.starts_with("wk-keeper"))
            .collect()
    }

    /// Folder of an agent.
    pub fn agent_dir(&self, machine: &str) -> PathBuf {
        self.path().join(format!("agent-{machine}"))
    }
}

/// Kills a node's process and waits until it is gone.
pub fn kill_id(id: u32) {
    let pid = rustix::process::Pid::from_raw(id.cast_signed()).expect("it is no group");
    let _ = rustix::process::kill_process(pid, Signal::KILL);
    wait_until("a killed process is gone", || !is_alive(id));
}

//! The founding note, done as it is written: three config keys, one cluster config, three scripts, a telnet
//! session with the console of the master's node.

use std::fs;
use std::process::Stdio;

use crate::console::{Console, free_port};
use crate::processes::{self, Process, Swept, wait_until};
use crate::support::{root, welkin};

/// The example `fleet_classic` with ports of its own.
pub struct Classic {
    folder: Swept,
    console: u16,
}

impl Classic {
    pub fn new() -> Self {
        let folder = Swept::new();
        let console = free_port();
        let ports = [
            ("8000", console),
            ("11888", free_port()),
            ("12888", free_port()),
            ("13888", free_port()),
        ];
        let example = root().join("examples/fleet_classic");
        for file in fs::read_dir(example)
            .expect("the example is there")
            .flatten()
        {
            let to = folder.path().join(file.file_name());
            fs::copy(file.path(), &to).expect("files can be copied");
            let Ok(mut text) = fs::read_to_string(&to) else {
                continue;
            };
            for (port, own) in ports {
                text = text.replace(port, &own.to_string());
            }
            fs::write(&to, text).expect("files can be written");
        }
        Self { folder, console }
    }

    /// By hand, as an operator does it once on each machine.
    pub fn start(&self, node: &str) {
        let log = fs::File::create(self.folder.path().join(format!("{node}.out"))).expect("a file");
        let mut command = welkin(self.folder.path(), &[&format!("config.{node}")]);
        command
            .env("WELKIN", env!("CARGO_BIN_EXE_welkin"))
            .stdin(Stdio::null());
        command
            .stdout(log.try_clone().expect("it is open"))
            .stderr(log);
        let mut child = command.spawn().expect("welkin starts");
        // Waited for, so that its end is one.
        std::thread::spawn(move || child.wait());
    }

    /// The processes of a node.
    fn node(&self, name: &str) -> Option<Process> {
        let all = processes::of(self.folder.path()).into_iter();
        all.into_iter().find(|process| {
            process
                .command
                .trim_end()
                .ends_with(&format!("config.{name}"))
                && !process.name.starts_with("wk-")
        })
    }

    fn part(&self, name: &str) -> Option<Process> {
        processes::of(self.folder.path())
            .into_iter()
            .find(|process| process.name == name)
    }

    pub fn console(&self) -> Console {
        Console::connect(self.console)
    }

    /// Waits for the text of a node in an answer.
    pub fn wait_for(&self, command: &str, node: &str, text: &str) {
        let mut seen = Vec::new();
        let mut console = self.console();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let is_there =
                |line: &String| line.starts_with(&format!("{node}\t")) && line.contains(text);
            if seen.iter().any(is_there) {
                return;
            }
            assert!(
                std::time::Instant::now() < end,
                "{command}: no {node} {text:?} in {seen:#?}\n{}",
                self.logs()
            );
            // The service may not be there yet.
            let answer = console.try_ask(&format!("info .cluster_master {command}"));
            seen = answer.unwrap_or_else(|error| error);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn logs(&self) -> String {
        let read = |name: &str| format!("== {name}\n{}", self.folder.read(name));
        [
            "master.out",
            "slave_1.out",
            "fleet/master.log",
            "fleet/agent.log",
        ]
        .map(read)
        .join("\n")
    }
}

/// A telnet session: 1. connect, 2. `list`, 3. find cluster_master, 4. and 5. `info ADDRESS COMMAND`.
struct Session {
    console: Console,
    address: String,
}

impl Session {
    fn open(fleet: &Classic) -> Self {
        let mut console = fleet.console();
        let address = console.find("cluster_master");
        // As the note writes it, with four digits.
        let address = address[address.len() - 4..].to_owned();
        Self { console, address }
    }

    fn info(&mut self, command: &str) -> Vec<String> {
        self.console
            .ask(&format!("info {} {command}", self.address))
    }
}

#[test]
fn the_note_session_goes_as_it_is_written() {
    let fleet = Classic::new();
    fleet.start("master");
    fleet.start("slave_1");
    fleet.wait_for("list", "slave_1", "up");
    let mut session = Session::open(&fleet);
    let listed = session.info("list");
    let nodes = listed.iter().filter_map(|line| line.split('\t').next());
    assert_eq!(nodes.collect::<Vec<_>>(), ["login_1", "master", "slave_1"]);
    assert!(listed[0].ends_with("\tdown"), "{listed:#?}");
    let started = session.info("start_all");
    let expected = ["login_1\tstarted", "slave_1\talready running"];
    assert_eq!(started, expected, "{}", fleet.logs());
    assert!(fleet.node("login_1").is_some());
    figures(&fleet, &mut session);
    update(&fleet, &mut session);
    stop(&fleet, &mut session);
    // Somebody is left who can start them.
    let started = session.info("start_all");
    let expected = ["login_1\tstarted", "slave_1\tstarted"];
    assert_eq!(started, expected, "{}", fleet.logs());
    session.info("stop_all");
}

fn figures(fleet: &Classic, session: &mut Session) {
    for command in ["cpu", "mem", "vmstat", "netstat", "free", "disc"] {
        fleet.wait_for(command, "login_1", shape(command));
        let one = session.info(&format!("{command} login_1"));
        assert_eq!(one.len(), 1, "{command}: {one:#?}");
    }
    fleet.wait_for("online", "login_1", "3");
    fleet.wait_for("netstat", "slave_1", "online=3");
}

fn update(fleet: &Classic, session: &mut Session) {
    assert_eq!(session.info("update").len(), 3, "a line for each node");
    fs::create_dir(fleet.folder.path().join("incoming")).expect("folders can be made");
    fleet.folder.file("incoming/REVISION", "2\n");
    for text in ["\tupdated 1 -> 2", "\tunchanged 2"] {
        let lines = session.info("update");
        assert!(lines.iter().all(|line| line.ends_with(text)), "{lines:#?}");
    }
}

fn stop(fleet: &Classic, session: &mut Session) {
    let stopped = session.info("stop login_1");
    assert_eq!(stopped, ["login_1\tstopped"], "{}", fleet.logs());
    assert!(fleet.node("login_1").is_none());
    assert_eq!(session.info("stop master"), ["refused: master"]);
    assert_eq!(session.info("stop nobody"), ["unknown node nobody"]);
    let stopped = session.info("stop_all");
    let expected = ["login_1\talready stopped", "slave_1\tstopped"];
    assert_eq!(stopped, expected, "{}", fleet.logs());
    assert!(fleet.node("slave_1").is_none() && fleet.node("master").is_some());
}

/// What each text of a command has in it.
pub fn shape(command: &str) -> &'static str {
    match command {
        "cpu" => "%",
        "mem" => " MiB  ",
        "vmstat" => "  cpu us=",
        "netstat" => "established=",
        "free" => " available=",
        _ => "GiB ",
    }
}

#[test]
fn master_and_agent_outlive_their_nodes_and_are_started_again_by_them() {
    let fleet = Classic::new();
    fleet.start("master");
    fleet.start("slave_1");
    fleet.wait_for("list", "slave_1", "up");
    let (master, agent) = (fleet.part("wk-master"), fleet.part("wk-agent"));
    let (master, agent) = (master.expect("it runs"), agent.expect("it runs"));
    master.kill();
    agent.kill();
    let fresh =
        |name: &str, before: &Process| fleet.part(name).is_some_and(|now| now.id != before.id);
    wait_until("they are started again", || {
        fresh("wk-master", &master) && fresh("wk-agent", &agent)
    });
    fleet.wait_for("list", "slave_1", "up");
    let slave = fleet.node("slave_1").expect("it runs");
    for node in [&fleet.node("master").expect("it runs"), &slave] {
        node.kill();
    }
    // One that was not told to stop is started again, by start.sh; the master's own node is not the fleet's.
    wait_until("the slave has another process", || {
        fleet.node("slave_1").is_some_and(|now| now.id != slave.id)
    });
    assert_eq!(fleet.node("master"), None);
    assert!(fleet.part("wk-master").is_some() && fleet.part("wk-agent").is_some());
    // The console of a new node finds all as it was.
    fleet.start("master");
    fleet.wait_for("list", "master", "up");
}

#[test]
fn a_part_that_was_told_to_end_stays_ended() {
    let fleet = Classic::new();
    fleet.start("master");
    fleet.start("slave_1");
    fleet.wait_for("list", "slave_1", "up");
    for part in ["agent", "master"] {
        let dir = format!("fleet/{part}");
        let output = welkin(
            fleet.folder.path(),
            &["fleet", part, "--dir", &dir, "--end"],
        )
        .output();
        let output = output.expect("it starts");
        assert!(output.status.success(), "{output:?}");
    }
    wait_until("both are gone", || {
        fleet.part("wk-master").is_none() && fleet.part("wk-agent").is_none()
    });
    wait_until("the nodes say so", || {
        fleet.folder.read("slave_1.out").contains("agent was ended")
            && fleet.folder.read("master.out").contains("master was ended")
    });
    assert!(fleet.node("slave_1").is_some() && fleet.node("master").is_some());
}

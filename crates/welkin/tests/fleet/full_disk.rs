//! The disk of a machine is full: lines are lost and counted, nodes are never held up, what cannot be
//! written down is not acted on, and all is right when there is room again.
//!
//! The disk is a small one in memory, seen by the agent's processes alone, so that it goes with them.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::clock::Clock;
use crate::fleet::{Fleet, kill_id};
use crate::processes::{self, Process, is_alive, wait_until};

/// Writes a line each 10 ms, with its number.
const TALKER: &str = "
local skynet = require 'skynet'
skynet.start(function()
    skynet.error 'version 1 is up'
    skynet.fork(function()
        for number = 1, math.huge do
            skynet.error(('line %d %s'):format(number, ('x'):rep(200)))
            skynet.sleep(1)
        end
    end)
end)
";

/// Whether this user may have a disk of his own.
fn may_mount() -> bool {
    let words = ["--mount", "--map-root-user", "true"];
    let may = Command::new("unshare").args(words).status();
    let may = may.is_ok_and(|status| status.success());
    if !may {
        eprintln!("skipped: mounts are refused here");
    }
    may
}

/// A fleet whose agent has a small disk at its folder.
struct Small {
    fleet: Fleet,
}

impl Small {
    /// One where nothing is removed when it is full. None: this user may not have it.
    fn without_cleaning(nodes: &[&str]) -> Option<Self> {
        let settings = "[clean]\nabove = 100\n";
        may_mount().then(|| Self::with(Fleet::new(), nodes, settings, 4096))
    }

    fn with(fleet: Fleet, nodes: &[&str], settings: &str, size_kib: u64) -> Self {
        fleet.start_master();
        let dir = fleet.agent_dir("m1");
        fs::create_dir(&dir).expect("folders can be made");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user"]);
        let mount = format!("mount -t tmpfs -o size={size_kib}k small \"$0\" && exec \"$@\"");
        command.args(["sh", "-c", &mount]).arg(&dir);
        let small = Self { fleet };
        small.spawn_agent(command);
        small.fleet.apply(nodes, settings);
        let game = small.fleet.game("v1", "1");
        fs::write(small.fleet.path().join("v1/main.lua"), TALKER).expect("files can be made");
        let update = ["update", "all", "--release", &game, "--yes"];
        small.fleet.must(&update);
        small.fleet.must(&["start", "all"]);
        small
    }

    /// Another agent, where the one before has left the disk to its keepers.
    fn start_agent_again(&self) {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.insider().to_string(), "--mount", "--user"]);
        command.args([
            "--preserve-credentials",
            "sh",
            "-c",
            "cd \"$0\" && exec \"$@\"",
        ]);
        command.arg(self.fleet.path());
        self.spawn_agent(command);
    }

    fn spawn_agent(&self, mut command: Command) {
        let agent = self.fleet.agent("m1");
        command.arg(agent.get_program()).args(agent.get_args());
        if !rustix::process::geteuid().is_root() {
            // Nobody else: a name of his own for himself.
            command.args(["--allow-user", "root"]);
        }
        command.args(["--local", "master"]);
        self.fleet.wait_until_missed("m1");
        self.fleet.spawn(command, "agent-m1.log");
        self.fleet.wait_for_agent("m1");
    }

    /// A process that has the disk.
    fn insider(&self) -> u32 {
        let all = processes::of(self.fleet.path());
        let has = |one: &&Process| matches!(&*one.name, "wk-agent" | "wk-keeper");
        all.iter().find(has).expect("one runs").id
    }

    /// The agent's folder, as this process sees it.
    fn dir(&self) -> PathBuf {
        let dir = self.fleet.agent_dir("m1");
        PathBuf::from(format!("/proc/{}/root{}", self.insider(), dir.display()))
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let path = self.dir().join("filler");
        let mut file = File::options().create(true).append(true).open(path);
        let file = file.as_mut().expect("files can be made");
        let mut size = 64 << 10;
        while size > 0 {
            if file.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.dir().join("filler")).expect("it was made");
    }

    fn log(&self, node: &str) -> String {
        let said = self.fleet.must(&["logs", node, "--lines", "100000"]);
        said.out
    }
}

#[test]
fn lines_that_find_no_room_are_counted_and_the_node_is_not_held_up() {
    let Some(small) = Small::without_cleaning(&["a"]) else {
        return;
    };
    let pid = small.fleet.pid("a");
    small.fill();
    // It goes on talking: its lines are read and dropped.
    let messages = |small: &Small| {
        let row = small.fleet.node("a");
        row["figures"]["uptime_s"].as_u64().unwrap_or_default()
    };
    let before = messages(&small);
    wait_until("the node goes on", || messages(&small) > before + 1);
    assert_eq!(small.fleet.node("a")["state"], "ready");
    small.make_room();
    let mut log = String::new();
    wait_until("the lost lines are told", || {
        log = small.log("a");
        log.contains(" lines lost: ")
    });
    let (before, after) = log.split_once(" lines lost: ").expect("it was looked for");
    let lost: u64 = before
        .rsplit('\n')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no number: {log}"));
    assert!(after.starts_with("No space left on device"), "{after}");
    // What is said to be lost is what is missing.
    let number = |line: &str| -> Option<u64> {
        line.split(" line ").nth(1)?.split(' ').next()?.parse().ok()
    };
    let last = before.lines().rev().find_map(number).expect("numbers");
    let mut next = None;
    wait_until("the lines go on", || {
        let log = small.log("a");
        let after = log.split_once(" lines lost: ").map(|(_, after)| after);
        next = after.and_then(|after| after.lines().skip(1).find_map(number));
        next.is_some()
    });
    let next = next.expect("it was waited for");
    // The last line before may have been cut in the middle, and then counts as lost.
    assert!(
        (lost..=lost + 1).contains(&(next - last)),
        "{lost} lost between {last} and {next}"
    );
    assert_eq!(small.fleet.pid("a"), pid);
}

#[test]
fn an_end_on_a_full_disk_is_known_and_nothing_runs_twice() {
    let Some(small) = Small::without_cleaning(&["a", "b"]) else {
        return;
    };
    let b = small.fleet.pid("b");
    small.fill();
    let a = small.fleet.pid("a");
    kill_id(a);
    wait_until("the end is known", || {
        let said = small.fleet.run(&["history", "a"]).out;
        said.contains("ended by SIGKILL")
    });
    assert!(is_alive(b));
    small.make_room();
    // Given up or not, a start brings it back, once.
    small.fleet.run(&["start", "a"]);
    small.fleet.wait_for_state("a", "ready");
    assert_eq!(small.fleet.game_processes().len(), 2);
    assert_eq!(small.fleet.pid("b"), b);
}

#[test]
fn old_releases_and_logs_go_when_the_disk_is_nearly_full() {
    if !may_mount() {
        return;
    }
    let mut fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    fleet.environment = clock.environment();
    let small = Small::with(fleet, &["a"], "", 32 << 10);
    let releases = || {
        let entries = fs::read_dir(small.dir().join("releases")).expect("they lie there");
        entries.flatten().count()
    };
    for version in ["2", "3", "4"] {
        let name = format!("v{version}");
        let game = small.fleet.game(&name, version);
        let noise: Vec<u8> = (0..2u32 << 20)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        fs::write(small.fleet.path().join(&name).join("map.bin"), noise)
            .expect("files can be made");
        small
            .fleet
            .must(&["update", "all", "--release", &game, "--yes"]);
    }
    assert_eq!(releases(), 4);
    let pid = small.fleet.pid("a");
    small.fill();
    // It is looked at once a minute.
    clock.pass(61);
    let words = "disk above 90 %";
    small.fleet.folder.wait_for("agent-m1.log", words);
    wait_until("what nobody needs is gone", || releases() == 2);
    small.make_room();
    assert_eq!(small.fleet.wait_for_state("a", "ready")["pid"], pid);
    // The one a rollback needs is there.
    small.fleet.must(&["rollback", "all", "--yes"]);
    wait_until("what ran before runs", || {
        let log = small.fleet.must(&["logs", "a", "--lines", "5"]).out;
        log.contains("version 3 is up")
    });
}

#[test]
fn orders_that_cannot_be_written_down_are_not_followed() {
    let Some(small) = Small::without_cleaning(&["a"]) else {
        return;
    };
    let pid = small.fleet.pid("a");
    small.fill();
    // Who asked is told what, where, and what to do; and so is who looks.
    let fleet = &small.fleet;
    let file = fleet.agent_dir("m1").join("orders.json");
    let words = format!(
        "the agent of m1 cannot write down what is wanted ({}: No space left on device",
        file.display()
    );
    for command in [&["stop", "a", "--yes"][..], &["restart", "a", "--yes"]] {
        let said = fleet.run(&[&["--timeout", "60s"], command].concat());
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.out.contains(&words), "{said:?}");
        assert!(said.out.contains("make room there"), "{said:?}");
        let reason = fleet.node("a")["reason"].to_string();
        assert!(reason.contains(&words), "{reason}");
    }
    let said = fleet.run(&["--json", "--timeout", "60s", "stop", "a", "--yes"]);
    assert!(said.out.contains("\"code\":\"unwritten\""), "{said:?}");
    fleet
        .folder
        .wait_for("agent-m1.log", "cannot be written down");
    assert!(is_alive(pid));
    small.make_room();
    small.fleet.wait_for_state("a", "stopped");
    assert!(!is_alive(pid));
}

#[test]
fn an_agent_that_begins_on_a_full_disk_finds_its_nodes() {
    let Some(small) = Small::without_cleaning(&["a", "b"]) else {
        return;
    };
    let [a, b] = ["a", "b"].map(|node| small.fleet.pid(node));
    small.fill();
    let agent = processes::of(small.fleet.path());
    let agent = agent.iter().find(|one| one.name == "wk-agent");
    agent.expect("it runs").kill();
    small.start_agent_again();
    for (node, pid) in [("a", a), ("b", b)] {
        let row = small.fleet.wait_for_state(node, "ready");
        assert_eq!(row["pid"], pid, "{row}");
    }
    assert_eq!(small.fleet.game_processes().len(), 2);
    small.make_room();
    small.fleet.must(&["restart", "a", "--yes"]);
    assert_eq!(small.fleet.game_processes().len(), 2);
}

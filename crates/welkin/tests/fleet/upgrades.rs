//! The fleet's own binary is replaced while nodes run: the agents' by `upgrade`, the master's by a restart.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fleet::{Fleet, Said};
use crate::processes::{Process, is_alive, wait_until};

/// A folder with a file `welkin` that can be executed.
fn folder(fleet: &Fleet, name: &str, write: impl FnOnce(&Path)) -> String {
    let folder = fleet.path().join(name);
    fs::create_dir(&folder).expect("folders can be made");
    let program = folder.join("welkin");
    write(&program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder.to_str().expect("a plain path").to_owned()
}

/// A copy of the program, another file with the same abilities.
fn copy(to: &Path) {
    let own = env!("CARGO_BIN_EXE_welkin");
    // Without what only a debugger needs it is a fifth: less to pack.
    let stripped = Command::new("strip").arg("-o").arg(to).arg(own).output();
    if !stripped.is_ok_and(|output| output.status.success()) {
        fs::copy(own, to).expect("files can be copied");
    }
}

fn script(text: &str) -> impl FnOnce(&Path) {
    move |path| fs::write(path, text).expect("files can be written")
}

fn upgrade(fleet: &Fleet, release: &str) -> Said {
    fleet.run(&["upgrade", "m1", "--release", release])
}

fn program_of(process: &Process) -> PathBuf {
    fs::read_link(format!("/proc/{}/exe", process.id)).expect("it runs")
}

fn ids(processes: Vec<Process>) -> Vec<u32> {
    let mut ids: Vec<u32> = processes.into_iter().map(|process| process.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn an_agent_becomes_another_binary_and_comes_back_as_the_old_one_if_that_dies() {
    let fleet = Fleet::with_nodes(&["a", "b"], "");
    let (nodes, keepers) = (ids(fleet.game_processes()), ids(fleet.keepers()));
    let agent = fleet.agent_process("m1");
    let new = folder(&fleet, "new", copy);
    let said = upgrade(&fleet, &new);
    assert_eq!(said.status, 0, "{said:?}\n{}", fleet.logs());
    assert!(said.out.contains("upgraded"), "{said:?}");
    let after = fleet.agent_process("m1");
    assert_eq!(after.id, agent.id, "it is the same process");
    let releases = fleet.agent_dir("m1").join("releases");
    assert!(program_of(&after).starts_with(&releases));
    for node in ["a", "b"] {
        fleet.wait_for_state(node, "ready");
    }
    assert_eq!(ids(fleet.game_processes()), nodes);
    assert_eq!(ids(fleet.keepers()), keepers);
    let again = fleet.must(&["upgrade", "m1", "--release", &new]);
    assert!(again.out.contains("unchanged"), "{again:?}");
    let audit = fleet.must(&["audit"]).out;
    let line = audit.lines().find(|line| line.contains("upgrade"));
    assert!(
        line.is_some_and(|line| line.contains("machine:m1")),
        "{audit}"
    );
    // It has not proved itself: whoever starts an agent by the link gets the old one.
    after.kill();
    let mut old = fleet.agent("m1");
    let arguments: Vec<_> = old.get_args().map(ToOwned::to_owned).collect();
    old = Command::new(fleet.agent_dir("m1").join("welkin"));
    old.args(arguments).args(["--local", "master"]);
    fleet.wait_until_missed("m1");
    fleet.spawn(old, "agent-m1.log");
    fleet.wait_for_agent("m1");
    let back = fleet.agent_process("m1");
    assert_eq!(program_of(&back), program_of(&fleet.master_process()));
    assert!(
        fleet
            .folder
            .read("agent-m1.log")
            .contains("the old binary is back")
    );
    for node in ["a", "b"] {
        fleet.wait_for_state(node, "ready");
    }
    assert_eq!(ids(fleet.game_processes()), nodes);
    fleet.must(&["restart", "a", "--yes"]);
}

#[test]
fn a_binary_that_does_not_start_leaves_the_agent_as_it_is() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let (agent, nodes) = (fleet.agent_process("m1"), ids(fleet.game_processes()));
    let program = program_of(&agent);
    let foreign = "#!/bin/sh\n[ \"$1\" = --version ] && echo other 1 && exit\nexit 2\n";
    let cases = [
        ("none", script("#!/bin/sh\nexit 7\n"), "exit status: 7"),
        ("text", script("no program at all"), "welkin"),
        ("foreign", script(foreign), "exit status: 2"),
    ];
    for (name, write, reason) in cases {
        let release = folder(&fleet, name, write);
        let said = upgrade(&fleet, &release);
        assert_eq!(said.status, 1, "{name}: {said:?}");
        assert!(said.err.contains(reason), "{name}: {said:?}");
    }
    let empty = fleet.game("without", "2");
    let said = upgrade(&fleet, &empty);
    assert_eq!(said.status, 1, "{said:?}");
    let said = fleet.run(&["upgrade", "m9", "--release", &empty]);
    assert!(
        said.status == 1 && said.err.contains("unknown machine m9"),
        "{said:?}"
    );
    let after = fleet.agent_process("m1");
    assert_eq!((after.id, program_of(&after)), (agent.id, program));
    assert_eq!(ids(fleet.game_processes()), nodes);
}

#[test]
fn a_binary_that_dies_as_the_agent_is_told_and_the_old_one_is_back() {
    let fleet = Fleet::new();
    fleet.start_master();
    // As systemd does: the link if there is one, again and again.
    let looks_after = "while :; do p=$0; [ -x agent-m1/welkin ] && p=agent-m1/welkin; \
                       \"$p\" \"$@\" && exit; sleep 0.2; done";
    let agent = fleet.agent("m1");
    let mut command = Command::new("sh");
    command.args(["-c", looks_after, env!("CARGO_BIN_EXE_welkin")]);
    command.args(agent.get_args()).args(["--local", "master"]);
    fleet.spawn(command, "agent-m1.log");
    fleet.wait_for_agent("m1");
    fleet.apply(&["a"], "");
    fleet.start_game();
    let node = fleet.pid("a");
    let before = fleet.agent_process("m1");
    let dying = "#!/bin/sh\ncase \"$*\" in *--version*) echo welkin 9;; \
                 *--keeper-protocol*) echo 9;; *) exit 1;; esac\n";
    let release = folder(&fleet, "dying", script(dying));
    let said = upgrade(&fleet, &release);
    assert_eq!(said.status, 1, "{said:?}\n{}", fleet.logs());
    assert!(said.err.contains("the old binary came back"), "{said:?}");
    let after = fleet.agent_process("m1");
    assert_ne!(after.id, before.id);
    assert_eq!(fleet.wait_for_state("a", "ready")["pid"], node);
}

#[test]
fn the_masters_binary_is_replaced_by_a_restart_and_nobody_misses_it() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let node = fleet.pid("a");
    let agent = fleet.agent_process("m1").id;
    let new = folder(&fleet, "new", copy);
    let old = fleet.master_process();
    old.signal(rustix::process::Signal::TERM);
    wait_until("it has ended", || !is_alive(old.id));
    let mut command = Command::new(Path::new(&new).join("welkin"));
    let listen = format!("127.0.0.1:{}", fleet.port);
    command.args(["fleet", "master", "--dir", "master", "--listen", &listen]);
    fleet.spawn(command, "master.log");
    fleet.wait_for_master();
    fleet.wait_for_agent("m1");
    assert!(program_of(&fleet.master_process()).starts_with(&new));
    assert_eq!(fleet.wait_for_state("a", "ready")["pid"], node);
    assert_eq!(fleet.agent_process("m1").id, agent);
}

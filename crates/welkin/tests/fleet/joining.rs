//! How machines come into a fleet, by a token or by the fleet's secret, and how all of them change over to
//! a new authority while they work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::fleet::Fleet;
use crate::processes::{is_alive, wait_until};

/// A master that lets machines in by `secret`.
fn with_secret() -> Fleet {
    let fleet = Fleet::new();
    fleet.must(&["secret-file", "secret"]);
    start_master(&fleet);
    fleet
}

fn start_master(fleet: &Fleet) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_welkin"));
    let listen = format!("127.0.0.1:{}", fleet.port);
    command.args(["fleet", "master", "--dir", "master", "--listen", &listen]);
    command.args(["--secret-file", "secret"]);
    fleet.spawn(command, "master.log");
    fleet.wait_for_master();
}

/// Starts an agent with the option and its file; its words are in `<dir>.log`.
fn join(fleet: &Fleet, dir: &str, machine: &str, option: &str, file: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_welkin"));
    let master = format!("127.0.0.1:{}", fleet.port);
    command.args(["fleet", "agent", "--master", &master, "--dir", dir]);
    command.args(["--machine", machine, option, file]);
    if rustix::process::geteuid().is_root() {
        command.args(["--allow-user", "root"]);
    }
    fleet.spawn(command, &format!("{dir}.log"));
}

fn token(fleet: &Fleet, file: &str, arguments: &[&str]) {
    let said = fleet.must(&[&["token"], arguments].concat());
    fleet.folder.file(file, &said.out);
}

fn machines(fleet: &Fleet) -> Vec<String> {
    let rows = fleet.rows(&["machines"]).into_iter();
    rows.map(|row| row["machine"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn machines_join_by_the_secret_each_with_a_folder_of_its_own() {
    let fleet = with_secret();
    for (dir, machine) in [("one", "m1"), ("two", "m2")] {
        let copy = format!("secret-{machine}");
        fs::copy(fleet.path().join("secret"), fleet.path().join(&copy)).expect("it is there");
        join(&fleet, dir, machine, "--secret-file", &copy);
        fleet.wait_for_agent(machine);
    }
    let certs = fleet.must(&["certs"]).out;
    assert!(certs.contains("m1") && certs.contains("m2"), "{certs}");
    let secret = fleet.folder.read("secret");
    for file in ["master.log", "one.log", "two.log"] {
        let log = fleet.folder.read(file);
        assert!(!log.contains(secret.trim()), "{file} tells the secret");
    }
    let audit = fleet.must(&["audit"]).out;
    assert!(audit.contains("enrol --role agent (by secret)"), "{audit}");
    // The name of a machine that is enrolled is not for another one who knows the secret.
    join(&fleet, "thief", "m1", "--secret-file", "secret-m2");
    fleet
        .folder
        .wait_for("thief.log", "m1 is enrolled as agent with another key");
    fleet.wait_for_agent("m1");
}

#[test]
fn a_wrong_secret_opens_no_door_and_both_sides_say_so() {
    let fleet = with_secret();
    fleet.must(&["secret-file", "other"]);
    join(&fleet, "one", "m1", "--secret-file", "other");
    let words = "the fleet_secret of this machine is not the master's";
    fleet.folder.wait_for("one.log", words);
    fleet.folder.wait_for("master.log", words);
    fleet.must(&["secret-file", "open"]);
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(fleet.path().join("open"), mode).expect("it is ours");
    join(&fleet, "two", "m2", "--secret-file", "open");
    let log = fleet.folder.wait_for("two.log", "0644");
    assert!(log.contains("open"), "file and mode are named: {log}");
    assert!(machines(&fleet).is_empty());
    // A master without a secret says what it lacks.
    let plain = Fleet::new();
    plain.start_master();
    plain.must(&["secret-file", "secret"]);
    join(&plain, "one", "m1", "--secret-file", "secret");
    plain
        .folder
        .wait_for("one.log", "this master has no fleet_secret");
}

#[test]
fn a_token_is_for_one_use_one_name_one_role_and_its_time() {
    let fleet = Fleet::new();
    fleet.start_master();
    token(&fleet, "good", &["m1", "--role", "agent"]);
    join(&fleet, "one", "m1", "--token-file", "good");
    fleet.wait_for_agent("m1");
    join(&fleet, "two", "m2", "--token-file", "good");
    fleet.folder.wait_for("two.log", "it was used");
    token(&fleet, "late", &["m3", "--role", "agent", "--ttl", "1ms"]);
    join(&fleet, "three", "m3", "--token-file", "late");
    fleet.folder.wait_for("three.log", "expired");
    token(&fleet, "person", &["anna", "--role", "view"]);
    join(&fleet, "four", "m4", "--token-file", "person");
    fleet.folder.wait_for("four.log", "no link to the master");
    fleet.folder.file("nonsense", "nonsense");
    join(&fleet, "five", "m5", "--token-file", "nonsense");
    fleet.folder.wait_for("five.log", "the token is none");
    assert_eq!(machines(&fleet), ["m1"]);
    // A machine that is set up anew needs one that says so.
    let said = fleet.person("anna", fleet.port, &["list"]);
    assert_eq!(
        said.status, 4,
        "a token that an agent tried does nothing: {said:?}"
    );
    token(&fleet, "again", &["m1", "--role", "agent"]);
    join(&fleet, "six", "m1", "--token-file", "again");
    fleet.folder.wait_for("six.log", "--replace");
    token(&fleet, "replaces", &["m1", "--role", "agent", "--replace"]);
    join(&fleet, "seven", "m1", "--token-file", "replaces");
    fleet.folder.wait_for("seven.log", "linked to the master");
    fleet.folder.wait_for("one.log", "revoked");
}

#[test]
fn an_agent_that_is_enrolled_does_not_miss_its_token_file() {
    let fleet = Fleet::new();
    fleet.start_master();
    token(&fleet, "token", &["m1", "--role", "agent"]);
    join(&fleet, "agent-m1", "m1", "--token-file", "token");
    fleet.wait_for_agent("m1");
    fleet.agent_process("m1").kill();
    wait_until("it is missed", || {
        fleet.rows(&["machines"])[0]["connected"] == false
    });
    // A unit goes on naming the file.
    fs::remove_file(fleet.path().join("token")).expect("it is there");
    join(&fleet, "agent-m1", "m1", "--token-file", "token");
    fleet.wait_for_agent("m1");
    join(&fleet, "new", "m2", "--token-file", "token");
    fleet.folder.wait_for("new.log", "token: No such file");
}

/// The authorities of all certificates, as `certs` shows them.
fn authorities(fleet: &Fleet) -> Vec<String> {
    let rows = fleet.rows(&["certs"]).into_iter();
    let mut shown: Vec<String> = rows
        .map(|row| row["CA"].as_str().unwrap_or_default().to_owned())
        .collect();
    shown.sort();
    shown.dedup();
    shown
}

#[test]
fn all_change_over_to_a_new_authority_while_they_work() {
    let fleet = Fleet::new();
    fleet.start_master();
    fleet.start_far_agent("m1");
    fleet.start_far_agent("m2");
    token(&fleet, "token", &["anna", "--role", "operate"]);
    let said = fleet.person("anna", fleet.port, &["enrol", "--token-file", "token"]);
    assert_eq!(said.status, 0, "{said:?}");
    fleet.apply(&["a"], "");
    let file = fleet.folder.read("fleet.toml") + "[node.b]\nmachine = \"m2\"\n";
    fleet.folder.file("fleet.toml", &file);
    fleet.must(&["apply", "fleet.toml"]);
    fleet.start_game();
    let pids = ["a", "b"].map(|node| fleet.pid(node));
    let old = authorities(&fleet);
    assert_eq!(old.len(), 1);
    fleet.must(&["certs", "--rotate-ca"]);
    let said = fleet.run(&["certs", "--rotate-ca"]);
    assert!(
        said.status == 1 && said.err.contains("a rotation is under way"),
        "{said:?}"
    );
    // Agents renew by themselves, a person with the next command.
    let renewed = |name: &str| {
        let rows = fleet.rows(&["certs"]).into_iter();
        let mut of = rows.filter(|row| row["name"] == name);
        of.next().is_some_and(|row| row["renewed"] == true)
    };
    wait_until("both agents have renewed", || {
        renewed("m1") && renewed("m2")
    });
    assert!(!renewed("anna"), "she has not been here");
    // Newcomers come in meanwhile, and a master that is started again goes on with it.
    fleet.start_far_agent("m3");
    fleet.master_process().kill();
    fleet.start_master();
    for machine in ["m1", "m2", "m3"] {
        fleet.wait_for_agent(machine);
    }
    for _ in 0..2 {
        let said = fleet.person("anna", fleet.port, &["list"]);
        assert_eq!(said.status, 0, "{said:?}");
    }
    wait_until("the old authority has gone", || {
        let shown = authorities(&fleet);
        shown.len() == 1 && shown != old
    });
    // With the new one alone everybody is still let in, after a restart too.
    for machine in ["m1", "m2"] {
        fleet.agent_process(machine).kill();
        fleet.start_far_agent(machine);
    }
    for (node, pid) in ["a", "b"].into_iter().zip(pids) {
        assert_eq!(fleet.wait_for_state(node, "ready")["pid"], pid);
        assert!(is_alive(pid));
    }
    let said = fleet.person("anna", fleet.port, &["drain", "a"]);
    assert_eq!(said.status, 0, "{said:?}");
    fleet.must(&["certs", "--rotate-ca"]);
}

#[test]
fn a_machine_that_is_lost_for_good_goes_with_the_fleet_file_that_does_not_name_it() {
    let fleet = Fleet::new();
    fleet.start_master();
    fleet.start_agent("m1");
    fleet.start_agent("m2");
    let of = |nodes: &str| {
        format!("[fleet]\nname = \"test\"\n[defaults]\ncommand = \"welkin config\"\n{nodes}")
    };
    let (one, two) = (
        "[node.a]\nmachine = \"m1\"\n",
        "[node.b]\nmachine = \"m2\"\n",
    );
    fleet.folder.file("fleet.toml", &of(&format!("{one}{two}")));
    fleet.must(&["apply", "fleet.toml"]);
    fleet.agent_process("m2").kill();
    fleet.wait_for_state("b", "unknown");
    assert_eq!(machines(&fleet), ["m1", "m2"], "it is missed");
    fleet.folder.file("fleet.toml", &of(one));
    fleet.must(&["apply", "fleet.toml"]);
    assert_eq!(machines(&fleet), ["m1"]);
    // Should it come back, it is there again.
    fleet.start_agent("m2");
    assert_eq!(machines(&fleet), ["m1", "m2"]);
}

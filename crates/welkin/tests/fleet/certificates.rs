//! Certificates that are of no use: expired, revoked, of another fleet, for another role. Both sides say so
//! in words, and nothing that runs stops.

use std::fs;
use std::path::Path;

use crate::clock::Clock;
use crate::fleet::{Fleet, kill_id};
use crate::processes::{is_alive, wait_until};

const DAY_S: i64 = 86_400;
/// More than a certificate's life.
const LONG_AGO: i64 = -100 * DAY_S;

/// A fleet with the node `b` on the machine `m1`, whose agent joined over the network.
fn far_fleet(mut fleet: Fleet, clock: &Clock) -> Fleet {
    fleet.environment = clock.environment();
    fleet.start_master();
    fleet.start_far_agent("m1");
    fleet.apply(&["b"], "");
    fleet.start_game();
    fleet
}

fn enrol(fleet: &Fleet, name: &str, role: &str, home: &str) {
    let token = fleet.must(&["token", name, "--role", role]).out;
    fleet.folder.file("person.token", &token);
    let words = ["enrol", "--token-file", "person.token"];
    let said = fleet.person(home, fleet.port, &words);
    assert_eq!(said.status, 0, "{said:?}");
}

#[test]
fn an_expired_certificate_is_refused_in_words_and_the_node_goes_on() {
    let fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    clock.set(LONG_AGO);
    let fleet = far_fleet(fleet, &clock);
    let pid = fleet.pid("b");
    // The machine's agent is away for as long as its certificate lives.
    fleet.agent_process("m1").kill();
    clock.set(0);
    fleet.spawn_agent_by("m1", fleet.port);
    fleet
        .folder
        .wait_for("agent-m1.log", "the certificate has expired");
    fleet
        .folder
        .wait_for("master.log", "the certificate of agent m1 has expired");
    assert!(is_alive(pid));
    // It is watched over all the same.
    kill_id(pid);
    wait_until("the agent starts it again", || {
        fleet
            .game_processes()
            .iter()
            .any(|process| process.id != pid)
    });
    let again = fleet.game_processes()[0].id;
    // A new token lets the agent in again; its node has not noticed.
    fleet.agent_process("m1").kill();
    let token = fleet.must(&["token", "m1", "--role", "agent"]).out;
    fleet.folder.file("token", &token);
    let mut command = fleet.agent("m1");
    let at = format!("127.0.0.1:{}", fleet.port);
    command.args(["--master", &at, "--token-file", "token"]);
    fleet.spawn(command, "agent-m1.log");
    fleet.wait_for_agent("m1");
    assert_eq!(fleet.wait_for_state("b", "ready")["pid"], again);
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn an_expired_certificate_permits_a_person_nothing() {
    let mut fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    clock.set(LONG_AGO);
    fleet.environment = clock.environment();
    fleet.start_master();
    enrol(&fleet, "anna", "view", "anna");
    clock.set(0);
    let said = fleet.person("anna", fleet.port, &["list"]);
    assert_eq!(said.status, 4, "not permitted: {said:?}");
    assert!(said.err.contains("the certificate has expired"), "{said:?}");
    let words = "the certificate of view anna has expired";
    fleet.folder.wait_for("master.log", words);
    // With a new token she is who she was.
    enrol(&fleet, "anna", "view", "anna");
    let said = fleet.person("anna", fleet.port, &["list"]);
    assert_eq!(said.status, 0, "{said:?}");
}

#[test]
fn a_certificate_that_ends_while_connected_ends_the_link_and_stops_nothing() {
    let fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    clock.set(LONG_AGO);
    let fleet = far_fleet(fleet, &clock);
    let pid = fleet.pid("b");
    clock.set(0);
    // A link looks at its certificate every 20 s.
    let log = "agent-m1.log";
    fleet.folder.wait_for(log, "the certificate has expired");
    fleet.folder.wait_for("master.log", "has expired");
    fleet.wait_for_state("b", "unknown");
    assert!(is_alive(pid));
}

#[test]
fn two_thirds_of_a_certificate_are_renewed_without_anybody() {
    let fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    clock.set(-70 * DAY_S);
    let fleet = far_fleet(fleet, &clock);
    let pid = fleet.pid("b");
    let until = |fleet: &Fleet| {
        let rows = fleet.rows(&["certs"]);
        let row = rows.into_iter().find(|row| row["name"] == "m1");
        row.expect("it is listed")["until"].to_string()
    };
    let before = until(&fleet);
    clock.set(0);
    fleet.master_process().kill();
    fleet.start_master();
    wait_until("the certificate lives longer", || until(&fleet) > before);
    fleet.wait_for_agent("m1");
    assert_eq!(fleet.wait_for_state("b", "ready")["pid"], pid);
}

#[test]
fn a_certificate_of_another_fleet_opens_no_door() {
    let fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    let fleet = far_fleet(fleet, &clock);
    let other = Fleet::with_nodes(&[], "");
    enrol(&other, "eve", "admin", "eve");
    enrol(&fleet, "anna", "admin", "anna");
    let pid = fleet.pid("b");
    // The agent is led to the wrong master, and does not take it for its own.
    fleet.agent_process("m1").kill();
    fleet.spawn_agent_by("m1", other.port);
    let strange = "this is not the master of the fleet: its certificate is of an authority";
    fleet.folder.wait_for("agent-m1.log", strange);
    let words = "does not know the authority of our certificate";
    other.folder.wait_for("master.log", words);
    assert!(is_alive(pid));
    let said = fleet.person("anna", other.port, &["list"]);
    assert_eq!(said.status, 4, "nothing was enrolled there: {said:?}");
    // One who takes every master for his own is not taken by this one.
    let forged = foreign_identity(&fleet, &other);
    let said = fleet.person(&forged, fleet.port, &["stop", "all", "--yes"]);
    assert_eq!(said.status, 4, "{said:?}");
    fleet
        .folder
        .wait_for("master.log", "a certificate of an unknown authority");
    assert!(is_alive(pid));
    fleet.agent_process("m1").kill();
    fleet.start_far_agent("m1");
    assert_eq!(fleet.wait_for_state("b", "ready")["pid"], pid);
}

/// The home of somebody who has a certificate of `other` and trusts the authority of `fleet`.
fn foreign_identity(fleet: &Fleet, other: &Fleet) -> String {
    let folder = |fleet: &Fleet, home: &str, port: u16| {
        let folder = format!(".config/welkin/127.0.0.1_{port}");
        fleet.path().join(home).join(folder)
    };
    let from = folder(other, "eve", other.port);
    let to = folder(fleet, "forged", fleet.port);
    fs::create_dir_all(&to).expect("folders can be made");
    copy_private(&from.join("key.pem"), &to.join("key.pem"));
    let text = fs::read_to_string(from.join("identity.pem")).expect("she is enrolled");
    let end = "-----END CERTIFICATE-----\n";
    let own = text.split_inclusive(end).next().expect("her certificate");
    let anna = folder(fleet, "anna", fleet.port).join("identity.pem");
    let anna = fs::read_to_string(anna).expect("she is enrolled");
    let authorities: String = anna.split_inclusive(end).skip(1).collect();
    let path = to.join("identity.pem");
    copy_private(&from.join("identity.pem"), &path);
    fs::write(path, format!("{own}{authorities}")).expect("it can be written");
    "forged".to_owned()
}

/// With its mode.
fn copy_private(from: &Path, to: &Path) {
    fs::copy(from, to).expect("files can be copied");
}

#[test]
fn who_is_revoked_is_out_at_once_and_told_so() {
    let fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    let fleet = far_fleet(fleet, &clock);
    enrol(&fleet, "anna", "operate", "anna");
    let pid = fleet.pid("b");
    let said = fleet.person("anna", fleet.port, &["list"]);
    assert_eq!(said.status, 0, "{said:?}");
    fleet.must(&["revoke", "anna"]);
    let said = fleet.person("anna", fleet.port, &["stop", "all", "--yes"]);
    assert_eq!(said.status, 4, "{said:?}");
    assert!(said.err.contains("revoked"), "{said:?}");
    fleet
        .folder
        .wait_for("master.log", "the certificate of operate anna was revoked");
    fleet.must(&["revoke", "m1"]);
    fleet
        .folder
        .wait_for("agent-m1.log", "the certificate was revoked");
    fleet.wait_for_state("b", "unknown");
    fleet.folder.wait_for("master.log", "m1");
    assert!(is_alive(pid));
}

#[test]
fn a_certificate_is_for_its_role_alone() {
    let fleet = Fleet::new();
    let clock = Clock::new(fleet.path(), "clock");
    let fleet = far_fleet(fleet, &clock);
    let pid = fleet.pid("b");
    enrol(&fleet, "anna", "admin", "anna");
    let persons = fleet
        .path()
        .join(format!("anna/.config/welkin/127.0.0.1_{}", fleet.port));
    let swap = |from: &Path, to: &Path| {
        for file in ["key.pem", "identity.pem"] {
            copy_private(&from.join(file), &to.join(file));
        }
    };
    // A machine's certificate in a person's hands.
    let machines = fleet.agent_dir("m1").join("identity");
    let kept = fleet.path().join("kept");
    fs::create_dir(&kept).expect("folders can be made");
    swap(&persons, &kept);
    swap(&machines, &persons);
    let said = fleet.person("anna", fleet.port, &["list"]);
    assert_eq!(said.status, 4, "{said:?}");
    assert!(
        said.err.contains("the role agent, which may not"),
        "{said:?}"
    );
    // A person's in a machine's.
    fleet.agent_process("m1").kill();
    swap(&kept, &machines);
    fleet.spawn_agent_by("m1", fleet.port);
    fleet
        .folder
        .wait_for("agent-m1.log", "the role admin, which may not");
    fleet.folder.wait_for("master.log", "the role a");
    assert!(is_alive(pid));
}

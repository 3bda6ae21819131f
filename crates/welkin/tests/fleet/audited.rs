//! The audit log of a real master, compared with what the master wrote to its own log: a log that was cut,
//! forked or begun anew is whole in itself, and is found all the same.

use std::fs;
use std::path::PathBuf;

use crate::fleet::{Fleet, Said};
use crate::processes::{is_alive, wait_until};

/// Makes a record for each name.
fn record(fleet: &Fleet, names: &[&str]) {
    for name in names {
        fleet.must(&["token", name, "--role", "view"]);
    }
}

fn end_master(fleet: &Fleet) {
    let master = fleet.master_process();
    master.signal(rustix::process::Signal::TERM);
    wait_until("the master has ended", || !is_alive(master.id));
}

fn state(fleet: &Fleet) -> PathBuf {
    fleet.path().join("master/fleet.redb")
}

/// A master of four records whose state is laid aside, and which has then written more and ended, with
/// their hash in its log.
fn with_an_older_state() -> (Fleet, PathBuf) {
    let fleet = Fleet::new();
    fleet.start_master();
    record(&fleet, &["anna", "bert", "carl", "dora"]);
    end_master(&fleet);
    let older = fleet.path().join("older");
    fs::copy(state(&fleet), &older).expect("files can be copied");
    fleet.start_master();
    record(&fleet, &["emil", "fritz"]);
    end_master(&fleet);
    (fleet, older)
}

fn verify(fleet: &Fleet) -> Said {
    fleet.run(&["audit", "--verify"])
}

fn verify_with_log(fleet: &Fleet) -> Said {
    fleet.run(&["audit", "--verify", "--log", "master.log"])
}

fn assert_whole(said: &Said) {
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("the chain is whole"), "{said:?}");
}

/// Status 1, and the fault is named; nothing says that all is well.
fn assert_found(said: &Said, fault: &str) {
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains(fault), "{fault}: {said:?}");
    assert!(!said.out.contains("whole"), "{said:?}");
}

#[test]
fn a_log_that_nobody_touched_is_whole_by_itself_and_by_the_masters_log() {
    let (fleet, _) = with_an_older_state();
    fleet.start_master();
    assert_whole(&verify(&fleet));
    let said = verify_with_log(&fleet);
    assert_whole(&said);
    assert!(!said.out.contains("\n0 lines"), "{said:?}");
}

#[test]
fn a_young_master_is_compared_with_what_it_has_logged_so_far() {
    let fleet = Fleet::new();
    fleet.start_master();
    record(&fleet, &["anna"]);
    // Nothing to compare with is no success.
    let said = verify_with_log(&fleet);
    assert_found(&said, "there is no hash of the audit log in master.log");
    // Each look leaves its hash, so the next one has something.
    assert_whole(&verify(&fleet));
    let said = verify_with_log(&fleet);
    assert_whole(&said);
    assert!(said.out.contains("1 lines of the log compared"), "{said:?}");
    // A log of somebody else is none.
    fleet
        .folder
        .file("other.log", "audit 3\naudit 0 \nnothing\n");
    let said = fleet.run(&["audit", "--verify", "--log", "other.log"]);
    assert_found(&said, "there is no hash of the audit log in other.log");
    let said = fleet.run(&["audit", "--verify", "--log", "no.log"]);
    assert_found(&said, "cannot read no.log");
}

#[test]
fn a_log_that_was_cut_at_its_end_is_found() {
    let (fleet, older) = with_an_older_state();
    fs::copy(older, state(&fleet)).expect("files can be copied");
    fleet.start_master();
    // The chain alone cannot tell: what is left is whole.
    assert_whole(&verify(&fleet));
    assert_found(
        &verify_with_log(&fleet),
        "record 6, whose hash was logged, is missing",
    );
}

#[test]
fn a_log_whose_end_was_written_anew_is_found() {
    let (fleet, older) = with_an_older_state();
    fs::copy(older, state(&fleet)).expect("files can be copied");
    fleet.start_master();
    record(&fleet, &["eve", "mallory", "more", "records"]);
    assert_whole(&verify(&fleet));
    assert_found(
        &verify_with_log(&fleet),
        "record 6 is not the one whose hash was logged",
    );
}

#[test]
fn another_fleets_log_in_the_place_of_this_one_is_found() {
    let (fleet, _) = with_an_older_state();
    let (other, _) = with_an_older_state();
    fs::copy(state(&other), state(&fleet)).expect("files can be copied");
    fleet.start_master();
    assert_found(
        &verify_with_log(&fleet),
        "record 4 is not the one whose hash was logged",
    );
}

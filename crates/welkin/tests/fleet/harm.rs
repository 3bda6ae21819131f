//! What is broken, damaged, full or hostile: it is said, it harms nobody else, and nothing that runs stops
//! by it.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::processes::{is_alive, wait_until};

#[test]
fn a_release_that_does_not_start_is_rolled_back() {
    let fleet = Fleet::with_nodes(&["a", "b"], "ready = { timeout = \"3s\" }\n");
    let before = fleet.node("a")["release"].clone();
    let broken = fleet.game("broken", "' error 'no'; --");
    let said = fleet.run(&["update", "all", "--release", &broken, "--yes"]);
    assert_eq!(said.status, 5, "{said:?}");
    for node in ["a", "b"] {
        assert_eq!(fleet.wait_for_state(node, "ready")["release"], before);
    }
    assert_eq!(fleet.game_processes().len(), 2);
    // One that is no Lua is found before anything is stopped.
    let pid = fleet.pid("b");
    let nonsense = fleet.game("nonsense", "1");
    fs::write(fleet.path().join("nonsense/main.lua"), "this is no Lua").expect("files can be made");
    let said = fleet.run(&["update", "all", "--release", &nonsense, "--yes"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert_eq!(fleet.pid("b"), pid);
}

#[test]
fn a_binary_that_is_not_there_fails_with_its_name() {
    let fleet = Fleet::with_nodes(&["a"], "");
    fleet.must(&["stop", "a", "--yes"]);
    let file = fleet
        .folder
        .read("fleet.toml")
        .replace("welkin {config}", "no-such-program {config}");
    fleet.folder.file("fleet.toml", &file);
    fleet.must(&["apply", "fleet.toml"]);
    let said = fleet.run(&["start", "a"]);
    assert_eq!(said.status, 1, "{said:?}");
    let reason = fleet.wait_for_state("a", "failed")["reason"].to_string();
    assert!(
        reason.contains("exec") && reason.contains("no-such-program"),
        "{reason}"
    );
}

#[test]
fn a_node_that_ignores_its_drain_is_killed_and_that_is_said() {
    let settings =
        "stop = { drain = \"500ms\", kill = \"500ms\" }\nready = { after = \"100ms\" }\n";
    let fleet = Fleet::with_nodes(&["a"], settings);
    let game = fleet.game("stubborn", "1");
    let stubborn = "trap '' TERM INT\nwhile :; do sleep 1; done\n";
    fs::write(fleet.path().join("stubborn/stubborn.sh"), stubborn).expect("files can be made");
    let file = fleet.folder.read("fleet.toml");
    fleet.folder.file(
        "fleet.toml",
        &file.replace("welkin {config}", "sh stubborn.sh"),
    );
    fleet.must(&["apply", "fleet.toml"]);
    fleet.must(&["update", "all", "--release", &game, "--yes"]);
    let pid = fleet.pid("a");
    let said = fleet.run(&["stop", "a", "--yes"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.out.contains("killed after "), "{said:?}");
    assert!(!is_alive(pid));
    fleet.wait_for_state("a", "stopped");
}

#[test]
fn a_state_file_that_is_damaged_is_refused_and_nothing_stops() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let pid = fleet.pid("a");
    fleet.folder.file("passphrase", "a long passphrase");
    fleet.must(&["backup", "saved", "--passphrase-file", "passphrase"]);
    fleet.master_process().kill();
    let path = fleet.path().join("master/fleet.redb");
    let mut file = File::options()
        .write(true)
        .open(&path)
        .expect("it is there");
    file.seek(SeekFrom::Start(0)).expect("it is a file");
    file.write_all(&[0x5a; 8192]).expect("it can be written");
    drop(file);
    let said = fleet.run(&["master", "--dir", "master"]);
    assert_ne!(said.status, 0);
    let master = crate::support::output(fleet.path(), &["fleet", "master", "--dir", "master"]);
    assert!(master.0 != 0 && master.2.contains("restore"), "{master:?}");
    assert!(is_alive(pid));
    fs::rename(fleet.path().join("master"), fleet.path().join("damaged")).expect("a folder");
    let restored = crate::support::output(
        fleet.path(),
        &[
            "fleet",
            "restore",
            "saved",
            "--dir",
            "master",
            "--passphrase-file",
            "passphrase",
        ],
    );
    assert_eq!(restored.0, 0, "{restored:?}");
    fleet.start_master();
    fleet.wait_for_agent("m1");
    assert_eq!(fleet.wait_for_state("a", "ready")["pid"], pid);
}

#[test]
fn a_release_that_is_damaged_on_disk_is_never_unpacked() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let pid = fleet.pid("a");
    let releases = fleet.path().join("master/releases");
    let archive = fs::read_dir(&releases)
        .expect("they lie there")
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().ends_with(".tar.gz"));
    let archive = archive.expect("one was given").path();
    let mut bytes = fs::read(&archive).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&archive, bytes).expect("it can be written");
    fleet.start_agent("m2");
    let moved = fleet.folder.read("fleet.toml") + "[node.b]\nmachine = \"m2\"\n";
    fleet.folder.file("fleet.toml", &moved);
    fleet.must(&["apply", "fleet.toml"]);
    let id = fleet.node("a")["release"]
        .as_str()
        .expect("an id")
        .to_owned();
    let said = fleet.run(&["update", "b", "--release", &id, "--yes"]);
    assert_eq!(said.status, 1, "{said:?}");
    let unpacked = fs::read_dir(fleet.agent_dir("m2").join("releases"));
    let whole =
        unpacked.into_iter().flatten().flatten().filter(|entry| {
            entry.path().join("main.lua").exists() && entry.file_name().len() == 64
        });
    assert_eq!(whole.count(), 0);
    assert_eq!(fleet.pid("a"), pid);
}

#[test]
fn a_full_disk_refuses_changes_and_stops_nothing() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let pid = fleet.pid("a");
    fleet.master_process().kill();
    // No file may grow beyond its present size: what writes there gets an error, as on a full disk.
    let size = fleet
        .path()
        .join("master/fleet.redb")
        .metadata()
        .expect("it is there")
        .len();
    fleet.start_limited_master(size);
    fleet.wait_for_agent("m1");
    let secret = "s".repeat(256 << 10);
    fleet.folder.file("secret", &secret);
    let mut kept = Vec::new();
    let refused = loop {
        let name = format!("secret-{}", kept.len());
        let said = fleet.run(&["secret", "set", &name, "secret"]);
        if said.status != 0 {
            break said;
        }
        kept.push(name);
        assert!(kept.len() < 200, "the file is full at some time");
    };
    assert_eq!(refused.status, 1, "{refused:?}");
    assert_eq!(
        fleet.node("a")["pid"],
        pid,
        "figures go on: {}",
        fleet.logs()
    );
    assert!(is_alive(pid));
    fleet.master_process().kill();
    fleet.start_master();
    fleet.must(&["audit", "--verify"]);
    let listed = fleet.must(&["secret", "list"]).out;
    assert!(
        kept.iter().all(|name| listed.contains(name)),
        "{kept:?}: {listed}"
    );
    fleet.wait_for_agent("m1");
    assert_eq!(fleet.wait_for_state("a", "ready")["pid"], pid);
}

#[test]
fn garbage_at_the_agents_port_harms_nobody() {
    let fleet = Fleet::with_nodes(&["a"], "");
    fleet.start_far_agent("m2");
    let connect = || TcpStream::connect(("127.0.0.1", fleet.port)).expect("the master listens");
    // Slow ones, that say nothing or one byte.
    let slow: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    for stream in &slow {
        let _ = (&*stream).write_all(b"\x16");
    }
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 70_000],
        &[0; 70_000],
        b"\x16\x03\x01\xff\xff",
    ] {
        let mut stream = connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a limit above zero");
        let mut answer = Vec::new();
        // Closed, perhaps after a TLS alert.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 100, "{answer:?}");
    }
    let row = fleet.wait_for_state("a", "ready");
    assert!(row["pid"].is_u64());
    fleet.wait_for_agent("m2");
    drop(slow);
}

#[test]
fn an_agent_whose_certificate_is_revoked_is_out_and_its_nodes_go_on() {
    let fleet = Fleet::with_nodes(&[], "");
    fleet.start_far_agent("m2");
    fleet.folder.file(
        "fleet.toml",
        &(fleet.folder.read("fleet.toml") + "[node.b]\nmachine = \"m2\"\n"),
    );
    fleet.must(&["apply", "fleet.toml"]);
    let game = fleet.game("v1", "1");
    fleet.must(&["update", "b", "--release", &game, "--yes"]);
    fleet.must(&["start", "b"]);
    let pid = fleet.pid("b");
    fleet.must(&["revoke", "m2"]);
    fleet.wait_for_state("b", "unknown");
    // It has come back, and was refused.
    fleet.folder.wait_for("agent-m2.log", "revoked");
    assert!(is_alive(pid));
    assert_eq!(fleet.node("b")["state"], "unknown");
    // With a new token it is let in again, and finds its node.
    fleet.agent_process("m2").kill();
    fs::remove_dir_all(fleet.agent_dir("m2").join("identity")).expect("it lies there");
    fleet.start_far_agent("m2");
    assert_eq!(fleet.wait_for_state("b", "ready")["pid"], pid);
}

#[test]
fn two_commands_on_one_node_wait_or_are_busy() {
    let fleet = Fleet::with_nodes(&["a"], "");
    let (game, go) = fleet.gated_game("v2", "2");
    fleet.must(&["stop", "a", "--yes"]);
    fleet.must(&["update", "a", "--release", &game, "--yes"]);
    thread::scope(|scope| {
        // The first of them is at work until the test lets it go on.
        let many: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| fleet.run(&["--timeout", "120s", "restart", "a", "--yes"])))
            .collect();
        let busy = wait_for_busy(&fleet);
        fs::write(&go, "").expect("files can be made");
        assert!(busy.contains(" by "), "who is at work is named: {busy}");
        for one in many {
            let said = one.join().expect("it ends");
            assert_eq!(said.status, 0, "{said:?}");
        }
    });
    fleet.wait_for_state("a", "ready");
    assert_eq!(fleet.game_processes().len(), 1);
}

fn wait_for_busy(fleet: &Fleet) -> String {
    let mut text = String::new();
    wait_until("somebody is at work", || {
        let said = fleet.run(&["--or-busy", "drain", "a", "--off"]);
        text = format!("{}{}", said.out, said.err);
        text.contains("busy")
    });
    text
}

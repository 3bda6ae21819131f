//! A harbor network whose nodes die, lose their links, or ask for more than there is room for.

#[path = "harbor/mod.rs"]
mod harbor;
mod support;

use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use harbor::{
    Network, Peer, connect, free_port, hub_address, limited, number, package, read_package, text,
};
use support::{Node, root, signal};

fn last(lines: &[String]) -> &str {
    lines.last().expect("the line that was waited for")
}

#[test]
fn the_example_of_three_nodes_ends_when_all_have_met() {
    let child = Command::new("sh")
        .args(["examples/harbor/start.sh", env!("CARGO_BIN_EXE_welkin")])
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let output = child.wait_with_output().expect("it is our child");
    let out = String::from_utf8_lossy(&output.stdout);
    for line in [
        "BOB says: hello ALICE, here is BOB",
        "ALICE says: hello BOB, here is ALICE",
        "the board says: ALICE: I have met BOB",
        "node 2 has left",
        "node 3 has left",
        "4 notes in all",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
}

#[test]
fn a_killed_node_fails_those_who_wait_for_it_and_nobody_else() {
    let network = Network::new();
    let mut survivor = network.start(1, "survivor", "");
    survivor.wait_for("READY");
    let mut victim = network.start(2, "hub", "");
    hub_address(&mut victim);
    let mut other = network.start(3, "hub", "");
    hub_address(&mut other);
    survivor.wait_for("WAITING");
    signal(victim.id(), "KILL");
    survivor.wait_for("] FAILED 100");
    survivor.wait_for("] AGAIN call failed");
    survivor.wait_for("Drop message to HUB2 (in harbor 2)");
    survivor.wait_for("Drop message to harbor 2 from ");
    let lines = survivor.wait_for("] WRONG ");
    assert!(last(&lines).ends_with("] WRONG 0"), "{lines:?}");
}

/// Passes the slave's hello on with another address in it, then everything.
fn control_proxy(network: &Network, address: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let port = listener.local_addr().expect("it is bound").port();
    let master = network.master;
    thread::spawn(move || {
        let (slave, _) = listener.accept().expect("the slave comes");
        let (mut slave, mut up) = (limited(slave), connect(master));
        let hello = read_package(&mut slave);
        let hello = package(&[hello[..4].to_vec(), text(&address)]);
        up.write_all(&hello).expect("the master reads");
        let (mut from, mut to) = (up.try_clone().unwrap(), slave.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut slave, &mut up);
    });
    port
}

/// Passes `bytes` bytes on, in pieces of odd sizes, then cuts the connection.
fn cut_after(mut from: TcpStream, mut to: TcpStream, bytes: usize, mut seed: usize) {
    let mut left = bytes;
    let mut buffer = [0; 7000];
    while left > 0 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let room = (seed >> 33) % buffer.len() + 1;
        let Ok(count) = from.read(&mut buffer[..room.min(left)]) else {
            break;
        };
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        left -= count;
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Stands before the port of a node and cuts its first connection after so many bytes each way.
fn data_proxy(port: u16, there: usize, back: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = listener.local_addr().expect("it is bound").to_string();
    thread::spawn(move || {
        let (older, _) = listener.accept().expect("the older node connects");
        let (older, newer) = (limited(older), connect(port));
        let ways = (older.try_clone().unwrap(), newer.try_clone().unwrap());
        thread::spawn(move || cut_after(ways.1, ways.0, back, there));
        cut_after(older, newer, there, back);
    });
    address
}

#[test]
fn a_link_that_is_cut_anywhere_gives_right_answers_or_failures() {
    let never = usize::MAX;
    let somewhere = || 1_000 + RandomState::new().hash_one(0) as usize % 1_000_000;
    for (there, back) in [
        (1, never),
        (517, never),
        (never, 40_013),
        (300_001, never),
        (never, 2_000_003),
        (somewhere(), never),
        (never, somewhere()),
        (somewhere(), somewhere()),
    ] {
        let network = Network::new();
        let mut caller = network.start(1, "caller", "");
        caller.wait_for("READY");
        let port = free_port();
        let master = control_proxy(&network, data_proxy(port, there, back));
        let mut hub = network.start_at(2, "hub", master, port, "");
        if there > 100 {
            hub_address(&mut hub);
        }
        if there == 1 {
            // Only the id came: the hub's node waits for the name SERVICE, whose node it cannot reach.
            caller.wait_for("the link to harbor 2 is lost");
            continue;
        }
        let line = last(&caller.wait_for("CALLS ")).to_owned();
        println!("{there} {back}: {line}");
        assert!(line.ends_with(" wrong 0 failed 20"), "{line}");
        assert!(there < 1000 || !line.contains("right 0 "), "{line}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_everything_else_goes_on() {
    let network = Network::new();
    let mut node = network.start(1, "limits", "");
    node.wait_for("READY");
    let mut hub = network.start(2, "hub", "");
    hub_address(&mut hub);
    let lines = node.wait_for("SIZES").join("\n");
    assert!(
        lines.contains("was not sent: 16777203 bytes go to"),
        "{lines}"
    );
    let lines = node.wait_for("UNKNOWN NODE").join("\n");
    assert!(lines.contains("64 MB wait for harbor 9: what"), "{lines}");
    node.wait_for("UNKNOWN NAME");
    let mut peer = Peer::join(&network, 3);
    peer.greet();
    let lines = node.wait_for("PEER THAT DOES NOT READ").join("\n");
    assert!(lines.contains("harbor 3 reads too slowly"), "{lines}");
    // Its end frees those who wait for it.
    drop(peer);
    node.wait_for("the link to harbor 3 is lost");
}

#[test]
fn strangers_do_not_disturb_a_node_that_joins() {
    let network = Network::new();
    let listener = TcpListener::bind(("127.0.0.1", network.master)).unwrap();
    let port = free_port();
    let mut node = network.start_at(2, "hub", network.master, port, "");
    let (control, _) = listener.accept().unwrap();
    let mut control = limited(control);
    read_package(&mut control);
    let welcome = package(&[text("W"), number(2)]);
    control.write_all(&welcome).unwrap();
    node.wait_for("Waiting for 2 harbors");
    let silent = connect(port);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0",
        b"\x02",
        b"",
        b"\x16\x03\x01\x02\0\x01",
    ] {
        let mut stranger = connect(port);
        stranger.write_all(bytes).unwrap();
        stranger.shutdown(Shutdown::Write).unwrap();
        let _ = stranger.read_to_end(&mut Vec::new());
    }
    // One that is taken for harbor 5, and then breaks the rules.
    let mut liar = older(port, 5);
    liar.write_all(b"GET /").unwrap();
    node.wait_for("Message is too long from harbor 5");
    let links = [older(port, 1), older(port, 5)];
    node.wait_for("Shakehand ready");
    drop((silent, links));
}

/// A connection from an older node.
fn older(port: u16, id: u8) -> TcpStream {
    let mut stream = connect(port);
    stream.write_all(&[id]).unwrap();
    let mut said = [0];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(said, [2]);
    stream
}

fn start_until_ready(network: &Network, id: u8, program: &str) -> Node {
    let mut node = network.start(id, program, "welkin_harbor_rejoin = true");
    node.wait_for("READY");
    node
}

#[test]
fn with_rejoin_a_node_comes_back_under_its_id() {
    let network = Network::new();
    let mut master = start_until_ready(&network, 1, "hub");
    let first = start_until_ready(&network, 2, "hub");
    let mut caller = start_until_ready(&network, 3, "rejoin");
    caller.wait_for("CALLS SUCCEED");
    drop(first);
    caller.wait_for("CALLS FAIL");
    master.wait_for("slave 2 is down");
    let _second = start_until_ready(&network, 2, "hub");
    caller.wait_for("CALLS SUCCEED");
}

#[test]
fn with_rejoin_nodes_find_a_master_that_was_started_again() {
    let network = Network::new();
    let master = start_until_ready(&network, 1, "hub");
    let mut hub = start_until_ready(&network, 2, "hub");
    let mut caller = start_until_ready(&network, 3, "rejoin");
    caller.wait_for("CALLS SUCCEED");
    drop(master);
    hub.wait_for("Master disconnect");
    caller.wait_for("Master disconnect");
    let mut master = start_until_ready(&network, 1, "hub");
    caller.wait_for("Master found again");
    hub.wait_for("Master found again");
    master.wait_for("Connect to harbor 2");
    // A third one learns of the names that were there before, by the master.
    let mut late = start_until_ready(&network, 4, "rejoin");
    late.wait_for("CALLS SUCCEED");
}

#[test]
fn without_a_master_a_node_ends_and_says_why() {
    let network = Network::new();
    let mut node = network.start(2, "hub", "");
    let (status, lines) = node.finish();
    let lines = lines.join("\n");
    assert!(lines.contains("Can't connect to master"), "{lines}");
    assert_eq!(status.code(), Some(0), "as skynet does it");
}

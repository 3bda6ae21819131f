//! A node that runs out of descriptors: who comes too many is turned away at once, the others are
//! served, and when there are descriptors again everybody is.

mod attack;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use attack::{Framing, Server, connect, echo};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Sets how many descriptors the node may have; what it was before.
fn limit(server: &Server, descriptors: Option<u64>) -> Option<u64> {
    let pid = i32::try_from(server.node.id()).ok().and_then(Pid::from_raw);
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: descriptors,
        maximum: hard,
    };
    prlimit(pid, Resource::Nofile, wanted)
        .expect("our child, and no more than there was")
        .current
}

/// Whether the node answers; false: it has ended the connection.
fn is_served(stream: &mut TcpStream) -> bool {
    let mut back = [0; 2];
    stream.write_all(b"?\n").is_ok() && stream.read_exact(&mut back).is_ok()
}

#[test]
fn who_comes_too_many_is_turned_away_and_the_rest_is_served() {
    const FREE: usize = 20;
    const PEERS: usize = 200;
    let mut server = Server::start();
    let idle = server.descriptors();
    limit(&server, Some((idle + FREE) as u64));
    let cpu = server.cpu_ticks();
    let port = server.port("lines");
    let mut peers: Vec<_> = (0..PEERS).map(|_| connect(port)).collect();
    peers.retain_mut(is_served);
    println!(
        "{} of {PEERS} served, CPU {} ms",
        peers.len(),
        (server.cpu_ticks() - cpu) * 10
    );
    // Numbers below the limit may have been free besides.
    assert!(
        (1..PEERS / 2).contains(&peers.len()),
        "{} are served",
        peers.len()
    );
    drop(peers);
    server.await_descriptors(idle);
    echo(&mut connect(port), Framing::Line, b"later");
    let line = "accept error: Too many open files";
    server.node.wait_for(line);
    server.node.signal("TERM");
    let (_, lines) = server.node.finish();
    let told = lines.iter().filter(|l| l.contains(line)).count() + 1;
    // Each that was turned away was told of once: the node did not run in circles.
    assert!(told <= PEERS, "{told} lines about {PEERS} connections");
}

#[test]
fn with_no_descriptor_at_all_connections_wait_until_there_are_some() {
    const ECHOES: usize = 300;
    let server = Server::start();
    let port = server.port("lines");
    let mut before = connect(port);
    echo(&mut before, Framing::Line, b"early");
    // Less than there are already: not even the reserve can be opened again.
    let usual = limit(&server, Some(3));
    let cpu = server.cpu_ticks();
    let mut waiting: Vec<_> = (0..10).map(|_| connect(port)).collect();
    for _ in 0..ECHOES {
        echo(&mut before, Framing::Line, b"who is in is served");
    }
    println!(
        "CPU {} ms for {ECHOES} echoes",
        (server.cpu_ticks() - cpu) * 10
    );
    limit(&server, usual);
    for stream in &mut waiting {
        echo(stream, Framing::Line, b"at last");
    }
}

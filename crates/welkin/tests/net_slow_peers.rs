//! Peers that write a byte at a time, that never read what they asked for, and that write without end
//! and read nothing. Others are served meanwhile, nothing is lost of what is still wanted, and the
//! memory of what is not comes back.

mod attack;
mod support;

use std::io::{ErrorKind, Read, Write};

use std::thread;
use std::time::Duration;

use attack::{ECHOES, Framing, Good, Server, connect, echo, reset, wait_until};

/// The pace of a slow writer.
const BETWEEN_BYTES: Duration = Duration::from_secs(1);
/// Rounds after the one that warms the node up.
const ROUNDS: usize = 3;
/// What the listener `flood` answers a byte with, in bytes.
const ANSWER_BYTES: u64 = 64 << 20;

#[test]
fn hundreds_of_messages_that_come_a_byte_a_second_all_arrive() {
    const PEERS_EACH: usize = 500_usize.div_ceil(ECHOES.len());
    let server = Server::start();
    let idle = server.descriptors();
    let good = Good::start(server.port("lines"), Framing::Line);
    let mut peers: Vec<_> = ECHOES
        .iter()
        .flat_map(|&(kind, framing)| (0..PEERS_EACH).map(move |number| (kind, framing, number)))
        .map(|(kind, framing, number)| {
            let message = framing.message(format!("slow {number:02}").as_bytes());
            (connect(server.port(kind)), message)
        })
        .collect();
    for at in 0.. {
        thread::sleep(BETWEEN_BYTES);
        let mut sent = 0;
        for (stream, message) in &mut peers {
            sent += stream
                .write(message.get(at..=at).unwrap_or_default())
                .expect("the node reads");
        }
        if sent == 0 {
            break;
        }
    }
    for (stream, message) in &mut peers {
        let mut back = vec![0; message.len()];
        stream.read_exact(&mut back).expect("the node answers");
        assert_eq!(back, *message);
    }
    drop(peers);
    good.finish("lines");
    server.await_descriptors(idle);
}

#[test]
fn what_a_peer_never_reads_is_freed_when_it_leaves() {
    const PEERS: u64 = 3;
    let server = Server::start();
    let (idle, memory) = (server.descriptors(), server.resident());
    let good = Good::start(server.port("lines"), Framing::Line);
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        let mut stream = connect(server.port("flood"));
        stream.write_all(b"?").expect("the node reads");
        peers.push(stream);
    }
    // All but what the system's own buffers take.
    let waiting = PEERS * ANSWER_BYTES * 3 / 4;
    wait_until(
        || server.resident() >= memory + waiting,
        || format!("{} bytes resident", server.resident()),
    );
    let mut late = peers.pop().expect("there are several");
    let read = std::io::copy(
        &mut Read::by_ref(&mut late).take(ANSWER_BYTES),
        &mut std::io::sink(),
    );
    assert_eq!(read.expect("the node sends"), ANSWER_BYTES);
    drop(late);
    peers.into_iter().for_each(reset);
    good.finish("lines");
    server.await_descriptors(idle);
    server.await_memory(memory);
}

#[test]
fn peers_that_only_write_are_served_and_leave_nothing() {
    let server = Server::start();
    let idle = server.descriptors();
    let good = Good::start(server.port("frames"), Framing::Short);
    // Heaps grow to what the first round needs; this is looked at when it has come to rest.
    only_write(&server);
    let memory = server.resident_at_rest();
    for _ in 0..ROUNDS {
        only_write(&server);
        server.await_memory(memory);
    }
    good.finish("frames");
    server.await_descriptors(idle);
}

fn only_write(server: &Server) {
    const BYTES_EACH: usize = 16 << 20;
    for (kind, framing) in ECHOES {
        let mut stream = connect(server.port(kind));
        let block = framing.message(&[b'x'; 1000]).repeat(1000);
        let mut sent = 0;
        while sent < BYTES_EACH {
            stream.write_all(&block).expect("the node reads");
            sent += block.len();
        }
        reset(stream);
        echo(&mut connect(server.port(kind)), framing, b"another one");
    }
}

#[test]
fn a_line_without_an_end_is_cut_off_at_the_limit() {
    let server = Server::start();
    let idle = server.descriptors();
    let mut stream = connect(server.port("lines"));
    let failure = loop {
        if let Err(error) = stream.write_all(&[b'x'; 4096]) {
            break error.kind();
        }
    };
    assert!(
        matches!(failure, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{failure}"
    );
    server.await_descriptors(idle);
}

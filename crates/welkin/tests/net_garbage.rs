//! Peers that send what they like and end as they like, by the thousand, on every kind of listener.
//! Afterwards the node has the descriptors and the memory it had before, and all the while a peer that
//! keeps the rules is served.

mod attack;
mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use attack::{ECHOES, Framing, Good, Numbers, OTHERS, Server, connect, echo, reset, seed};

const PEERS_AT_ONCE: u64 = 4;
/// Connections of one such peer to one kind of listener in one wave.
const CONNECTIONS: usize = 300;
/// Waves after the one that warms the node up; all are held to what was before the first of them.
const WAVES: u64 = 3;
const GARBAGE_BYTES_MAX: usize = 3000;

#[test]
fn whatever_strangers_send_nothing_is_left_behind() {
    let seed = seed();
    let server = Server::start();
    let idle = server.descriptors();
    // What is kept for good (buffers, tables, stacks, pools of coroutines) is made by the first wave.
    wave(&server, seed, 0);
    server.await_descriptors(idle);
    let memory = server.resident_at_rest();
    let good: Vec<_> = ECHOES
        .iter()
        .map(|&(kind, framing)| (kind, Good::start(server.port(kind), framing)))
        .collect();
    for number in 1..=WAVES {
        wave(&server, seed, number);
        // The good ones stay connected.
        server.await_descriptors(idle + ECHOES.len());
        server.await_memory(memory);
    }
    for (kind, good) in good {
        good.finish(kind);
    }
    server.await_descriptors(idle);
}

/// Waves of different numbers have strangers that do different things.
fn wave(server: &Server, seed: u64, number: u64) {
    let first = number * PEERS_AT_ONCE;
    let listeners: Vec<_> = [(&ECHOES[..], true), (&OTHERS[..], false)]
        .iter()
        .flat_map(|&(kinds, echoes)| {
            kinds
                .iter()
                .map(move |&(kind, framing)| (kind, framing, echoes))
        })
        .map(|(kind, framing, echoes)| Listener {
            port: server.port(kind),
            framing,
            echoes,
        })
        .collect();
    let listeners = &listeners;
    thread::scope(|scope| {
        for peer in first..first + PEERS_AT_ONCE {
            let mut numbers = Numbers::new(seed, peer);
            scope.spawn(move || {
                for _ in 0..CONNECTIONS {
                    for listener in listeners {
                        stranger(listener, &mut numbers);
                    }
                }
            });
        }
    });
}

struct Listener {
    port: u16,
    framing: Framing,
    /// A good message comes back.
    echoes: bool,
}

/// One connection. The node may end it at any time, so anything may fail on this side.
fn stranger(listener: &Listener, numbers: &mut Numbers) {
    let framing = listener.framing;
    let mut stream = connect(listener.port);
    if listener.echoes && numbers.below(3) == 0 {
        echo(&mut stream, framing, b"a good beginning");
    }
    let _ = match numbers.below(5) {
        0 => {
            let count = numbers.below(GARBAGE_BYTES_MAX);
            stream.write_all(&numbers.bytes(count))
        }
        1 => cut(&mut stream, framing, numbers),
        2 => lie(&mut stream, framing, numbers),
        3 => in_pieces(&mut stream, framing, numbers),
        _ => Ok(()),
    };
    end(stream, listener.echoes, numbers);
}

/// A good message without its end.
fn cut(stream: &mut TcpStream, framing: Framing, numbers: &mut Numbers) -> std::io::Result<()> {
    let count = numbers.below(GARBAGE_BYTES_MAX);
    let message = framing.message(&numbers.bytes(count));
    let there = numbers.below(message.len());
    stream.write_all(&message[..there])
}

/// A length without the bytes.
fn lie(stream: &mut TcpStream, framing: Framing, numbers: &mut Numbers) -> std::io::Result<()> {
    let head = match framing {
        Framing::Line => vec![b'x'; 100],
        Framing::Short => vec![0xff, 0xff],
        Framing::Long => match numbers.below(3) {
            0 => vec![0xff; 4],
            1 => vec![0x00, 0xff, 0xff, 0xff],
            _ => vec![0x7f, 0xff, 0xff, 0xff],
        },
    };
    stream.write_all(&head)?;
    let few = numbers.below(100);
    stream.write_all(&numbers.bytes(few))
}

/// A good message, byte by byte, and some more of it.
fn in_pieces(
    stream: &mut TcpStream,
    framing: Framing,
    numbers: &mut Numbers,
) -> std::io::Result<()> {
    let message = framing.message(b"in pieces");
    for byte in message {
        stream.write_all(&[byte])?;
    }
    let count = numbers.below(20);
    stream.write_all(&numbers.bytes(count))
}

fn end(mut stream: TcpStream, ends_too: bool, numbers: &mut Numbers) {
    match numbers.below(4) {
        0 => drop(stream),
        1 => reset(stream),
        2 if ends_too => {
            let _ = stream.shutdown(Shutdown::Write);
            let ended = stream.read_to_end(&mut Vec::new());
            let kind = ended.map_or_else(|error| error.kind(), |_| ErrorKind::UnexpectedEof);
            assert!(kind != ErrorKind::WouldBlock, "the node has not ended it");
        }
        _ => {
            let _ = stream.shutdown(Shutdown::Write);
            reset(stream);
        }
    }
}

//! Whatever comes to the port of a node, nothing of it stays, and a peer that keeps the rules is served
//! meanwhile.

mod attack;
mod cluster;
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use attack::{Numbers, connect, reset, seed};
use cluster::{Peer, echo, frame, request};

const STRANGERS_AT_ONCE: u64 = 4;
const WARM_UP: usize = 40;
const ATTACK: usize = 300;

#[test]
fn whatever_strangers_send_nothing_is_left_behind() {
    let seed = seed();
    let far = Peer::far(0, "");
    let idle = far.descriptors();
    wave(far.port, seed, 0, WARM_UP);
    far.await_idle(idle, far.memory("VmRSS"));
    let memory = far.memory("VmRSS");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let good = scope.spawn(|| {
            let mut stream = connect(far.port);
            let mut session = 1;
            while !over.load(Ordering::Relaxed) {
                echo(&mut stream, session);
                session += 1;
            }
        });
        wave(far.port, seed, STRANGERS_AT_ONCE, ATTACK);
        over.store(true, Ordering::Relaxed);
        good.join().expect("the good peer is served");
    });
    far.await_idle(idle, memory);
}

fn wave(port: u16, seed: u64, first: u64, connections: usize) {
    thread::scope(|scope| {
        for stranger in first..first + STRANGERS_AT_ONCE {
            let mut numbers = Numbers::new(seed, stranger);
            scope.spawn(move || {
                for _ in 0..connections {
                    visit(port, &mut numbers);
                }
            });
        }
    });
}

/// One connection. The node may end it at any time, so anything may fail on this side.
fn visit(port: u16, numbers: &mut Numbers) {
    let mut stream = connect(port);
    let bytes = speech(numbers);
    if numbers.below(4) == 0 {
        // Slowly, as far as the system lets it.
        for byte in bytes.iter().take(300) {
            let _ = stream.write_all(&[*byte]);
        }
    } else {
        let _ = stream.write_all(&bytes);
    }
    match numbers.below(3) {
        0 => drop(stream),
        1 => reset(stream),
        _ => {
            let _ = stream.shutdown(Shutdown::Write);
            drain(&mut stream);
        }
    }
}

fn drain(stream: &mut TcpStream) {
    let mut room = [0; 4096];
    while matches!(stream.read(&mut room), Ok(1..)) {}
}

/// What a stranger says.
fn speech(numbers: &mut Numbers) -> Vec<u8> {
    let size = numbers.below(3000);
    let noise = numbers.bytes(size);
    let session = numbers.below(5) as u32;
    let begin = |size: u32| {
        let numbers = [[7, 0, 0, 0], session.to_le_bytes(), size.to_le_bytes()].concat();
        frame(&[&b"\x01"[..], &numbers].concat())
    };
    let part = |last: bool, bytes: &[u8]| {
        let kind = if last { 3 } else { 2 };
        frame(&[&[kind], &session.to_le_bytes()[..], bytes].concat())
    };
    match numbers.below(9) {
        0 => noise,
        1 => b"GET / HTTP/1.1\r\nHost: example\r\n\r\n".to_vec(),
        // Frames that say nothing, one in the other.
        2 => frame(&frame(&frame(&noise))),
        3 => noise.chunks(50).flat_map(frame).collect(),
        // Sizes that nobody can have, and begins without end.
        4 => [begin(u32::MAX), part(false, &noise), begin(u32::MAX)].concat(),
        5 => (0..2000_u32)
            .flat_map(|n| {
                let numbers = [[7, 0, 0, 0], n.to_le_bytes(), [255; 4]].concat();
                frame(&[&b"\xc1\x01x"[..], &numbers[4..]].concat())
            })
            .collect(),
        6 => [
            part(false, &noise),
            part(true, &noise),
            begin(3),
            part(true, &noise),
        ]
        .concat(),
        // A frame that is announced and does not come.
        7 => [&b"\xff\xff"[..], &noise].concat(),
        _ => {
            let whole = request(session, "echo", b"\x0c?");
            let cut = numbers.below(whole.len());
            [&whole[..], &whole[..cut]].concat()
        }
    }
}

/// A peer that asks for much and takes nothing loses its connection, and only that.
#[test]
fn answers_for_a_peer_that_does_not_read_are_bounded() {
    let mut far = Peer::far(0, "welkin_cluster_queue_max_mb = 8");
    let idle = far.descriptors();
    let memory = far.memory("VmRSS");
    let mut greedy = connect(far.port);
    // A megabyte each, as a packed number of four bytes.
    for session in 1..=200 {
        let size = [&b"\x22"[..], &1_000_000_u32.to_le_bytes()].concat();
        greedy
            .write_all(&request(session, "make", &size))
            .expect("the node reads");
    }
    far.node.wait_for("the peer does not read its answers");
    let mut good = connect(far.port);
    echo(&mut good, 1);
    drop(good);
    drop(greedy);
    assert!(far.memory("VmHWM") < memory + (400 << 20));
    far.await_idle(idle, memory);
}

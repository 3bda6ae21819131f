//! Nodes that are called and do what they should not: every call ends, with its own answer or with an
//! error, and calls to another node notice nothing.

mod attack;
mod cluster;
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use attack::{Numbers, connect, seed};
use cluster::{Caller, Peer, frame};

/// A listener in the place of a node; `talk` gets each connection.
fn in_place_of_a_node(mut talk: impl FnMut(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            talk(stream.expect("a connection"));
        }
    });
    address
}

/// The body of the next frame.
fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

#[test]
fn a_node_killed_in_the_middle_of_100_calls_fails_them_and_is_found_when_it_is_back() {
    let near = Peer::far(0, "");
    let far = Peer::far(0, "");
    let mut caller = Caller::start(&far.address(), &near.address(), "");
    assert_eq!(caller.ask("calls 10"), "ok=10 nothing=0 failed=0 wrong=0");
    let idle = caller.peer.descriptors();
    caller.ask("hold 100");
    far.node.signal("KILL");
    assert_eq!(caller.ask("held"), "failed=100");
    assert!(caller.ask("calls 3").contains("failed=3"));
    let port = far.port;
    drop(far);
    let _again = Peer::far(port, "");
    assert_eq!(caller.ask("calls 10"), "ok=10 nothing=0 failed=0 wrong=0");
    assert!(caller.peer.descriptors() <= idle);
    caller.check_near();
}

#[test]
fn a_peer_that_accepts_and_never_answers_holds_up_nobody_else() {
    let near = Peer::far(0, "");
    let (sender, accepted) = std::sync::mpsc::channel();
    let silent = in_place_of_a_node(move |stream| sender.send(stream).expect("the test runs"));
    let mut caller = Caller::start(&silent, &near.address(), "");
    caller.ask("hold 100");
    let mut stream = accepted.recv().expect("the caller connects");
    for _ in 0..100 {
        read_frame(&mut stream).expect("each call is sent");
    }
    caller.check_near();
    drop(stream);
    assert_eq!(caller.ask("held"), "failed=100");
}

#[test]
fn a_peer_that_stops_reading_costs_no_more_than_the_limit() {
    let near = Peer::far(0, "");
    let (sender, accepted) = std::sync::mpsc::channel();
    let full = in_place_of_a_node(move |stream| sender.send(stream).expect("the test runs"));
    let config = "welkin_cluster_queue_max_mb = 4";
    let mut caller = Caller::start(&full, &near.address(), config);
    caller.tell("flood 300");
    let stream = accepted.recv().expect("the caller connects");
    assert_eq!(caller.answer(), "flooded failed");
    assert!(caller.peer.memory("VmHWM") < 100 << 20);
    caller.check_near();
    // It is another one now, and reads.
    drop(stream);
    let far = Peer::far(0, "");
    caller.ask(&format!("address {}", far.address()));
    assert_eq!(caller.ask("calls 3"), "ok=3 nothing=0 failed=0 wrong=0");
}

/// One answer of a peer that lies, never what was asked for; and whether it is an answer at all, behind
/// which the connection can go on.
fn lie(session: u32, numbers: &mut Numbers) -> (Vec<u8>, bool) {
    let size = numbers.below(300);
    let noise = numbers.bytes(size);
    let of = |session: u32, kind: u8, bytes: &[u8]| {
        frame(&[&session.to_le_bytes()[..], &[kind], bytes].concat())
    };
    let kind = numbers.below(9);
    let bytes = match kind {
        0 => noise,
        1 => frame(b""),
        2 => frame(b"abcd"),
        3 => of(session, 9, &noise),
        4 => of(session, 2, b"\xff\xff"),
        5 => of(session + 77, 1, &noise),
        // Announced are two gigabytes; then less, and the end.
        6 => [
            of(session, 2, b"\0\0\0\x80"),
            of(session, 3, &noise),
            of(session, 4, b""),
        ]
        .concat(),
        7 => of(session, 0, &noise),
        _ => {
            let whole = of(session, 1, b"\x0a\x01");
            whole[..1 + numbers.below(whole.len() - 1)].to_vec()
        }
    };
    (bytes, (5..8).contains(&kind))
}

#[test]
fn a_peer_that_lies_gets_nobody_to_believe_it() {
    let mut numbers = Numbers::new(seed(), 0);
    let near = Peer::far(0, "");
    let liar = in_place_of_a_node(move |mut stream| {
        while let Some(body) = read_frame(&mut stream) {
            // A request by name: 80, length, `@echo`, session.
            let session = body[7..11].try_into().map_or(0, u32::from_le_bytes);
            let (bytes, goes_on) = lie(session, &mut numbers);
            if stream.write_all(&bytes).is_err() || !goes_on {
                break;
            }
            // An answer to somebody else would be waited behind.
            let last = frame(&[&session.to_le_bytes()[..], b"\0that was none"].concat());
            if stream.write_all(&last).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    });
    let mut caller = Caller::start(&liar, &near.address(), "");
    caller.ask("calls 100");
    let (idle, memory) = (caller.peer.descriptors(), caller.peer.memory("VmRSS"));
    for _ in 0..10 {
        let answer = caller.ask("calls 100");
        assert!(
            answer.starts_with("ok=0 ") && answer.ends_with(" wrong=0"),
            "{answer}"
        );
    }
    caller.check_near();
    // One more: the last connection may still stand.
    caller.peer.await_idle(idle + 1, memory);
}

/// Passes bytes on, a random number of them, then cuts both ways.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut left: usize) {
    let mut room = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut room) {
        let count = count.min(left);
        left -= count;
        if to.write_all(&room[..count]).is_err() || left == 0 {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn connections_cut_at_random_bytes_give_no_call_the_answer_of_another() {
    let mut numbers = Numbers::new(seed(), 0);
    let near = Peer::far(0, "");
    let far = Peer::far(0, "");
    let port = far.port;
    let cutter = in_place_of_a_node(move |stream| {
        let onward = connect(port);
        let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        let (there, back) = ((copy(&stream), copy(&onward)), (onward, stream));
        let limits = [numbers.below(60_000), numbers.below(60_000)];
        thread::spawn(move || pass_on(there.0, there.1, limits[0] + 1));
        thread::spawn(move || pass_on(back.0, back.1, limits[1] + 1));
    });
    let mut caller = Caller::start(&cutter, &near.address(), "");
    let answer = caller.ask("numbers 5000");
    println!("{answer}");
    assert!(
        answer.ends_with(" wrong=0") && answer.contains(" nothing=0 "),
        "{answer}"
    );
    assert!(!answer.starts_with("ok=0 "), "{answer}");
    assert!(!answer.contains("failed=0 "), "{answer}");
    caller.check_near();
    caller.ask(&format!("address {}", far.address()));
    assert_eq!(caller.ask("calls 10"), "ok=10 nothing=0 failed=0 wrong=0");
}

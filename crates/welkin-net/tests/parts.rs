//! Large messages in parts: whole, in order, open to what is more urgent, and let go.

mod bench;

use std::io::Read;
use std::sync::Arc;

use bench::{Bench, pattern, reset};
use welkin_net::{Priority, event};
use welkin_runtime::Payload;

const PART: usize = 10_000;
/// More than the system takes.
const BYTES: usize = 16 << 20;

/// A head for each part: its number.
fn heads(bytes: usize) -> Vec<Payload> {
    let numbers = 0..bytes.div_ceil(PART) as u32;
    let head = |number: u32| Payload::copy_from(&number.to_be_bytes());
    numbers.map(head).collect()
}

fn expected(bytes: &[u8]) -> Vec<u8> {
    let numbered = bytes.chunks(PART).zip(0_u32..);
    let part = |(part, number): (&[u8], u32)| [&number.to_be_bytes(), part].concat();
    numbered.flat_map(part).collect()
}

#[test]
fn parts_arrive_behind_their_heads_and_the_message_is_let_go() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let bytes = pattern(BYTES + 7);
    let message = Arc::new(Payload::copy_from(&[b"before", &bytes[..]].concat()));
    bench
        .net
        .send_parts(&bench.node, id, heads(bytes.len()), &message, 6, PART);
    bench.expect(event::WARNING, id);
    let whole = expected(&bytes);
    let mut come = vec![0; whole.len()];
    peer.read_exact(&mut come).unwrap();
    assert!(come == whole);
    assert_eq!(bench.expect(event::WARNING, id).ud, 0);
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn what_is_urgent_goes_between_two_parts() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let bytes = vec![7; BYTES];
    let message = Arc::new(Payload::copy_from(&bytes));
    bench
        .net
        .send_parts(&bench.node, id, heads(BYTES), &message, 0, PART);
    let urgent = b"urgent";
    assert!(
        bench
            .net
            .send_bytes(&bench.node, id, urgent, Priority::High)
    );
    let whole = expected(&bytes);
    let mut come = vec![0; whole.len() + urgent.len()];
    peer.read_exact(&mut come).unwrap();
    let at = come.windows(urgent.len()).position(|bytes| bytes == urgent);
    let at = at.expect("the urgent bytes");
    assert_eq!(at % (PART + 4), 0, "between two parts");
    assert!(at < whole.len(), "before the last part");
    come.drain(at..at + urgent.len());
    assert!(come == whole);
}

#[test]
fn a_peer_that_leaves_costs_nothing() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connected();
    let message = Arc::new(Payload::copy_from(&vec![7; BYTES]));
    let net = bench.net.clone();
    net.send_parts(&bench.node, id, heads(BYTES), &message, 0, PART);
    reset(peer);
    while bench.next(id).kind != event::CLOSE {}
    net.send_parts(&bench.node, id, heads(BYTES), &message, 0, PART);
    assert_eq!(Arc::strong_count(&message), 1);
    net.send_parts(&bench.node, 12345, heads(BYTES), &message, 0, PART);
    assert_eq!(Arc::strong_count(&message), 1);
}

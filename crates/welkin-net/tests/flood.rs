//! A peer that sends faster than the owner of its socket reads.

mod bench;

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::{Bench, pattern};
use welkin_net::event;
use welkin_runtime::{Context, Flow, LaunchError, Message, Module, NewService, Service, kind};

/// More than the system's buffers of a connection take, and more than an owner is handed unread.
const FLOOD_BYTES_MAX: usize = 256 << 20;

/// Handles an event for each token it is given, and all without when there are no more tokens to come.
struct Slow {
    tokens: Receiver<()>,
    read: Sender<Vec<u8>>,
}

impl Service for Slow {
    fn handle(&mut self, _: &Context<'_>, message: Message) -> Flow {
        let event = event::decode(message.payload.as_bytes());
        if message.kind == kind::SOCKET && event.is_some_and(|event| event.kind == event::DATA) {
            let _ = self.tokens.recv();
            // The test may be over.
            let _ = self.read.send(event::data(&message.payload).to_vec());
        }
        Flow::Done
    }
}

struct Maker(Mutex<Option<Slow>>);

impl Module for Maker {
    fn create(&self, _: &Context<'_>, _: &[u8]) -> Result<NewService, LaunchError> {
        let service = self.0.lock().unwrap().take().ok_or(LaunchError::Failed)?;
        Ok(NewService {
            service: Box::new(service),
            control: None,
        })
    }
}

/// Sends the pattern again and again until nobody takes it for a while; how many bytes were taken.
fn flood(peer: &mut TcpStream, pattern: &[u8]) -> usize {
    let stalled = Some(Duration::from_millis(300));
    peer.set_write_timeout(stalled).unwrap();
    let mut sent = 0;
    while sent < FLOOD_BYTES_MAX {
        match peer.write(&pattern[sent % pattern.len()..]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    sent
}

#[test]
fn a_flood_waits_outside_while_the_owner_is_behind_and_then_comes_in_order() {
    let mut bench = Bench::new();
    let (token, tokens) = channel();
    let (read, heard) = channel();
    let maker = Maker(Mutex::new(Some(Slow { tokens, read })));
    bench.node.register_module("slow", Arc::new(maker));
    let slow = bench.node.launch(b"slow", b"").unwrap();
    let (listener, port) = bench.listener();
    let (id, mut peer) = bench.accepted(listener, port);
    bench.net.start(&bench.node, slow, id);
    let pattern = pattern(251 * 1000);
    let sent = flood(&mut peer, &pattern);
    assert!(
        sent < FLOOD_BYTES_MAX,
        "all {sent} bytes were read into memory"
    );
    let waiting = bench.node.slot(slow).unwrap().mailbox_len();
    assert!(waiting < 200, "{waiting} messages wait");
    // Others are served meanwhile.
    let (other, mut quick) = bench.accepted(listener, port);
    quick.write_all(b"hello").unwrap();
    assert_eq!(bench.expect(event::DATA, other).data, b"hello");
    drop(token);
    let mut arrived = 0;
    while arrived < sent {
        let part = heard.recv_timeout(Duration::from_secs(60)).unwrap();
        for byte in part {
            assert_eq!(byte, pattern[arrived % pattern.len()]);
            arrived += 1;
        }
    }
    assert_eq!(arrived, sent);
}

//! Peers of a harbor network, and strangers at its ports, that send what they like and end as they
//! like. Afterwards the node has the descriptors and the memory it had before, and all the while a peer
//! that keeps the rules is served.

#[path = "harbor/mod.rs"]
mod harbor;
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use harbor::{
    Network, Peer, await_idle, connect, descriptors, frame, hub_address, number, package, resident,
    text,
};
use support::Node;

/// Ids of hostile peers; each can be used once.
const HOSTILE: std::ops::Range<u8> = 10..127;

struct Scene {
    network: Network,
    node: Node,
    hub: u32,
    good: Peer,
    session: u32,
}

impl Scene {
    fn new() -> Self {
        let network = Network::new();
        let mut node = network.start(1, "hub", "welkin_mailbox_max = 100000");
        let hub = hub_address(&mut node);
        let mut good = Peer::join(&network, 2);
        good.greet();
        let mut scene = Self {
            network,
            node,
            hub,
            good,
            session: 0,
        };
        scene.check();
        scene
    }

    /// The good peer is served.
    fn check(&mut self) {
        self.session += 1;
        self.good.echo(self.hub, self.session);
    }

    fn state(&self) -> (usize, u64) {
        (descriptors(&self.node), resident(&self.node))
    }
}

/// Waits until the node has closed the connection.
fn await_end(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// What a peer sends on its link, where its id should come first or has come, and how it goes on.
fn misbehave(kind: u8, peer: &mut Peer, hub: u32) {
    let source = peer.source();
    let whole = frame(&text("x"), source, 10, hub, 7);
    match kind {
        0 => drop(peer.link.write_all(&[peer.id + 1])),
        1 => drop(peer.link.write_all(b"\xff\xff\xff\xff garbage")),
        2 => {
            // Announces the most and sends little.
            peer.greet();
            drop(peer.link.write_all(&[0, 0xff, 0xff, 0xff, 1, 2, 3]));
        }
        3 => {
            peer.greet();
            drop(peer.link.write_all(&[1, 0, 0, 0]));
        }
        4 => {
            // Too short for a trailer.
            peer.greet();
            drop(peer.link.write_all(&[0, 0, 0, 11]));
            drop(peer.link.write_all(&whole));
        }
        5 => {
            peer.greet();
            drop(peer.link.write_all(&whole[..whole.len() - 1]));
        }
        6 => {
            // Nobody, of all kinds, with lies about who sends; who is named would get an answer, so
            // the good peer is not.
            peer.greet();
            for kind in 0..=255 {
                let liar = u32::from(kind | 4) << 24 | 0x42;
                drop(
                    peer.link
                        .write_all(&frame(b"\x01\x02", liar, kind, 0x00ff_ff00, 9)),
                );
            }
        }
        7 => {
            // Somebody, of all kinds, with packed values that are none.
            peer.greet();
            for kind in 0..=255 {
                for to in [1, 4, 5, 6, hub] {
                    let noise = [0xff, kind, 0x16, 0xfe, 0x2e];
                    drop(
                        peer.link
                            .write_all(&frame(&noise, source, kind, to, u32::MAX)),
                    );
                }
            }
        }
        8 => {
            // Byte by byte, and asks for an answer that it never reads.
            peer.greet();
            let body = [text("make"), vec![0x22, 0, 0, 0x40, 0]].concat();
            for byte in frame(&body, source, 10, hub, 8) {
                drop(peer.link.write_all(&[byte]));
                thread::sleep(Duration::from_micros(200));
            }
        }
        _ => {
            // Never says its id, and its master's connection speaks nonsense.
            drop(peer.control.write_all(b"\x05\x7f\x7f\x7f\x7f\x7f\x00\x01"));
        }
    }
}

#[test]
fn peers_that_break_the_rules_harm_nobody_else() {
    let mut scene = Scene::new();
    let idle = descriptors(&scene.node);
    let mut before = None;
    for (round, id) in HOSTILE.enumerate() {
        let mut peer = Peer::join(&scene.network, id);
        misbehave((round % 10) as u8, &mut peer, scene.hub);
        scene.check();
        let ends = round / 10 % 3;
        if ends == 1 {
            let _ = peer.link.shutdown(Shutdown::Write);
        } else if ends == 2 {
            let _ = peer.control.shutdown(Shutdown::Both);
        }
        drop(peer);
        scene.check();
        // Memory of the first round is taken for good: names of log lines, tables, buffers.
        if round == 19 {
            await_idle(&scene.node, (idle, u64::MAX / 2));
            before = Some(scene.state());
        }
    }
    await_idle(&scene.node, before.expect("there were so many"));
    scene.check();
}

#[test]
fn strangers_at_the_masters_port_are_sent_away() {
    let mut scene = Scene::new();
    let before = scene.state();
    let strangers: [&[u8]; 9] = [
        b"",
        b"\0",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\xff\xff\xff\xff\xff",
        &package(&[text("H"), number(1), text("taken")]),
        &package(&[text("H"), vec![0x02], text("zero")]),
        &package(&[text("H"), text("3"), text("no number")]),
        &package(&[text("R"), text("NAME"), number(1)]),
    ];
    for round in 0..20 {
        for bytes in strangers {
            let mut stranger = connect(scene.network.master);
            let _ = stranger.write_all(bytes);
            if round % 2 == 0 {
                let _ = stranger.shutdown(Shutdown::Write);
                await_end(stranger);
            }
        }
        scene.check();
    }
    await_idle(&scene.node, before);
    scene.check();
}

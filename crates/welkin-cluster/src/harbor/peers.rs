//! The sockets of the links: what comes from them, and their ends.
//!
//! Used by the native service alone. A peer that breaks the rules loses its connection at once and
//! harms nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use welkin_codec::harbor::{Fault, Heard, Reader};
use welkin_net::{Net, Priority, event};
use welkin_runtime::{Node, Payload};

use super::payload::{self, Joined};
use super::ways::Ways;

/// The connections to other nodes; no more than there are ids, but for those that are being closed.
pub(super) struct Peers {
    net: Arc<Net>,
    ways: Arc<Ways>,
    by_fd: HashMap<i32, Peer>,
}

struct Peer {
    id: u8,
    reader: Reader<Joined>,
}

impl Peers {
    pub(super) fn new(net: Arc<Net>, ways: Arc<Ways>) -> Self {
        Self {
            net,
            ways,
            by_fd: HashMap::new(),
        }
    }

    /// Takes a connection over that this node has made: the other side answers with its id.
    pub(super) fn connecting(&mut self, node: &Node, fd: i32, id: u8) {
        self.take(node, fd, id, Reader::greeting(id));
    }

    /// Takes a connection over whose other side has said its id.
    pub(super) fn accepted(&mut self, node: &Node, fd: i32, id: u8) {
        self.take(node, fd, id, Reader::greeted());
        self.ways.rise(node, id, fd);
    }

    fn take(&mut self, node: &Node, fd: i32, id: u8, reader: Reader<Joined>) {
        self.ways.greet(node, id, fd);
        self.by_fd.insert(fd, Peer { id, reader });
        self.net.start(node, self.ways.own, fd);
        self.net.nodelay(fd);
        self.net.read_large(fd);
        let hello = [self.ways.harbor()];
        self.net.send_bytes(node, fd, &hello, Priority::High);
    }

    /// A harbor that is not connected will not be.
    pub(super) fn give_up(&mut self, node: &Node, id: u8) {
        if let Some(fd) = self.ways.give_up(node, id) {
            self.by_fd.remove(&fd);
            self.net.shutdown(node, self.ways.own, fd);
        }
    }

    /// Something happened to a socket.
    pub(super) fn event(&mut self, node: &Node, payload: &Payload) {
        let Some(event) = event::decode(payload.as_bytes()) else {
            return;
        };
        match event.kind {
            event::DATA => self.data(node, event.id, event::data(payload)),
            event::CLOSE | event::ERROR => self.lost(node, event.id),
            event::WARNING if event.ud > 0 => self.slow(node, event.id, event.ud),
            _ => {}
        }
    }

    fn data(&mut self, node: &Node, fd: i32, bytes: &[u8]) {
        let Some(peer) = self.by_fd.get_mut(&fd) else {
            return;
        };
        let id = peer.id;
        for heard in peer.reader.feed(bytes) {
            match heard {
                Ok(Heard::Id) => self.ways.rise(node, id, fd),
                Ok(Heard::Frame(frame, trailer)) => {
                    self.ways
                        .receive(node, id, payload::message(frame), trailer);
                }
                Err(fault) => return self.fault(node, fd, id, fault),
            }
        }
    }

    fn fault(&mut self, node: &Node, fd: i32, id: u8, fault: Fault) {
        let line = match fault {
            Fault::Id(said) => {
                format!("Invalid shakehand id ({said}) from fd = {fd} , harbor = {id}")
            }
            Fault::TooLong => format!("Message is too long from harbor {id}"),
            Fault::TooShort => format!("Message is too short from harbor {id}"),
        };
        node.log(self.ways.own, line);
        self.lost(node, fd);
    }

    fn slow(&self, node: &Node, fd: i32, kib: i32) {
        if let Some(peer) = self.by_fd.get(&fd) {
            let id = peer.id;
            let line =
                format!("harbor: harbor {id} reads too slowly: {kib} KiB wait to be sent to it");
            node.log(self.ways.own, line);
        }
    }

    /// A connection has ended, or must: of what waits to be sent nobody would hear.
    fn lost(&mut self, node: &Node, fd: i32) {
        let Some(peer) = self.by_fd.remove(&fd) else {
            return;
        };
        self.net.shutdown(node, self.ways.own, fd);
        self.ways.lost(node, peer.id, fd);
    }
}

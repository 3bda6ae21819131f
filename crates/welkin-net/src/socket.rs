//! One socket: its number, and behind its lock everything that changes.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::vec;

use parking_lot::Mutex;
use welkin_runtime::{Address, Node};

use crate::bound::Bound;
use crate::event;
use crate::info;
use crate::leader::BUDGET;
use crate::outbox::Outbox;

#[derive(Debug)]
pub(crate) struct Socket {
    pub id: i32,
    pub state: Mutex<State>,
}

impl Socket {
    pub fn new(id: i32, owner: Address, body: Body) -> Socket {
        Socket {
            id,
            state: Mutex::new(State::new(owner, body)),
        }
    }
}

/// What a socket is at the moment.
#[derive(Debug)]
pub(crate) enum Body {
    /// `connect`: the name is being looked up.
    Resolving,
    /// `connect` is under way; the other addresses are tried if this one fails.
    Connecting {
        socket: socket2::Socket,
        rest: vec::IntoIter<SocketAddr>,
    },
    /// Accepted, not started: the poller does not know it yet.
    Accepted(socket2::Socket),
    /// A listener. The poller knows it once it has been started.
    Listening {
        socket: socket2::Socket,
        started: bool,
        accepted: u64,
    },
    /// A TCP connection.
    Stream(socket2::Socket),
    /// A UDP socket, with the peer that plain sends go to.
    Datagram {
        socket: UdpSocket,
        peer: Option<SocketAddr>,
        v6: bool,
    },
    /// A descriptor of the program's.
    Bound(Bound),
    /// Ended. The id is out of the table; only who looked it up before still sees this.
    Gone,
}

#[derive(Debug)]
pub(crate) struct State {
    pub body: Body,
    /// Who gets the events.
    pub owner: Address,
    pub peer: Option<SocketAddr>,
    /// Wanted by the owner: started and not paused.
    pub reading: bool,
    /// The poller reported something to read that has not been read to its end. It will not report
    /// that again.
    pub pending: bool,
    /// It is on one of the leader's lists. Written by the leader.
    pub listed: bool,
    /// The peer ended its sending side.
    pub read_ended: bool,
    /// A write failed: what is sent from now on is dropped.
    pub write_ended: bool,
    /// Both directions are over, says the system; there may still be something to read.
    pub hung_up: bool,
    /// The own side has closed it; it lives until its outbox is empty.
    pub closing: bool,
    /// CLOSE has been raised.
    pub close_told: bool,
    /// TCP_NODELAY was asked for before there was a connection.
    pub nodelay: bool,
    pub outbox: Outbox,
    /// Bytes of the last read: the size of the next one.
    pub last_read: usize,
    /// Most bytes of one read into a block of its own.
    pub read_max: usize,
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// Ticks of the last read or accept; 0: never.
    pub read_time: i64,
    /// Ticks of the last write; 0: never.
    pub write_time: i64,
}

impl State {
    fn new(owner: Address, body: Body) -> State {
        State {
            body,
            owner,
            peer: None,
            reading: false,
            pending: false,
            listed: false,
            read_ended: false,
            write_ended: false,
            hung_up: false,
            closing: false,
            close_told: false,
            nodelay: false,
            outbox: Outbox::default(),
            last_read: 0,
            read_max: BUDGET,
            read_bytes: 0,
            written_bytes: 0,
            read_time: 0,
            write_time: 0,
        }
    }

    /// Whether only the flushing is left, or not even that.
    pub fn is_over(&self) -> bool {
        self.closing || matches!(self.body, Body::Gone)
    }

    /// Tells the owner.
    pub fn tell(&self, node: &Node, id: i32, kind: i32, ud: i32, text: &str) {
        event::tell(node, self.owner, kind, id, ud, text);
    }

    /// Tells the owner CLOSE, unless it has been told.
    pub fn tell_close(&mut self, node: &Node, id: i32) {
        if !self.close_told {
            self.close_told = true;
            self.tell(node, id, event::CLOSE, 0, "");
        }
    }

    /// Counts what was read.
    pub fn count_read(&mut self, node: &Node, bytes: usize) {
        info::RECEIVED.fetch_add(bytes as u64, Ordering::Relaxed);
        self.read_bytes += bytes as u64;
        self.read_time = node.now();
    }

    /// Counts what was written.
    pub fn count_written(&mut self, node: &Node, bytes: usize) {
        info::SENT.fetch_add(bytes as u64, Ordering::Relaxed);
        self.written_bytes += bytes as u64;
        self.write_time = node.now();
    }
}

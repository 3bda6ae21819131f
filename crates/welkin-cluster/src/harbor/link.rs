//! The link to one other node: what waits for it, what is about to be sent, who waits for answers.
//!
//! Used under its lock, by whoever sends. Nothing here posts a message or writes a log line: what must
//! be said is given back and said without the lock.
//!
//! Limits: [`QUEUE_BYTES_MAX`] of messages for a node that is not connected, and of frames that a node
//! does not read; beyond it requests fail and sends are dropped, and answers are still queued up to
//! twice as much. A node that lets even these wait counts as lost.

use std::collections::VecDeque;

use welkin_codec::harbor::{Trailer, head, write};
use welkin_net::{Net, Priority};
use welkin_runtime::{Address, Message, Node, Payload, kind};

use super::drops::Drops;
use super::open::Open;

/// A second of a fast network; a node that is so far behind does not come back by waiting.
pub(super) const QUEUE_BYTES_MAX: usize = 64 << 20;
/// What a waiting message takes beside its bytes.
pub(super) const MESSAGE_OVERHEAD: usize = 64;
/// Messages from this size on, in bytes, are handed to the socket as they are.
const LARGE_MIN: usize = 32 << 10;
/// Frames are not kept back beyond so many bytes.
const OUT_BYTES_MAX: usize = 64 << 10;
/// Capacity that an empty buffer of frames may keep, in bytes.
const OUT_SPARE: usize = 256 << 10;

/// How far the two nodes have come with each other.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum State {
    /// Not seen yet: messages wait.
    Unknown,
    /// The other has not said its id: messages wait.
    Greeting(i32),
    /// Messages go out on this socket.
    Up(i32),
    /// Lost or given up: messages are refused.
    Down,
}

/// Why a message was not taken.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// The other node is out of reach.
    Down,
    /// Too much waits already.
    Full,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Sent {
    /// It waits, or is on its way.
    Done,
    /// It is with the frames to be sent off, the first of them.
    First,
    /// Not taken.
    Refused(Message, Why),
}

/// What was on its way when a link was lost.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Messages that were not sent, with their receivers.
    pub waiting: VecDeque<(Address, Message)>,
    /// Requests without answer: who, session, whom.
    pub asked: Vec<(Address, i32, Address)>,
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    waiting: VecDeque<(Address, Message)>,
    waiting_bytes: usize,
    /// Frames to be sent off.
    out: Vec<u8>,
    /// The other node does not read.
    choked: bool,
    open: Open,
    /// Lines about messages that were not sent, as the node is out of reach.
    pub dropped: Drops,
    /// Lines about messages that were not sent, as too much waits.
    pub full: Drops,
    /// Lines about messages that came and could not be delivered.
    pub undelivered: Drops,
}

impl Link {
    /// To a node that is not seen yet; of a node without a network, to one that never will be.
    pub(super) fn new(alone: bool) -> Self {
        Self {
            state: if alone { State::Down } else { State::Unknown },
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            out: Vec::new(),
            choked: false,
            open: Open::default(),
            dropped: Drops::default(),
            full: Drops::default(),
            undelivered: Drops::default(),
        }
    }

    /// Takes a message that fits a frame.
    pub(super) fn send(&mut self, net: &Net, node: &Node, to: Address, message: Message) -> Sent {
        match self.state {
            State::Up(fd) => self.send_up(net, node, fd, to, message),
            State::Unknown | State::Greeting(_) => self.wait(to, message),
            State::Down => Sent::Refused(message, Why::Down),
        }
    }

    fn wait(&mut self, to: Address, message: Message) -> Sent {
        let bytes = self.waiting_bytes + message.payload.len() + MESSAGE_OVERHEAD;
        if bytes > QUEUE_BYTES_MAX {
            return Sent::Refused(message, Why::Full);
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back((to, message));
        Sent::Done
    }

    fn send_up(&mut self, net: &Net, node: &Node, fd: i32, to: Address, message: Message) -> Sent {
        let is_answer = matches!(message.kind, kind::RESPONSE | kind::ERROR);
        if self.choked && !is_answer {
            self.choked = net.unsent(fd) > QUEUE_BYTES_MAX / 2;
            if self.choked {
                return Sent::Refused(message, Why::Full);
            }
        }
        if message.session > 0 && !is_answer && message.source.harbor() == node.harbor() {
            let lives = |source| node.slot(source).is_some();
            self.open.note(message.source, message.session, to, lives);
        }
        let trailer = Trailer {
            source: message.source.0,
            kind: message.kind,
            number: to.0,
            session: message.session,
        };
        let first = self.out.is_empty();
        let bytes = message.payload.as_bytes();
        if bytes.len() >= LARGE_MIN {
            self.send_large(net, node, fd, message.payload, trailer);
        } else {
            let fits = write(&mut self.out, bytes, trailer);
            debug_assert!(fits, "longer ones are refused before");
        }
        if self.out.len() >= OUT_BYTES_MAX {
            self.flush(net, node);
        } else if first {
            return Sent::First;
        }
        Sent::Done
    }

    /// The message itself is not copied; its trailer goes with what comes next.
    fn send_large(&mut self, net: &Net, node: &Node, fd: i32, payload: Payload, trailer: Trailer) {
        let Some(head) = head(payload.as_bytes().len()) else {
            debug_assert!(false, "longer ones are refused before");
            return;
        };
        self.out.extend(head);
        self.flush(net, node);
        net.send(node, fd, payload, Priority::High);
        self.out.extend(trailer.to_bytes());
    }

    /// Sends the frames off.
    pub(super) fn flush(&mut self, net: &Net, node: &Node) {
        let State::Up(fd) = self.state else {
            return;
        };
        if self.out.is_empty() {
            return;
        }
        net.send_bytes(node, fd, &self.out, Priority::High);
        self.out.clear();
        self.out.shrink_to(OUT_SPARE);
        let unsent = net.unsent(fd);
        self.choked = self.choked || unsent > QUEUE_BYTES_MAX;
        if unsent > 2 * QUEUE_BYTES_MAX {
            // Its CLOSE ends the link.
            net.shutdown(node, Address::NONE, fd);
        }
    }

    /// A connection is there; the link is down or has not been up.
    pub(super) fn greet(&mut self, fd: i32) {
        debug_assert!(self.fd().is_none(), "the former connection ends first");
        self.state = State::Greeting(fd);
    }

    /// The other node of connection `fd` has said its id; what waited goes out. Gives back what did not.
    pub(super) fn rise(&mut self, net: &Net, node: &Node, fd: i32) -> Vec<(Address, Message)> {
        let mut refused = Vec::new();
        if self.state != State::Greeting(fd) {
            return refused;
        }
        self.state = State::Up(fd);
        self.waiting_bytes = 0;
        for (to, message) in std::mem::take(&mut self.waiting) {
            if let Sent::Refused(message, _) = self.send_up(net, node, fd, to, message) {
                refused.push((to, message));
            }
        }
        self.flush(net, node);
        refused
    }

    /// An answer has come.
    pub(super) fn answered(&mut self, source: Address, session: i32) {
        self.open.close(source, session);
    }

    /// The socket, once there is one.
    pub(super) fn fd(&self) -> Option<i32> {
        match self.state {
            State::Greeting(fd) | State::Up(fd) => Some(fd),
            State::Unknown | State::Down => None,
        }
    }

    /// Whether messages go out.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// The link is lost, or will never be.
    pub(super) fn fall(&mut self) -> Remains {
        self.state = State::Down;
        self.waiting_bytes = 0;
        self.out = Vec::new();
        self.choked = false;
        Remains {
            waiting: std::mem::take(&mut self.waiting),
            asked: self.open.take(),
        }
    }
}

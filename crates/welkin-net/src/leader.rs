//! The leader's part: wait for the poller, then read, accept, connect and flush what is ready.
//!
//! There is one leader at a time; the lock around its things makes sure of it. A socket that keeps
//! having something to read gets a budget for each visit and is visited again in the next round, so
//! one fast peer does not keep the others waiting. And while its owner is behind with its messages it
//! is not read from at all: what a peer floods a slow service with stays in the system, where it slows
//! the peer down, and the owner's other peers find a short mailbox.

use std::fs::File;
use std::time::Duration;

use mio::event::Event as Readiness;
use mio::{Events, Poll, Token};
use welkin_runtime::{Address, Driver, Node};

use crate::eager::Eager;
use crate::net::{Net, WAKE};
use crate::socket::Body;

/// Most bytes read, and about the most written, from one socket in one visit.
pub(crate) const BUDGET: usize = 64 * 1024;

const EVENTS_MAX: usize = 256;

/// An owner with so many messages waiting is behind: peers that send faster than it reads are left
/// alone.
const BEHIND: usize = 32;

/// How long such a peer is left alone. In this time an owner does not get through with what waits, so
/// it does not run dry.
const BEHIND_REST: Duration = Duration::from_millis(1);

/// How long an acceptor without descriptors rests before it tries again.
const STARVED_REST: Duration = Duration::from_millis(20);

/// What only the leader uses.
#[derive(Debug)]
pub(crate) struct Leader {
    poll: Poll,
    events: Events,
    eager: Eager,
    tools: Tools,
    /// To visit in the next round. Here and in the next two lists a socket is at most once
    /// (`State::listed`).
    again: Vec<i32>,
    /// To visit when their owners have caught up.
    behind: Vec<i32>,
    /// Listeners that wait for a descriptor to come free.
    starved: Vec<i32>,
}

#[derive(Debug)]
pub(crate) struct Tools {
    /// Room for one read; also for the largest datagram.
    pub scratch: Box<[u8]>,
    /// A descriptor to accept and close a connection with when there are no others.
    pub reserve: Option<File>,
}

/// What the poller says of a socket.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Ready {
    pub read: bool,
    pub write: bool,
    /// There may be an end behind the data: read until the system says there is no more.
    pub drain: bool,
    /// Both directions are over.
    pub hung_up: bool,
    /// The last visit did not come to an end: the peer is faster than its owner.
    pub again: bool,
}

impl Ready {
    /// Nothing was reported, but there may be anything.
    const UNKNOWN: Ready = Ready {
        read: true,
        write: true,
        drain: true,
        hung_up: false,
        again: false,
    };
}

impl From<&Readiness> for Ready {
    fn from(event: &Readiness) -> Ready {
        let over = event.is_read_closed() || event.is_write_closed() || event.is_error();
        Ready {
            read: event.is_readable() || over,
            write: event.is_writable() || over,
            drain: over,
            hung_up: event.is_write_closed() || event.is_error(),
            again: false,
        }
    }
}

/// How a visit left a socket.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Next {
    /// The poller will report what comes.
    Wait,
    /// There is more: its budget is used up.
    Again,
    /// There is more, and the owner is behind.
    Behind,
    /// A listener cannot accept for lack of descriptors.
    Starved,
}

impl Leader {
    pub fn new(poll: Poll) -> Leader {
        Leader {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            eager: Eager::new(),
            tools: Tools {
                scratch: vec![0; BUDGET].into_boxed_slice(),
                reserve: open_reserve(),
            },
            again: Vec::new(),
            behind: Vec::new(),
            starved: Vec::new(),
        }
    }

    fn round(&mut self, net: &Net, node: &Node, timeout: Option<Duration>) {
        let timeout = self.timeout(timeout);
        // An error is an interruption by a signal; then there are no events.
        let _ = self.eager.poll(&mut self.poll, &mut self.events, timeout);
        net.clear_woken();
        let kicked = std::mem::take(&mut *net.kicked.lock());
        let mut listed = std::mem::take(&mut self.again);
        listed.append(&mut self.behind);
        listed.append(&mut self.starved);
        let Leader {
            events,
            tools,
            again,
            behind,
            starved,
            ..
        } = self;
        let mut visit = |id: i32, ready: Ready, listed: bool| {
            let list = match net.visit(node, tools, id, ready, listed) {
                Next::Wait => return,
                Next::Again => &mut *again,
                Next::Behind => &mut *behind,
                Next::Starved => &mut *starved,
            };
            list.push(id);
        };
        for event in events.iter().filter(|event| event.token() != WAKE) {
            visit(id_of(event.token()), Ready::from(event), false);
        }
        for id in kicked {
            visit(id, Ready::UNKNOWN, false);
        }
        for id in listed {
            visit(id, Ready::UNKNOWN, true);
        }
    }

    /// How long to wait for the poller at most.
    fn timeout(&self, wanted: Option<Duration>) -> Option<Duration> {
        let rest = if !self.again.is_empty() {
            Duration::ZERO
        } else if !self.behind.is_empty() {
            BEHIND_REST
        } else if !self.starved.is_empty() {
            STARVED_REST
        } else {
            return wanted;
        };
        Some(wanted.map_or(rest, |wanted| wanted.min(rest)))
    }
}

impl Driver for Net {
    fn poll(&self, node: &Node, timeout: Option<Duration>) {
        let leader = match timeout {
            // Somebody who only looks in does not wait for the leader.
            Some(Duration::ZERO) => self.leader.try_lock(),
            _ => Some(self.leader.lock()),
        };
        if let Some(mut leader) = leader {
            leader.round(self, node, timeout);
        }
    }

    fn wake(&self) {
        self.wake_leader();
    }

    fn service_ended(&self, node: &Node, address: Address) {
        for id in self.table.owned(address) {
            self.close(node, address, id);
        }
    }
}

impl Net {
    /// `listed`: taken from one of the leader's lists. What is returned is where to put it; `Wait` also
    /// for what is on a list.
    fn visit(
        &self,
        node: &Node,
        tools: &mut Tools,
        id: i32,
        mut ready: Ready,
        listed: bool,
    ) -> Next {
        // Not found: closed while the event was on its way.
        let Some(socket) = self.table.get(id) else {
            return Next::Wait;
        };
        let mut state = socket.state.lock();
        let state = &mut *state;
        ready.again = state.listed;
        state.listed &= !listed;
        if matches!(state.body, Body::Connecting { .. }) {
            self.finish_connect(node, &socket, state);
        }
        let next = match state.body {
            Body::Stream(_) | Body::Bound(_) => {
                self.visit_stream(node, &socket, state, tools, ready)
            }
            Body::Datagram { .. } => self.visit_datagram(node, &socket, state, tools, ready),
            Body::Listening { .. } => self.accept(node, &socket, state, tools),
            _ => Next::Wait,
        };
        if next == Next::Wait || state.listed {
            return Next::Wait;
        }
        state.listed = true;
        next
    }
}

/// Whether the owner of a socket has more messages than it gets through with.
pub(crate) fn is_behind(node: &Node, owner: Address) -> bool {
    let slot = node.slot(owner);
    slot.is_some_and(|slot| slot.mailbox_len() >= BEHIND)
}

pub(crate) fn open_reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn id_of(token: Token) -> i32 {
    (token.0 as u32).cast_signed()
}

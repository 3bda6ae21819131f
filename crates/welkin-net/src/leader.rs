//! The leader's part: wait for the poller, then read, accept, connect and flush what is ready.
//!
//! There is one leader at a time; the lock around its things makes sure of it. A socket that keeps
//! having something to read gets a budget for each visit and is visited again in the next round, so
//! one fast peer does not keep the others waiting.

use std::fs::File;
use std::time::Duration;

use mio::event::Event as Readiness;
use mio::{Events, Poll, Token};
use welkin_runtime::{Address, Driver, Node};

use crate::net::{Net, WAKE};
use crate::socket::Body;

/// Most bytes read, and about the most written, from one socket in one visit.
pub(crate) const BUDGET: usize = 64 * 1024;

const EVENTS_MAX: usize = 256;

/// How long an acceptor without descriptors rests before it tries again.
const STARVED_REST: Duration = Duration::from_millis(20);

/// What only the leader uses.
#[derive(Debug)]
pub(crate) struct Leader {
    poll: Poll,
    events: Events,
    tools: Tools,
    /// To visit in the next round.
    again: Vec<i32>,
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
}

impl Ready {
    /// Nothing was reported, but there may be anything.
    const UNKNOWN: Ready = Ready {
        read: true,
        write: true,
        drain: true,
        hung_up: false,
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
    /// A listener cannot accept for lack of descriptors.
    Starved,
}

impl Leader {
    pub fn new(poll: Poll) -> Leader {
        Leader {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            tools: Tools {
                scratch: vec![0; BUDGET].into_boxed_slice(),
                reserve: open_reserve(),
            },
            again: Vec::new(),
            starved: Vec::new(),
        }
    }

    fn round(&mut self, net: &Net, node: &Node, timeout: Option<Duration>) {
        let timeout = if !self.again.is_empty() {
            Some(Duration::ZERO)
        } else if !self.starved.is_empty() {
            Some(timeout.map_or(STARVED_REST, |timeout| timeout.min(STARVED_REST)))
        } else {
            timeout
        };
        // An error is an interruption by a signal; then there are no events.
        let _ = self.poll.poll(&mut self.events, timeout);
        net.clear_woken();
        let mut more = std::mem::take(&mut self.again);
        more.append(&mut self.starved);
        more.append(&mut net.kicked.lock());
        let Leader {
            events,
            tools,
            again,
            starved,
            ..
        } = self;
        let mut visit = |id: i32, ready: Ready| match net.visit(node, tools, id, ready) {
            Next::Wait => {}
            Next::Again => again.push(id),
            Next::Starved => starved.push(id),
        };
        for event in events.iter().filter(|event| event.token() != WAKE) {
            visit(id_of(event.token()), Ready::from(event));
        }
        for id in more {
            visit(id, Ready::UNKNOWN);
        }
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
    fn visit(&self, node: &Node, tools: &mut Tools, id: i32, ready: Ready) -> Next {
        // Not found: closed while the event was on its way.
        let Some(socket) = self.table.get(id) else {
            return Next::Wait;
        };
        let mut state = socket.state.lock();
        let state = &mut *state;
        if matches!(state.body, Body::Connecting { .. }) {
            self.finish_connect(node, &socket, state);
        }
        match state.body {
            Body::Stream(_) | Body::Bound(_) => {
                self.visit_stream(node, &socket, state, tools, ready)
            }
            Body::Datagram { .. } => self.visit_datagram(node, &socket, state, tools, ready),
            Body::Listening { .. } => self.accept(node, &socket, state, tools),
            _ => Next::Wait,
        }
    }
}

pub(crate) fn open_reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn id_of(token: Token) -> i32 {
    (token.0 as u32).cast_signed()
}

//! The engine: one per node, shared by all its threads.
//!
//! Its commands stand in the files that are named for them (`connect`, `listen`, `start`, `send`,
//! `close`, `udp`, `bound`, `info`); here is what they share.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::unix::SourceFd;
use mio::{Interest, Poll, Registry, Token, Waker};
use parking_lot::Mutex;
use welkin_runtime::{Address, Node};

use crate::error::LIMIT;
use crate::event;
use crate::leader::Leader;
use crate::resolver::Resolver;
use crate::socket::{Body, Socket, State};
use crate::table::Table;

/// The poller's name for the waker. No socket has it: ids are positive `i32`s.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// What a socket that is read and written is registered for.
pub(crate) const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A socket that has brought so much, in bytes, leaves memory behind that may go back to the system: what
/// was read, and what its owner made of it.
const MUCH: u64 = 1 << 20;

/// The sockets of a node.
pub struct Net {
    pub(crate) table: Table,
    pub(crate) registry: Registry,
    pub(crate) leader: Mutex<Leader>,
    /// Sockets that the leader must look at without the poller saying so.
    pub(crate) kicked: Mutex<Vec<i32>>,
    pub(crate) resolver: Arc<Resolver>,
    waker: Waker,
    /// The waker has been used since `poll` last returned.
    woken: AtomicBool,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

impl Net {
    /// A new engine; give it to the node as its driver. Fails when the system has no descriptors left.
    pub fn new() -> io::Result<Arc<Net>> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        Ok(Arc::new(Net {
            table: Table::new(),
            waker: Waker::new(&registry, WAKE)?,
            woken: AtomicBool::new(false),
            registry,
            leader: Mutex::new(Leader::new(poll)),
            kicked: Mutex::default(),
            resolver: Arc::default(),
        }))
    }

    /// Makes a socket that belongs to `owner`. When there are too many, the owner is told so under an
    /// id that no socket has, which is the error.
    pub(crate) fn add(&self, node: &Node, owner: Address, body: Body) -> Result<Arc<Socket>, i32> {
        self.table
            .add(owner, body)
            .inspect_err(|&id| event::tell(node, owner, event::ERROR, id, 0, LIMIT))
    }

    pub(crate) fn register(&self, fd: RawFd, id: i32, interest: Interest) -> io::Result<()> {
        self.registry
            .register(&mut SourceFd(&fd), token(id), interest)
    }

    pub(crate) fn reregister(&self, fd: RawFd, id: i32, interest: Interest) -> io::Result<()> {
        self.registry
            .reregister(&mut SourceFd(&fd), token(id), interest)
    }

    /// Lets the leader read `id` again: the poller has reported it before and will not do so again.
    pub(crate) fn kick(&self, id: i32) {
        self.kicked.lock().push(id);
        self.wake_leader();
    }

    pub(crate) fn wake_leader(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Fails only if the counter is full, and then a wake-up is on its way already.
            let _ = self.waker.wake();
        }
    }

    /// The leader has returned from waiting; what comes from now on needs a new wake-up. Wake-ups that
    /// were left out before this are answered too: the leader looks at everything after it.
    pub(crate) fn clear_woken(&self) {
        self.woken.store(false, Ordering::Release);
    }

    /// Ends a socket: its descriptor is closed (a bound one only let go), what it had to send dropped,
    /// its id forgotten. Under its lock, once; raises nothing.
    pub(crate) fn end(&self, node: &Node, socket: &Socket, state: &mut State) {
        match std::mem::replace(&mut state.body, Body::Gone) {
            Body::Gone => return,
            Body::Bound(bound) => bound.release(&self.registry),
            // Closing a descriptor takes it out of the poller.
            _ => {}
        }
        if state.outbox.clear() || state.read_bytes >= MUCH {
            node.memory_freed();
        }
        state.reading = false;
        self.table.remove(socket.id, state.owner);
    }
}

fn token(id: i32) -> Token {
    Token(id.cast_unsigned() as usize)
}

//! Links: messages and streams between two that know each other.
//!
//! A link is a stream (TLS, or the local socket) on which both sides have said [`Hello`]. What is sent
//! goes into a queue of bounded bytes and is written by one task, with a deadline; it also sends a sign
//! of life whenever nothing else was sent for a while. What comes is read by whoever holds the
//! [`Receiver`], so that a slow reader slows its peer and costs no memory. Both halves end together,
//! with the same reason: the stream's end, silence, a revoked or expired certificate, or ours.

mod connect;
mod framed;
mod receiver;
mod sender;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use welkin_fleet_model::wire::frame::Decoder;
use welkin_fleet_model::wire::{Hello, Purpose};

use crate::authority::Revoked;
use crate::certificate::Shown;
use crate::error::LinkError;
use crate::role::Role;

pub use connect::{connect, connect_local};
pub(crate) use connect::{dial, is_trusted_user, reach, within};
pub(crate) use framed::{Framed, hello};
pub use receiver::{Incoming, Receiver};
pub use sender::Sender;

/// Times and sizes of links. The defaults are the fleet's; tests take shorter ones.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the connection to the end of the greeting.
    pub handshake: Duration,
    /// Nothing sent for this long: a sign of life is.
    pub beat: Duration,
    /// Nothing heard for this long: the link is over.
    pub silence: Duration,
    /// A write that makes no progress for this long, or a full queue: the peer is too slow.
    pub write: Duration,
    /// Bytes of messages that wait to be sent.
    pub queue: usize,
    /// Connections whose greeting is not over, all together.
    pub strangers: usize,
    /// The same from one address.
    pub strangers_of_one: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            beat: Duration::from_secs(2),
            silence: Duration::from_secs(10),
            write: Duration::from_secs(10),
            queue: 4 << 20,
            strangers: 1024,
            strangers_of_one: 256,
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// TCP.
    Network(SocketAddr),
    /// The local socket.
    Local {
        /// The peer's user.
        uid: u32,
        /// Its process, where the system tells.
        pid: Option<i32>,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => write!(out, "{address}"),
            Self::Local {
                uid,
                pid: Some(pid),
            } => write!(out, "uid {uid}, pid {pid}"),
            Self::Local { uid, pid: None } => write!(out, "uid {uid}"),
        }
    }
}

/// Who is at the other end, as proved.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Of its certificate. On the local socket: what an agent says it is called, `uid:N` for a client.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// From where (of a master: where we connected to).
    pub origin: Origin,
    /// End of its certificate; the link ends then too.
    pub until_unix_ms: Option<u64>,
    pub(crate) shown: Option<Shown>,
}

/// A stream of bytes, whatever carries it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Both halves of a link.
#[derive(Debug)]
pub struct Link {
    peer: Arc<Peer>,
    hello: Hello,
    sender: Sender,
    receiver: Receiver,
}

impl Link {
    /// Begins the work on a stream whose greeting is over. Must be called in a runtime.
    pub(crate) fn begin(
        stream: Box<dyn Stream>,
        decoder: Decoder,
        peer: Peer,
        hello: Hello,
        limits: &Limits,
        revoked: Option<watch::Receiver<Revoked>>,
    ) -> Self {
        let peer = Arc::new(peer);
        let over = Over::default();
        let (read, write) = tokio::io::split(stream);
        let receiver = Receiver::new(read, decoder, peer.clone(), over.clone(), limits.silence);
        let sender = Sender::begin(write, peer.clone(), over, limits, revoked);
        Self {
            peer,
            hello,
            sender,
            receiver,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the link is for.
    pub fn purpose(&self) -> Purpose {
        self.hello.purpose
    }

    /// What the other side said first: its version, its clock, whether it asks for a renewal.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// The halves; each knows the peer.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

/// Whether a link is over, and why. The first reason stays.
#[derive(Clone, Debug)]
pub(crate) struct Over(watch::Sender<Option<LinkError>>);

impl Default for Over {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Over {
    pub(crate) fn set(&self, reason: LinkError) {
        self.0.send_if_modified(|over| {
            let first = over.is_none();
            if first {
                *over = Some(reason);
            }
            first
        });
    }

    pub(crate) fn get(&self) -> Option<LinkError> {
        self.0.borrow().clone()
    }

    pub(crate) async fn wait(&self) -> LinkError {
        let mut over = self.0.subscribe();
        // The sender lives in `self`: this cannot fail.
        let reason = over.wait_for(Option::is_some).await;
        reason
            .ok()
            .and_then(|reason| reason.clone())
            .unwrap_or(LinkError::Closed)
    }
}

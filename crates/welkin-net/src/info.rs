//! What there is: one row for each socket, as `netstat` and the console show it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use welkin_runtime::Address;

use crate::address;
use crate::net::Net;
use crate::socket::{Body, State};

/// Bytes of all sockets of the process, also of those that are gone: a process has one node.
pub(crate) static RECEIVED: AtomicU64 = AtomicU64::new(0);
pub(crate) static SENT: AtomicU64 = AtomicU64::new(0);

/// What all sockets have received and sent since the start, in bytes.
pub fn traffic() -> (u64, u64) {
    let read = |total: &AtomicU64| total.load(Ordering::Relaxed);
    (read(&RECEIVED), read(&SENT))
}

/// What a row is about.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum SocketKind {
    /// A started listener.
    Listen,
    /// A connection.
    Tcp,
    /// A UDP socket.
    Udp,
    /// A bound descriptor.
    Bind,
    /// Half closed, either way, or being closed by the own side.
    Closing,
}

impl fmt::Display for SocketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SocketKind::Listen => "LISTEN",
            SocketKind::Tcp => "TCP",
            SocketKind::Udp => "UDP",
            SocketKind::Bind => "BIND",
            SocketKind::Closing => "CLOSING",
        })
    }
}

/// One socket. Times are ticks of the node's clock, 0: never.
#[derive(Clone, Debug)]
pub struct SocketInfo {
    /// Its number.
    pub id: i32,
    /// Who gets its events.
    pub owner: Address,
    /// What it is.
    pub kind: SocketKind,
    /// Listener: connections accepted.
    pub accept: u64,
    /// Listener: `ip:port` it listens on.
    pub sock: Option<String>,
    /// Last read; listener: last accept.
    pub rtime: i64,
    /// Last write.
    pub wtime: i64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub write: u64,
    /// Bytes that wait to be written.
    pub wbuffer: usize,
    /// Started and not paused.
    pub reading: bool,
    /// Something waits to be written.
    pub writing: bool,
    /// `ip:port` of the peer, if there is one.
    pub peer: Option<String>,
}

impl Net {
    /// A row for each socket, but not for connections under way and what has not been started.
    pub fn info(&self) -> Vec<SocketInfo> {
        let row =
            |socket: std::sync::Arc<crate::socket::Socket>| row(socket.id, &socket.state.lock());
        self.table.all().into_iter().filter_map(row).collect()
    }

    /// Bytes that wait to be sent to the peer of `id`; 0 also when there is no such socket.
    pub fn unsent(&self, id: i32) -> usize {
        let socket = self.table.get(id);
        socket.map_or(0, |socket| socket.state.lock().outbox.bytes())
    }
}

fn row(id: i32, state: &State) -> Option<SocketInfo> {
    let half_closed = state.closing || state.read_ended || state.write_ended;
    let (kind, accept, sock) = match &state.body {
        Body::Resolving | Body::Connecting { .. } | Body::Accepted(_) | Body::Gone => return None,
        Body::Listening { started: false, .. } => return None,
        Body::Listening {
            socket, accepted, ..
        } => (SocketKind::Listen, *accepted, local(socket)),
        _ if half_closed => (SocketKind::Closing, 0, None),
        Body::Stream(_) => (SocketKind::Tcp, 0, None),
        Body::Datagram { .. } => (SocketKind::Udp, 0, None),
        Body::Bound(_) => (SocketKind::Bind, 0, None),
    };
    Some(SocketInfo {
        id,
        owner: state.owner,
        kind,
        accept,
        sock: sock.map(address::text),
        rtime: state.read_time,
        wtime: state.write_time,
        read: state.read_bytes,
        write: state.written_bytes,
        wbuffer: state.outbox.bytes(),
        reading: state.reading,
        writing: !state.outbox.is_empty() || state.is_writing(),
        peer: state.peer.map(address::text),
    })
}

fn local(socket: &socket2::Socket) -> Option<SocketAddr> {
    socket.local_addr().ok()?.as_socket()
}

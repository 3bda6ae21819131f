//! Listeners: binding at once, accepting by the leader.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Type};
use welkin_runtime::{Address, Node};

use crate::address;
use crate::error::{self, LIMIT, NetError};
use crate::event;
use crate::leader::{Next, Tools, open_reserve};
use crate::net::Net;
use crate::raw;
use crate::resolver;
use crate::socket::{Body, Socket, State};

/// Most connections accepted in one visit.
const ACCEPT_MAX: usize = 128;

impl Net {
    /// Listens on `host` (empty: every IPv4 address) and `port` (0: any) and returns the id; CONNECT
    /// with the real address and port follows. Connections wait in the system's queue of `backlog`
    /// until `start`.
    pub fn listen(
        &self,
        node: &Node,
        owner: Address,
        host: &str,
        port: u16,
        backlog: i32,
    ) -> Result<i32, NetError> {
        let addresses = resolver::lookup_to_bind(host, port).map_err(NetError::Resolve)?;
        let (listener, local) = first_that_works(&addresses, |address| open(address, backlog))?;
        let body = Body::Listening {
            socket: listener,
            started: false,
            accepted: 0,
        };
        let socket = self.table.add(owner, body).map_err(|_| NetError::Limit)?;
        let state = socket.state.lock();
        let port = i32::from(local.port());
        state.tell(
            node,
            socket.id,
            event::CONNECT,
            port,
            &local.ip().to_string(),
        );
        Ok(socket.id)
    }

    pub(crate) fn accept(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        tools: &mut Tools,
    ) -> Next {
        state.pending = true;
        let mut left = ACCEPT_MAX;
        while state.reading {
            if left == 0 {
                return Next::Again;
            }
            left -= 1;
            let Body::Listening {
                socket: listener, ..
            } = &state.body
            else {
                return Next::Wait;
            };
            match raw::accept(listener) {
                Ok((stream, peer)) => self.accepted(node, socket, state, stream, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    state.pending = false;
                    return Next::Wait;
                }
                Err(error) if is_passing(&error) => {}
                // Also without any connection: the system wants a descriptor before it looks for one.
                Err(error) => match tools.turn_away(listener) {
                    Ok(()) => state.tell(node, socket.id, event::ERROR, 0, &error::text(&error)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        state.pending = false;
                        return Next::Wait;
                    }
                    Err(_) => return Next::Starved,
                },
            }
        }
        Next::Wait
    }

    fn accepted(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        stream: socket2::Socket,
        peer: Option<SocketAddr>,
    ) {
        // Fails only on a connection that is over; its reader will hear of that.
        let _ = stream.set_keepalive(true);
        let Ok(new) = self.table.add(state.owner, Body::Accepted(stream)) else {
            state.tell(node, socket.id, event::ERROR, 0, LIMIT);
            return; // and the connection is closed
        };
        new.state.lock().peer = peer;
        if let Body::Listening { accepted, .. } = &mut state.body {
            *accepted += 1;
        }
        state.read_time = node.now();
        let text = peer.map_or_else(String::new, address::text);
        state.tell(node, socket.id, event::ACCEPT, new.id, &text);
    }
}

impl Tools {
    /// Accepts a connection on the reserve descriptor and closes it, so that a full process does not
    /// hear of it for ever. Fails if there is no connection, or no reserve, or somebody was faster to
    /// take that.
    fn turn_away(&mut self, listener: &socket2::Socket) -> io::Result<()> {
        if self.reserve.take().is_none() {
            // The next try has one, or has found a descriptor for the connection itself.
            self.reserve = open_reserve();
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let turned_away = raw::accept(listener).map(drop);
        self.reserve = open_reserve();
        turned_away
    }
}

/// Errors of one connection, not of the listener.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
    ) || matches!(
        error.raw_os_error(),
        Some(
            libc::EPROTO
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
        ) | Some(libc::ENETUNREACH | libc::EPERM)
    )
}

fn open(address: SocketAddr, backlog: i32) -> io::Result<(socket2::Socket, SocketAddr)> {
    let kind = Type::STREAM.nonblocking();
    let listener = socket2::Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    listener.set_reuse_address(true)?;
    listener.bind(&address.into())?;
    listener.listen(backlog)?;
    let local = listener.local_addr()?.as_socket().unwrap_or(address);
    Ok((listener, local))
}

/// What `open` makes of the first address that it makes anything of; else the last error.
pub(crate) fn first_that_works<T>(
    addresses: &[SocketAddr],
    open: impl Fn(SocketAddr) -> io::Result<T>,
) -> Result<T, NetError> {
    let mut failure = NetError::Resolve(resolver::UNKNOWN.into());
    for &address in addresses {
        match open(address) {
            Ok(made) => return Ok(made),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

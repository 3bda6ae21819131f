//! Outgoing connections: look the name up elsewhere, then try the addresses one after the other.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::vec;

use socket2::{Domain, Protocol, Type};
use welkin_runtime::{Address, Node};

use crate::error;
use crate::event;
use crate::net::{BOTH, Net};
use crate::resolver;
use crate::socket::{Body, Socket, State};

impl Net {
    /// Starts a connection to `host` (a name or an address) and `port`; returns its id at once. CONNECT
    /// or ERROR follows. After ERROR the id is gone. What is sent before waits for the connection.
    pub fn connect(
        self: &Arc<Self>,
        node: &Arc<Node>,
        owner: Address,
        host: &str,
        port: u16,
    ) -> i32 {
        let socket = match self.add(node, owner, Body::Resolving) {
            Ok(socket) => socket,
            Err(id) => return id,
        };
        let id = socket.id;
        if let Some(ip) = resolver::numeric(host) {
            self.resolved(node, &socket, Ok(vec![SocketAddr::new(ip, port)]));
        } else {
            let (net, node, host) = (self.clone(), node.clone(), host.to_owned());
            self.resolver.run(Box::new(move || {
                let found = resolver::lookup(&host, port);
                net.resolved(&node, &socket, found);
            }));
        }
        id
    }

    fn resolved(&self, node: &Node, socket: &Socket, found: Result<Vec<SocketAddr>, String>) {
        let mut state = socket.state.lock();
        if !matches!(state.body, Body::Resolving) {
            return; // closed meanwhile
        }
        match found {
            Ok(addresses) => {
                let none = String::from(resolver::UNKNOWN);
                self.try_addresses(node, socket, &mut state, addresses.into_iter(), none);
            }
            Err(text) => self.connect_failed(node, socket, &mut state, &text),
        }
    }

    /// Starts a connection to the first address that lets it; `failure` is what the one before it got.
    fn try_addresses(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        mut rest: vec::IntoIter<SocketAddr>,
        mut failure: String,
    ) {
        while let Some(address) = rest.next() {
            match self.dial(socket.id, address) {
                Ok(stream) => {
                    state.body = Body::Connecting {
                        socket: stream,
                        rest,
                    };
                    return;
                }
                Err(error) => failure = error::text(&error),
            }
        }
        self.connect_failed(node, socket, state, &failure);
    }

    fn dial(&self, id: i32, address: SocketAddr) -> io::Result<socket2::Socket> {
        let kind = Type::STREAM.nonblocking();
        let stream = socket2::Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        stream.set_keepalive(true)?;
        match stream.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            // A connection that is there at once is reported by the poller too.
            _ => {}
        }
        // A port of this machine refuses at once; the poller may be looked at much later.
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        // Only now: a socket that is not connecting counts as hung up.
        self.register(stream.as_raw_fd(), id, BOTH)?;
        Ok(stream)
    }

    fn connect_failed(&self, node: &Node, socket: &Socket, state: &mut State, text: &str) {
        if !state.closing {
            state.tell(node, socket.id, event::ERROR, 0, text);
        }
        self.end(node, socket, state);
    }

    /// The poller says something about a connection under way.
    pub(crate) fn finish_connect(&self, node: &Node, socket: &Socket, state: &mut State) {
        let Body::Connecting {
            socket: stream,
            rest,
        } = &mut state.body
        else {
            return;
        };
        let result = stream
            .take_error()
            .and_then(|error| error.map_or(Ok(()), Err));
        match result.and_then(|()| stream.peer_addr()) {
            Ok(peer) => self.connected(node, socket, state, peer.as_socket()),
            // Neither failed nor connected: the event was of an address tried before.
            Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {}
            Err(error) => {
                let rest = std::mem::take(rest);
                self.try_addresses(node, socket, state, rest, error::text(&error));
            }
        }
    }

    fn connected(&self, node: &Node, socket: &Socket, state: &mut State, peer: Option<SocketAddr>) {
        let Body::Connecting { socket: stream, .. } =
            std::mem::replace(&mut state.body, Body::Resolving)
        else {
            unreachable!("asked for by the caller")
        };
        if state.nodelay {
            // Fails only on a connection that is over.
            let _ = stream.set_tcp_nodelay(true);
        }
        state.body = Body::Stream(stream);
        state.peer = peer;
        if !state.closing {
            state.reading = true;
            let text = peer.map_or_else(String::new, |peer| peer.ip().to_string());
            state.tell(node, socket.id, event::CONNECT, 0, &text);
        }
        // What waited to be sent is flushed by the visit that goes on from here.
    }
}

//! UDP. Sockets are not connected to their peer in the system: datagrams from anybody are delivered,
//! and the default peer is only where plain sends go.
//!
//! The poller is asked for writability only while something is queued: it would report every datagram
//! that leaves.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use mio::Interest;
use socket2::{Domain, Protocol, Type};
use welkin_runtime::{Address, Node, Payload};

use crate::address;
use crate::error::{self, NetError};
use crate::event;
use crate::leader::{BUDGET, Next, Ready, Tools, is_behind};
use crate::listen::first_that_works;
use crate::net::{BOTH, Net};
use crate::outbox::{Chunk, Priority};
use crate::raw;
use crate::resolver;
use crate::socket::{Body, Socket, State};

impl Net {
    /// A UDP socket, bound to `host` and `port`; with neither unbound, of IPv4. No event follows.
    pub fn udp(
        &self,
        node: &Node,
        owner: Address,
        host: Option<&str>,
        port: u16,
    ) -> Result<i32, NetError> {
        let socket = if host.is_none() && port == 0 {
            open(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), false)?
        } else {
            let host = host.unwrap_or("");
            let addresses = resolver::lookup_to_bind(host, port).map_err(NetError::Resolve)?;
            first_that_works(&addresses, |address| open(address, true))?
        };
        self.add_datagram(node, owner, socket, None)
    }

    /// A UDP socket bound to `host` and `port`, which must not be 0.
    pub fn udp_listen(
        &self,
        node: &Node,
        owner: Address,
        host: &str,
        port: u16,
    ) -> Result<i32, NetError> {
        if port == 0 {
            return Err(NetError::NoPort);
        }
        self.udp(node, owner, Some(host), port)
    }

    /// An unbound UDP socket whose plain sends go to `host` and `port`.
    pub fn udp_dial(
        &self,
        node: &Node,
        owner: Address,
        host: &str,
        port: u16,
    ) -> Result<i32, NetError> {
        let addresses = resolver::lookup_here(host, port).map_err(NetError::Resolve)?;
        let (socket, peer) =
            first_that_works(&addresses, |address| Ok((open(address, false)?, address)))?;
        self.add_datagram(node, owner, socket, Some(peer))
    }

    /// Sets where plain sends of a UDP socket go. An address of the other family is told to the owner
    /// as ERROR and changes nothing.
    pub fn udp_connect(&self, node: &Node, id: i32, host: &str, port: u16) -> Result<(), NetError> {
        let addresses = resolver::lookup_here(host, port).map_err(NetError::Resolve)?;
        let socket = self.table.get(id).ok_or(NetError::Unknown)?;
        let mut state = socket.state.lock();
        let (peer, v6) = match &mut state.body {
            Body::Datagram { peer, v6, .. } => (peer, *v6),
            Body::Gone => return Err(NetError::Unknown),
            _ => return Err(NetError::NotUdp),
        };
        match addresses.iter().find(|address| address.is_ipv6() == v6) {
            Some(&address) => {
                *peer = Some(address);
                state.peer = Some(address);
            }
            None => state.tell(node, id, event::ERROR, 0, "protocol mismatch"),
        }
        Ok(())
    }

    /// Sends a datagram to the peer of `address` ([`crate::address`]). `false`: the socket is unknown,
    /// closing, or not UDP, or the address is none or of the other family.
    pub fn udp_send(&self, node: &Node, id: i32, address: &[u8], payload: Payload) -> bool {
        let Some(socket) = self.table.get(id) else {
            return false;
        };
        let mut state = socket.state.lock();
        let Body::Datagram { v6, .. } = state.body else {
            return false;
        };
        match address::decode(address) {
            Some(to) if to.is_ipv6() == v6 && !state.closing => {
                self.send_datagram(node, &socket, &mut state, payload, to, Priority::High);
                true
            }
            _ => false,
        }
    }

    fn add_datagram(
        &self,
        node: &Node,
        owner: Address,
        socket: UdpSocket,
        peer: Option<SocketAddr>,
    ) -> Result<i32, NetError> {
        let fd = socket.as_raw_fd();
        let v6 = socket.local_addr()?.is_ipv6();
        let added = self.table.add(owner, Body::Datagram { socket, peer, v6 });
        let socket = added.map_err(|_| NetError::Limit)?;
        let mut state = socket.state.lock();
        state.peer = peer;
        if self.register(fd, socket.id, Interest::READABLE).is_err() {
            self.refuse(node, &socket, &mut state);
            return Err(NetError::Limit);
        }
        state.reading = true;
        Ok(socket.id)
    }

    pub(crate) fn send_datagram(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        payload: Payload,
        to: SocketAddr,
        priority: Priority,
    ) {
        let chunk = Chunk {
            part: None,
            payload,
            sent: 0,
            to: Some(to),
        };
        if !state.outbox.is_empty() {
            self.enqueue(node, socket, state, chunk, priority);
        } else if !send_one(node, socket, state, &chunk) {
            self.enqueue(node, socket, state, chunk, priority);
            self.watch(socket, state, BOTH);
        }
    }

    pub(crate) fn visit_datagram(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        tools: &mut Tools,
        ready: Ready,
    ) -> Next {
        let mut next = Next::Wait;
        if ready.again && state.reading && is_behind(node, state.owner) {
            next = Next::Behind;
        } else if ready.read {
            next = read_datagrams(node, socket, state, &mut tools.scratch);
        }
        if ready.write && !state.outbox.is_empty() {
            while let Some(chunk) = state.outbox.pop() {
                if !send_one(node, socket, state, &chunk) {
                    state.outbox.put_back(chunk);
                    return next;
                }
            }
            self.watch(socket, state, Interest::READABLE);
            self.flushed(node, socket, state);
        }
        next
    }

    fn watch(&self, socket: &Socket, state: &State, interest: Interest) {
        if let Body::Datagram {
            socket: datagram, ..
        } = &state.body
        {
            // The poller has the descriptor, so only the lack of memory could make this fail.
            let _ = self.reregister(datagram.as_raw_fd(), socket.id, interest);
        }
    }
}

/// `false`: the system takes no more for now. A datagram that cannot be sent at all is logged and
/// dropped; the socket lives on.
fn send_one(node: &Node, socket: &Socket, state: &mut State, chunk: &Chunk) -> bool {
    let (
        Body::Datagram {
            socket: datagram, ..
        },
        Some(to),
    ) = (&state.body, chunk.to)
    else {
        return true;
    };
    loop {
        match datagram.send_to(chunk.rest(), to) {
            Ok(count) => {
                state.count_written(node, count);
                return true;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => {
                let (id, peer, why) = (socket.id, address::text(to), error::text(&error));
                node.log(
                    Address::NONE,
                    format!("socket-server : udp ({id}) send to {peer} error: {why}."),
                );
                return true;
            }
        }
    }
}

fn read_datagrams(node: &Node, socket: &Socket, state: &mut State, scratch: &mut [u8]) -> Next {
    if state.is_over() {
        return Next::Wait;
    }
    state.pending = true;
    let mut budget = BUDGET;
    while state.reading {
        let Body::Datagram {
            socket: datagram, ..
        } = &state.body
        else {
            return Next::Wait;
        };
        match datagram.recv_from(scratch) {
            Ok((count, from)) => {
                state.count_read(node, count);
                let data = match count {
                    0 => raw::empty_payload(),
                    _ => Payload::copy_from(&scratch[..count]),
                };
                event::tell_data(
                    node,
                    state.owner,
                    event::UDP,
                    socket.id,
                    data,
                    &address::encode(from),
                );
                // Small ones cost a call each.
                budget = budget.saturating_sub(count.max(512));
                if budget == 0 {
                    return Next::Again;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                state.pending = false;
                if error.kind() != ErrorKind::WouldBlock {
                    state.tell(node, socket.id, event::ERROR, 0, &error::text(&error));
                }
                return Next::Wait;
            }
        }
    }
    Next::Wait
}

fn open(address: SocketAddr, bind: bool) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking();
    let socket = socket2::Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
    if bind {
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
    }
    Ok(socket.into())
}

//! Sending: at once by the caller if nothing is queued, else into the outbox.

use std::io::{self, ErrorKind};

use welkin_runtime::{Address, Node, Payload};

use crate::bound::Bound;
use crate::event;
use crate::net::Net;
use crate::outbox::{Chunk, Priority};
use crate::raw;
use crate::socket::{Body, Socket, State};

impl Net {
    /// Sends `payload`. `true` means that the socket takes data, not that anything has arrived; `false`
    /// that it is unknown or being closed by the own side (which low priority does not look at).
    ///
    /// Before a connection is there the data waits for it. A socket that was accepted but not started,
    /// or whose peer does not listen any more, drops it.
    pub fn send(&self, node: &Node, id: i32, payload: Payload, priority: Priority) -> bool {
        let Some(socket) = self.table.get(id) else {
            return false;
        };
        let mut state = socket.state.lock();
        let state = &mut *state;
        if state.closing {
            return priority == Priority::Low && !matches!(state.body, Body::Gone);
        }
        match &state.body {
            Body::Gone => false,
            Body::Accepted(_) => true,
            Body::Listening { .. } => {
                node.log(
                    Address::NONE,
                    format!("socket-server error: write to listen fd {id}."),
                );
                true
            }
            Body::Datagram {
                peer: Some(peer), ..
            } => {
                let peer = *peer;
                self.send_datagram(node, &socket, state, payload, peer, priority);
                true
            }
            Body::Datagram { peer: None, .. } => {
                let line = format!("socket-server : set udp ({id}) error: address first.");
                node.log(Address::NONE, line);
                false
            }
            Body::Resolving | Body::Connecting { .. } | Body::Stream(_) | Body::Bound(_) => {
                self.send_stream(node, &socket, state, payload, priority);
                true
            }
        }
    }

    /// As [`Net::send`], of bytes that the caller keeps: they are copied only if they must wait.
    pub fn send_bytes(&self, node: &Node, id: i32, bytes: &[u8], priority: Priority) -> bool {
        let mut sent = 0;
        if !bytes.is_empty()
            && let Some(socket) = self.table.get(id)
        {
            let mut state = socket.state.lock();
            if !state.closing
                && !state.write_ended
                && state.outbox.is_empty()
                && matches!(state.body, Body::Stream(_))
                && let Ok(count) = state.write_direct(bytes)
            {
                state.count_written(node, count);
                sent = count;
                if sent == bytes.len() {
                    return true;
                }
                // Under the same lock, or another sender's bytes could come between the two parts; and
                // as the first of the high list, whatever its own priority, for the same reason.
                self.send_stream(
                    node,
                    &socket,
                    &mut state,
                    Payload::copy_from(&bytes[sent..]),
                    Priority::High,
                );
                return true;
            }
        }
        self.send(node, id, Payload::copy_from(&bytes[sent..]), priority)
    }

    fn send_stream(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        payload: Payload,
        priority: Priority,
    ) {
        if state.write_ended || payload.as_bytes().is_empty() {
            return;
        }
        let mut chunk = Chunk {
            payload,
            part: None,
            sent: 0,
            to: None,
        };
        if state.outbox.is_empty() {
            while !chunk.rest().is_empty() {
                match state.write_direct(chunk.rest()) {
                    Ok(count) => {
                        chunk.sent += count;
                        state.count_written(node, count);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return self.write_failed(node, socket, state, &error),
                }
            }
            if chunk.rest().is_empty() {
                return;
            }
        }
        self.enqueue(node, socket, state, chunk, priority);
    }

    /// Queues a message; the poller, the connection or a thread will go on with it.
    pub(crate) fn enqueue(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        chunk: Chunk,
        priority: Priority,
    ) {
        state.outbox.push(chunk, priority);
        if let Some(kib) = state.outbox.crossed() {
            state.tell(node, socket.id, event::WARNING, kib, "");
        }
        state.ring();
    }
}

impl State {
    fn write_direct(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.body {
            Body::Stream(stream) => stream.send_with_flags(bytes, libc::MSG_NOSIGNAL),
            Body::Bound(Bound::Polled { fd, .. }) => raw::write(*fd, bytes),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

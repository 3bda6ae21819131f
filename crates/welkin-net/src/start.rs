//! `start`: begin to accept or to read, take a socket over, go on after a pause.

use std::os::fd::AsRawFd;

use mio::Interest;
use welkin_runtime::{Address, Node};

use crate::error::LIMIT;
use crate::event;
use crate::net::{BOTH, Net};
use crate::socket::{Body, Socket, State};

impl Net {
    /// Makes `owner` the receiver of the socket's events and lets it read (a listener: accept). CONNECT
    /// follows, or ERROR; a socket that cannot be written any more tells nothing until its CLOSE.
    pub fn start(&self, node: &Node, owner: Address, id: i32) {
        let failed = |text| event::tell(node, owner, event::ERROR, id, 0, text);
        let Some(socket) = self.table.get(id) else {
            return failed("invalid socket");
        };
        let mut state = socket.state.lock();
        let state = &mut *state;
        match &state.body {
            Body::Gone => return failed("invalid socket"),
            _ if state.closing || state.read_ended => return failed("socket closed"),
            _ => {}
        }
        self.table.change_owner(id, state.owner, owner);
        state.owner = owner;
        match &state.body {
            // The CONNECT of these comes when there is a connection.
            Body::Gone | Body::Resolving | Body::Connecting { .. } => {}
            Body::Accepted(_) => self.begin_reading(node, &socket, state),
            Body::Listening { .. } => self.begin_accepting(node, &socket, state),
            Body::Stream(_) | Body::Datagram { .. } | Body::Bound(_) => {
                if !state.write_ended {
                    state.tell(node, id, event::CONNECT, 0, "transfer");
                }
                self.resume(&socket, state);
            }
        }
    }

    fn begin_reading(&self, node: &Node, socket: &Socket, state: &mut State) {
        let Body::Accepted(stream) = std::mem::replace(&mut state.body, Body::Resolving) else {
            unreachable!("asked for by the caller")
        };
        let registered = self.register(stream.as_raw_fd(), socket.id, BOTH);
        state.body = Body::Stream(stream);
        if registered.is_err() {
            self.refuse(node, socket, state);
            return;
        }
        state.reading = true;
        state.tell(node, socket.id, event::CONNECT, 0, "start");
    }

    fn begin_accepting(&self, node: &Node, socket: &Socket, state: &mut State) {
        let Body::Listening {
            socket: listener,
            started,
            ..
        } = &mut state.body
        else {
            unreachable!("asked for by the caller")
        };
        if !*started
            && self
                .register(listener.as_raw_fd(), socket.id, Interest::READABLE)
                .is_err()
        {
            self.refuse(node, socket, state);
            return;
        }
        *started = true;
        state.tell(node, socket.id, event::CONNECT, 0, "start");
        self.resume(socket, state);
    }

    fn resume(&self, socket: &Socket, state: &mut State) {
        state.reading = true;
        if state.pending {
            self.kick(socket.id);
        }
        state.ring();
    }

    /// The poller does not take the descriptor.
    pub(crate) fn refuse(&self, node: &Node, socket: &Socket, state: &mut State) {
        state.tell(node, socket.id, event::ERROR, 0, LIMIT);
        self.end(node, socket, state);
    }
}

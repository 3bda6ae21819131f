//! The own side's ways to end a socket, and to rest.

use welkin_runtime::{Address, Node};

use crate::net::Net;
use crate::socket::Body;

/// See [`Net::read_large`], in bytes. From this size on blocks are kept for the next read.
const READ_LARGE: usize = 256 * 1024;

impl Net {
    /// Ends a socket in good order: CLOSE now, unless it has been raised; no more reading; what is
    /// queued is sent, however long the peer takes, then the descriptor is closed. Unknown ids are
    /// ignored. Any service may ask for it; the owner hears of it.
    pub fn close(&self, node: &Node, _asked_by: Address, id: i32) {
        let Some(socket) = self.table.get(id) else {
            return;
        };
        let mut state = socket.state.lock();
        if state.is_over() {
            return;
        }
        state.tell_close(node, id);
        state.closing = true;
        state.reading = false;
        if state.outbox.is_empty() && !state.is_writing() {
            self.end(node, &socket, &mut state);
        } else {
            state.ring();
        }
    }

    /// Ends a socket at once: what is not sent is dropped. Raises CLOSE unless it has been raised.
    pub fn shutdown(&self, node: &Node, _asked_by: Address, id: i32) {
        let Some(socket) = self.table.get(id) else {
            return;
        };
        let mut state = socket.state.lock();
        if matches!(state.body, Body::Gone) {
            return;
        }
        state.tell_close(node, id);
        state.closing = true;
        self.end(node, &socket, &mut state);
    }

    /// Stops reading, or accepting. Nothing is told, not even that the peer has closed.
    pub fn pause(&self, _node: &Node, _asked_by: Address, id: i32) {
        if let Some(socket) = self.table.get(id) {
            socket.state.lock().reading = false;
        }
    }

    /// Has large messages read in larger pieces than others, of [`READ_LARGE`] bytes at most: for owners that
    /// put them together.
    pub fn read_large(&self, id: i32) {
        if let Some(socket) = self.table.get(id) {
            socket.state.lock().read_max = READ_LARGE;
        }
    }

    /// Switches the delay of small segments off (`TCP_NODELAY`); does nothing to what is not TCP.
    pub fn nodelay(&self, id: i32) {
        let Some(socket) = self.table.get(id) else {
            return;
        };
        let mut state = socket.state.lock();
        match &state.body {
            Body::Resolving => state.nodelay = true,
            Body::Connecting { socket, .. } => {
                // The address may still change, so it is set now and again later.
                let _ = socket.set_tcp_nodelay(true);
                state.nodelay = true;
            }
            Body::Accepted(socket) | Body::Stream(socket) => {
                // Fails only on a connection that is over.
                let _ = socket.set_tcp_nodelay(true);
            }
            _ => {}
        }
    }
}

//! Reading and writing of what is a stream of bytes: TCP connections and bound pipes.
//!
//! Small reads go through the leader's scratch buffer and are copied into a block of their own size;
//! a socket whose last read was large is read straight into a large block. A read that did not fill
//! its room has emptied the socket, and the poller will report what comes later: no second call is made
//! to hear `WouldBlock`.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::Shutdown;

use welkin_runtime::{Node, Payload};

use crate::bound::Bound;
use crate::error;
use crate::event;
use crate::leader::{BUDGET, Next, Ready, Tools, is_behind};
use crate::net::Net;
use crate::outbox::GATHER_MAX;
use crate::raw;
use crate::socket::{Body, Socket, State};

/// From this size of the last read on, in bytes, the next one goes without a copy.
const DIRECT_MIN: usize = 16 * 1024;

impl Net {
    pub(crate) fn visit_stream(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        tools: &mut Tools,
        ready: Ready,
    ) -> Next {
        state.hung_up |= ready.hung_up;
        let mut next = Next::Wait;
        if ready.read {
            next = self.read_stream(node, socket, state, &mut tools.scratch, ready);
        }
        if ready.write && self.flush(node, socket, state) {
            next = Next::Again;
        }
        if state.hung_up && (state.read_ended || state.closing) {
            if !state.closing {
                state.tell_reset(node, socket.id);
            }
            self.end(node, socket, state);
        }
        next
    }

    fn read_stream(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        scratch: &mut [u8],
        ready: Ready,
    ) -> Next {
        if state.read_ended || state.is_over() {
            return Next::Wait;
        }
        state.pending = true;
        if ready.again && state.reading && is_behind(node, state.owner) {
            return Next::Behind;
        }
        let mut budget = BUDGET;
        while state.reading {
            let (data, filled) = match state.read_some(scratch) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    state.pending = false;
                    return Next::Wait;
                }
                Err(error) => {
                    self.read_failed(node, socket, state, &error);
                    return Next::Wait;
                }
            };
            if data.is_empty() {
                self.read_ended(node, socket, state);
                return Next::Wait;
            }
            let count = data.len();
            state.last_read = count;
            state.count_read(node, count);
            event::tell_data(node, state.owner, event::DATA, socket.id, data, b"");
            if !filled && !ready.drain {
                state.pending = false;
                return Next::Wait;
            }
            budget = budget.saturating_sub(count);
            if budget == 0 {
                return Next::Again;
            }
        }
        Next::Wait
    }

    /// The peer has ended its sending side.
    pub(crate) fn read_ended(&self, node: &Node, socket: &Socket, state: &mut State) {
        state.read_ended = true;
        state.pending = false;
        state.tell_close(node, socket.id);
        if state.write_ended {
            self.end(node, socket, state);
        }
    }

    /// Nothing can be read any more, and as such errors come from resets, nothing be written.
    pub(crate) fn read_failed(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        error: &io::Error,
    ) {
        if !state.write_ended {
            state.tell(node, socket.id, event::ERROR, 0, &error::text(error));
        }
        state.tell_close(node, socket.id);
        self.end(node, socket, state);
    }

    /// Sends what is queued until the system takes no more. `true`: it might take more.
    pub(crate) fn flush(&self, node: &Node, socket: &Socket, state: &mut State) -> bool {
        let mut budget = BUDGET;
        while !state.outbox.is_empty() {
            if budget == 0 {
                return true;
            }
            match state.write_some() {
                Ok(count) => {
                    state.outbox.advance(count);
                    state.count_written(node, count);
                    budget = budget.saturating_sub(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    self.write_failed(node, socket, state, &error);
                    return false;
                }
            }
        }
        self.flushed(node, socket, state);
        false
    }

    /// Nothing is queued any more.
    pub(crate) fn flushed(&self, node: &Node, socket: &Socket, state: &mut State) {
        if state.closing {
            self.end(node, socket, state);
        } else if state.outbox.drained() {
            node.memory_freed();
            state.tell(node, socket.id, event::WARNING, 0, "");
        }
    }

    /// A write failed: no more of them. Whether the socket goes on depends on what it still has to
    /// tell: it lives until its CLOSE, and a socket that has raised it ends without a word.
    pub(crate) fn write_failed(
        &self,
        node: &Node,
        socket: &Socket,
        state: &mut State,
        error: &io::Error,
    ) {
        if state.closing || state.read_ended {
            self.end(node, socket, state);
            return;
        }
        if state.outbox.clear() {
            node.memory_freed();
        }
        state.write_ended = true;
        state.tell(node, socket.id, event::ERROR, 0, &error::text(error));
        if let Body::Stream(stream) = &state.body {
            // Fails when the peer has reset the connection; then there is nothing to shut down.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

impl State {
    /// A half-closed socket is over: if that was the peer's doing, because it was sent to after it had left,
    /// the owner is told. Who found out by a write that failed is not: by then it is told nothing more.
    fn tell_reset(&self, node: &Node, id: i32) {
        if let Body::Stream(stream) = &self.body
            && let Ok(Some(error)) = stream.take_error()
        {
            self.tell(node, id, event::ERROR, 0, &error::text(&error));
        }
    }

    /// One read, and whether it filled its room. An empty payload is the end.
    fn read_some(&self, scratch: &mut [u8]) -> io::Result<(Payload, bool)> {
        let count = match &self.body {
            Body::Stream(stream) if self.last_read >= DIRECT_MIN => {
                let data = raw::receive(stream, self.read_max)?;
                let filled = data.len() == self.read_max;
                return Ok((data, filled));
            }
            Body::Stream(stream) => {
                let mut stream = stream;
                stream.read(scratch)?
            }
            Body::Bound(Bound::Polled { fd, .. }) => raw::read(*fd, scratch)?,
            _ => return Err(ErrorKind::WouldBlock.into()),
        };
        Ok((
            Payload::copy_from(&scratch[..count]),
            count == scratch.len(),
        ))
    }

    /// Offers the outbox to the system; how many bytes it took.
    fn write_some(&self) -> io::Result<usize> {
        match &self.body {
            Body::Stream(stream) => {
                let mut slices = [IoSlice::new(&[]); GATHER_MAX];
                let count = self.outbox.gather(&mut slices);
                stream.send_vectored_with_flags(&slices[..count], libc::MSG_NOSIGNAL)
            }
            Body::Bound(Bound::Polled { fd, .. }) => {
                raw::write(*fd, self.outbox.front().map_or(&[], |chunk| chunk.rest()))
            }
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

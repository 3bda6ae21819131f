//! Descriptors of the program's, standard input above all.
//!
//! Pipes and sockets other than the first three descriptors go to the poller, not blocking as long as
//! they are bound. Everything else is served by a thread of its own, blocking: files and devices, which
//! the poller refuses, and standard input, output and error whatever they are, because those are shared
//! with the shell and other processes, whose reads must not become non-blocking by our doing.
//!
//! Closing lets a descriptor go and does not close it. The thread waits for the descriptor and for a
//! pipe, its bell, at once; so it goes too, without taking input that is no longer ours.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::thread;

use mio::Registry;
use mio::unix::SourceFd;
use welkin_runtime::{Address, Node, Payload};

use crate::event;
use crate::leader::BUDGET;
use crate::net::{BOTH, Net};
use crate::raw::{self, FdKind};
use crate::socket::{Body, Socket, State};

/// The first three are shared with whoever started us.
const STDERR: RawFd = 2;

#[derive(Debug)]
pub(crate) enum Bound {
    /// In the poller.
    Polled {
        fd: RawFd,
        /// `O_NONBLOCK` was set before we came.
        was_nonblocking: bool,
    },
    /// Served by a thread.
    Threaded {
        /// One byte says: look at the state again. Dropping it says that all is over.
        bell: PipeWriter,
        /// The bell has been rung and not been heard.
        rung: bool,
        /// The thread is in the middle of a message that has left the outbox.
        writing: bool,
    },
}

impl Bound {
    /// Lets the descriptor go.
    pub fn release(self, registry: &Registry) {
        if let Bound::Polled {
            fd,
            was_nonblocking,
        } = self
        {
            // Both fail only if the program has closed the descriptor itself.
            let _ = registry.deregister(&mut SourceFd(&fd));
            if !was_nonblocking {
                let _ = raw::set_nonblocking(fd, false);
            }
        }
    }
}

impl State {
    /// Whether a thread is in the middle of a message.
    pub fn is_writing(&self) -> bool {
        matches!(
            self.body,
            Body::Bound(Bound::Threaded { writing: true, .. })
        )
    }

    /// Lets the thread of a bound descriptor, if there is one, look at the state again.
    pub fn ring(&mut self) {
        if let Body::Bound(Bound::Threaded {
            bell,
            rung: rung @ false,
            ..
        }) = &mut self.body
        {
            // There is never more than one byte in the pipe, so it takes this one.
            *rung = bell.write_all(b"!").is_ok();
        }
    }
}

impl Net {
    /// Makes a socket of an open descriptor (0: standard input) and reads it. CONNECT or ERROR follows.
    /// The end of a file or of standard input is like a peer's close.
    pub fn bind(self: &Arc<Self>, node: &Arc<Node>, owner: Address, fd: RawFd) -> i32 {
        let socket = match self.add(node, owner, Body::Resolving) {
            Ok(socket) => socket,
            Err(id) => return id,
        };
        let mut state = socket.state.lock();
        let bound = match raw::fd_kind(fd) {
            Ok(FdKind::Pipe) if fd > STDERR => self.poll_bound(socket.id, fd),
            Ok(_) => self.start_thread(node, &socket, fd),
            Err(error) => Err(error),
        };
        match bound {
            Ok(bound) => {
                state.body = Body::Bound(bound);
                state.reading = true;
                state.tell(node, socket.id, event::CONNECT, 0, "binding");
            }
            Err(_) => self.refuse(node, &socket, &mut state),
        }
        socket.id
    }

    fn poll_bound(&self, id: i32, fd: RawFd) -> io::Result<Bound> {
        let was_nonblocking = raw::set_nonblocking(fd, true)?;
        let registered = self.register(fd, id, BOTH);
        if registered.is_err() && !was_nonblocking {
            raw::set_nonblocking(fd, false)?;
        }
        registered.map(|()| Bound::Polled {
            fd,
            was_nonblocking,
        })
    }

    /// The thread looks at the socket once the caller lets go of its lock.
    fn start_thread(
        self: &Arc<Self>,
        node: &Arc<Node>,
        socket: &Arc<Socket>,
        fd: RawFd,
    ) -> io::Result<Bound> {
        let (ears, bell) = pipe()?;
        let thread = BoundThread {
            net: self.clone(),
            node: node.clone(),
            socket: socket.clone(),
            fd,
            ears,
        };
        thread::Builder::new()
            .name("welkin-bind".into())
            .spawn(move || thread.run())?;
        Ok(Bound::Threaded {
            bell,
            rung: false,
            writing: false,
        })
    }
}

/// What a bound descriptor's thread works with.
struct BoundThread {
    net: Arc<Net>,
    node: Arc<Node>,
    socket: Arc<Socket>,
    fd: RawFd,
    ears: PipeReader,
}

enum Task {
    Write(Payload),
    Read,
    /// Paused, or read to the end.
    Rest,
    Leave,
}

impl BoundThread {
    fn run(&self) {
        let mut scratch = vec![0; BUDGET];
        loop {
            match self.next_task() {
                Task::Write(payload) => self.write(&payload),
                Task::Read => {
                    if self.wait(Some(self.fd)) {
                        self.read(&mut scratch);
                    }
                }
                Task::Rest => {
                    self.wait(None);
                }
                Task::Leave => return,
            }
        }
    }

    fn next_task(&self) -> Task {
        let mut state = self.socket.state.lock();
        let next = state.outbox.pop();
        match &mut state.body {
            Body::Bound(Bound::Threaded { writing, .. }) => {
                if let Some(chunk) = next {
                    *writing = true;
                    return Task::Write(chunk.payload);
                }
                if state.reading && !state.read_ended {
                    Task::Read
                } else {
                    Task::Rest
                }
            }
            _ => Task::Leave,
        }
    }

    /// Waits for the bell, and for something to read. `true`: there is, and the bell was silent.
    fn wait(&self, fd: Option<RawFd>) -> bool {
        let (ready, rung) = raw::wait_readable(fd, self.ears.as_raw_fd());
        if !rung {
            return ready;
        }
        let mut state = self.socket.state.lock();
        if let Body::Bound(Bound::Threaded {
            rung: rung @ true, ..
        }) = &mut state.body
        {
            *rung = false;
            // The byte is there: it was written under this lock.
            let _ = raw::read(self.ears.as_raw_fd(), &mut [0]);
        }
        false
    }

    fn read(&self, scratch: &mut [u8]) {
        if !self.socket.state.lock().reading {
            return;
        }
        // Not under the lock: another process may have been faster, and then this waits.
        let got = raw::read(self.fd, scratch);
        let mut state = self.socket.state.lock();
        if state.is_over() {
            return;
        }
        match got {
            Ok(0) => self.net.read_ended(&self.node, &self.socket, &mut state),
            Ok(count) => {
                state.count_read(&self.node, count);
                let data = Payload::copy_from(&scratch[..count]);
                event::tell_data(
                    &self.node,
                    state.owner,
                    event::DATA,
                    self.socket.id,
                    data,
                    b"",
                );
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => self
                .net
                .read_failed(&self.node, &self.socket, &mut state, &error),
        }
    }

    fn write(&self, payload: &Payload) {
        let written = self.write_all(payload.as_bytes());
        let mut state = self.socket.state.lock();
        let Body::Bound(Bound::Threaded { writing, .. }) = &mut state.body else {
            return;
        };
        *writing = false;
        match written {
            Ok(()) => state.count_written(&self.node, payload.as_bytes().len()),
            Err(error) => {
                return self
                    .net
                    .write_failed(&self.node, &self.socket, &mut state, &error);
            }
        }
        if state.outbox.is_empty() {
            self.net.flushed(&self.node, &self.socket, &mut state);
        }
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match raw::write(self.fd, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_passing(&error) => raw::wait_writable(self.fd),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Errors after which the same call is made again. `WouldBlock`: somebody else has made the descriptor
/// non-blocking.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

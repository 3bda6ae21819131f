//! Connections for test clients: plain sockets that block, outside the engine.
//!
//! A client program talks to a node from beside it, without services and messages: it connects and
//! sends in blocking calls and looks for what has come without waiting. Programs name a connection by
//! its file descriptor, a number from the program: it is looked up here, so that a number of something
//! else (a closed connection, a file of the node) is an error and harms nobody.
//!
//! Any thread may call. A connection that one thread closes while another sends on it lives until
//! that send is over; so its number is not given out again before. The number of connections is
//! bounded by the descriptors the system gives a process.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use socket2::SockRef;

use crate::NetError;

struct Connection {
    stream: TcpStream,
    /// Held from the look whether something is there to its reading: between the two nobody else
    /// takes it away, so the reading never waits.
    reading: Mutex<()>,
}

static CONNECTIONS: LazyLock<Mutex<HashMap<RawFd, Arc<Connection>>>> =
    LazyLock::new(Mutex::default);

/// Connects and gives the descriptor. Waits for the peer.
pub fn connect(to: SocketAddrV4) -> Result<RawFd, NetError> {
    let stream = TcpStream::connect(to)?;
    let fd = stream.as_raw_fd();
    let reading = Mutex::new(());
    let connection = Arc::new(Connection { stream, reading });
    CONNECTIONS.lock().insert(fd, connection);
    Ok(fd)
}

/// Sends all of `data`. Waits while the peer does not read.
pub fn send(fd: RawFd, data: &[u8]) -> Result<(), NetError> {
    let connection = find(fd)?;
    (&connection.stream).write_all(data)?;
    Ok(())
}

/// Reads what is there, as much as `room` takes; how many bytes that were. Never waits: `None` if
/// nothing has come, 0 at the end of the stream.
pub fn receive(fd: RawFd, room: &mut [u8]) -> Result<Option<usize>, NetError> {
    let connection = find(fd)?;
    let _reading = connection.reading.lock();
    if !connection.has_input()? {
        return Ok(None);
    }
    let count = uninterrupted(|| (&connection.stream).read(room))?;
    Ok(Some(count))
}

/// Ends one or both directions.
pub fn shutdown(fd: RawFd, which: Shutdown) -> Result<(), NetError> {
    find(fd)?.stream.shutdown(which)?;
    Ok(())
}

/// Closes the connection; what was sent still goes out.
pub fn close(fd: RawFd) -> Result<(), NetError> {
    let closed = CONNECTIONS.lock().remove(&fd);
    closed.map(drop).ok_or_else(bad_descriptor)
}

impl Connection {
    /// Whether a read would not wait: for data, or for the end of the stream.
    fn has_input(&self) -> io::Result<bool> {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let socket = SockRef::from(&self.stream);
        let mut byte = [MaybeUninit::uninit()];
        match uninterrupted(|| socket.recv_with_flags(&mut byte, flags)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn find(fd: RawFd) -> Result<Arc<Connection>, NetError> {
    let connections = CONNECTIONS.lock();
    connections.get(&fd).cloned().ok_or_else(bad_descriptor)
}

/// What the system says of a number that stands for nothing.
fn bad_descriptor() -> NetError {
    NetError::Io(io::Error::from_raw_os_error(libc::EBADF))
}

/// Repeats `call` while signals interrupt it.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use super::*;

    fn pair() -> (RawFd, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            unreachable!("bound to IPv4")
        };
        let fd = connect(address).unwrap();
        (fd, listener.accept().unwrap().0)
    }

    fn wait(fd: RawFd, room: &mut [u8]) -> usize {
        loop {
            if let Some(count) = receive(fd, room).unwrap() {
                return count;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn receiving_does_not_wait_and_takes_what_there_is_room_for() {
        let (fd, mut peer) = pair();
        let mut room = [0; 4];
        assert!(receive(fd, &mut room).unwrap().is_none());
        peer.write_all(b"answer").unwrap();
        assert_eq!(wait(fd, &mut room), 4);
        assert_eq!(&room, b"answ");
        assert_eq!(wait(fd, &mut room), 2);
        assert!(receive(fd, &mut room).unwrap().is_none());
        close(fd).unwrap();
    }

    #[test]
    fn each_side_sees_the_end_of_the_other() {
        let (fd, mut peer) = pair();
        send(fd, b"request").unwrap();
        shutdown(fd, Shutdown::Write).unwrap();
        let mut seen = Vec::new();
        peer.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"request");
        drop(peer);
        assert_eq!(wait(fd, &mut [0; 4]), 0);
        close(fd).unwrap();
    }

    #[test]
    fn a_number_that_is_no_connection_is_an_error() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let other = listener.as_raw_fd();
        let text = "Bad file descriptor";
        assert_eq!(send(other, b"x").unwrap_err().to_string(), text);
        assert_eq!(receive(-1, &mut [0]).unwrap_err().to_string(), text);
        assert_eq!(close(other).unwrap_err().to_string(), text);
        assert!(listener.local_addr().is_ok());
    }
}

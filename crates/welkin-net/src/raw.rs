//! The system calls that the standard library and socket2 have no safe form of, and the one buffer
//! that is filled before it is initialised. The only unsafe code of the crate.
//!
//! File descriptors given to `bind` are numbers from the program: they may be closed or mean something
//! else by now. The system answers such calls with an error; no memory of ours depends on them.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use socket2::{SockAddr, Socket};
use welkin_runtime::{Payload, PayloadBuf};

/// Accepts a connection, not blocking and closed on exec. The address is `None` for odd families.
pub(crate) fn accept(listener: &Socket) -> io::Result<(Socket, Option<SocketAddr>)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: accept4 writes at most `*len` bytes into the storage and sets `*len`, which is what
    // `try_init` asks of its closure.
    let (fd, address) = unsafe {
        SockAddr::try_init(|storage, len| {
            check(libc::accept4(
                listener.as_raw_fd(),
                storage.cast(),
                len,
                flags,
            ))
        })
    }?;
    // SAFETY: `fd` is fresh from accept4 and nobody else has it.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok((socket, address.as_socket()))
}

/// Receives up to `room` bytes straight into a payload; an empty one is the end of the stream.
pub(crate) fn receive(socket: &Socket, room: usize) -> io::Result<Payload> {
    let mut buffer = PayloadBuf::new();
    let count = socket.recv(&mut buffer.spare(room)[..room])?;
    // SAFETY: `recv` has initialised the first `count` bytes.
    unsafe { buffer.filled(count) };
    // A block that is half empty would wait with its bytes.
    Ok(if count > room / 2 {
        buffer.finish()
    } else {
        Payload::copy_from(buffer.as_slice())
    })
}

/// A payload without bytes that is no null pointer: an empty datagram is not "no datagram".
pub(crate) fn empty_payload() -> Payload {
    let (block, _) = Payload::copy_from(&[0]).into_raw();
    // SAFETY: just taken from a payload; none of its bytes counts.
    unsafe { Payload::from_raw(block, 0) }
}

/// The buffer attached to the payload of an event, of which the caller has read that it is not null
/// and has `len` bytes.
pub(crate) fn attached(event: &Payload, len: usize) -> &[u8] {
    // SAFETY: the buffer lives as long as the payload, which is borrowed. Only `event::tell_data`
    // attaches one to a payload that reads as an event, and writes the buffer's own length into it.
    unsafe { std::slice::from_raw_parts(event.attached_ptr().cast_const().cast(), len) }
}

/// Reads from a file descriptor.
pub(crate) fn read(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its length.
    let count = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Writes to a file descriptor.
pub(crate) fn write(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are readable for their length.
    let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// What a file descriptor is, as far as `bind` cares.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum FdKind {
    /// A pipe or a socket: the poller takes it.
    Pipe,
    /// A terminal, a file, a device: a thread reads it.
    Other,
}

/// Looks at a file descriptor. An error: it is not open.
pub(crate) fn fd_kind(fd: RawFd) -> io::Result<FdKind> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat writes the whole struct when it succeeds.
    check(unsafe { libc::fstat(fd, stat.as_mut_ptr()) })?;
    // SAFETY: it has succeeded.
    let mode = unsafe { stat.assume_init() }.st_mode & libc::S_IFMT;
    let pipe = mode == libc::S_IFIFO || mode == libc::S_IFSOCK;
    Ok(if pipe { FdKind::Pipe } else { FdKind::Other })
}

/// Sets or clears `O_NONBLOCK`; what it was before.
pub(crate) fn set_nonblocking(fd: RawFd, on: bool) -> io::Result<bool> {
    // SAFETY: F_GETFL takes no pointer.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    let wanted = if on {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    if wanted != flags {
        // SAFETY: F_SETFL takes an int.
        check(unsafe { libc::fcntl(fd, libc::F_SETFL, wanted) })?;
    }
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// Waits until one of two descriptors can be read or has come to its end; which of them.
pub(crate) fn wait_readable(one: Option<RawFd>, other: RawFd) -> (bool, bool) {
    // A negative descriptor is passed over.
    let [one, other] = wait([one.unwrap_or(-1), other], libc::POLLIN);
    (one, other)
}

/// Waits until `fd` can be written.
pub(crate) fn wait_writable(fd: RawFd) {
    wait([fd], libc::POLLOUT);
}

fn wait<const N: usize>(fds: [RawFd; N], events: libc::c_short) -> [bool; N] {
    let mut fds = fds.map(|fd| libc::pollfd {
        fd,
        events,
        revents: 0,
    });
    loop {
        // SAFETY: the array has as many entries as are announced.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), N as libc::nfds_t, -1) };
        if ready >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return fds.map(|fd| fd.revents != 0);
        }
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

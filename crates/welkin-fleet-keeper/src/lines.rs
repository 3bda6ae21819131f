//! JSON lines over a local socket that does not block, with descriptors beside them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;

use crate::protocol::LINE_MAX;

/// Most descriptors beside one line: lock, pidfd, output.
const FDS_MAX: usize = 3;

/// One side of a conversation: what came and is not yet a line, and the descriptors that came.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    fds: Vec<OwnedFd>,
    over: bool,
}

impl Lines {
    /// Sends one line whole, or fails: with `WouldBlock` when the other side does not read.
    pub fn send<T: Serialize>(
        &mut self,
        to: BorrowedFd<'_>,
        value: &T,
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        let mut sent = 0;
        while sent < line.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
            let mut beside = SendAncillaryBuffer::new(&mut space);
            if sent == 0 && !fds.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let rest = [io::IoSlice::new(&line[sent..])];
            match sendmsg(to, &rest, &mut beside, SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes what there is to read; false: nothing at the moment, or nothing any more ([`Lines::over`]).
    pub fn receive(&mut self, from: BorrowedFd<'_>) -> io::Result<bool> {
        let mut bytes = [0; 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut into = [io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let count = match recvmsg(from, &mut into, &mut beside, flags) {
            Ok(message) => message.bytes,
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => return Ok(true),
            Err(Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
                // Whoever sends more than belongs to a line loses them.
                self.fds.truncate(FDS_MAX);
            }
        }
        if count == 0 {
            self.over = true;
            return Ok(false);
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(true)
    }

    /// The next whole line without its end. An error: it is too long to be one.
    pub fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n');
        match end {
            Some(end) if end <= LINE_MAX => {
                let rest = self.buffer.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                Ok(Some(line))
            }
            None if self.buffer.len() <= LINE_MAX => Ok(None),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line of more than {LINE_MAX} bytes"),
            )),
        }
    }

    /// The descriptors that came so far.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }

    /// Whether the other side has closed; lines may still be there.
    pub fn over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, theirs)
    }

    #[test]
    fn a_line_arrives_whole_with_its_descriptors() {
        let (ours, theirs) = pair();
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut lines = Lines::default();
        lines.send(ours.as_fd(), &"first", &[null.as_fd()]).unwrap();
        lines.send(ours.as_fd(), &"second", &[]).unwrap();
        let mut other = Lines::default();
        while other.receive(theirs.as_fd()).unwrap() {}
        assert_eq!(other.line().unwrap().unwrap(), b"\"first\"");
        assert_eq!(other.line().unwrap().unwrap(), b"\"second\"");
        assert_eq!(other.line().unwrap(), None);
        assert_eq!(other.take_fds().len(), 1);
        drop(ours);
        assert!(!other.receive(theirs.as_fd()).unwrap());
        assert!(other.over());
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_grows() {
        let mut lines = Lines {
            buffer: vec![b'x'; LINE_MAX + 1],
            ..Lines::default()
        };
        assert!(lines.line().is_err());
    }
}

//! A conversation with one keeper.
//!
//! A keeper answers at once or is gone, so each call waits at most [`PATIENCE`]. The news that the node has
//! ended comes unasked: a handle's descriptor becomes readable, [`Handle::heard`] tells what it is.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::lines::Lines;
use crate::os;
use crate::protocol::{Answer, Ask, Running, Who};
use crate::start::SOCKET;
use crate::status::Status;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A living keeper and its node.
#[derive(Debug)]
pub struct Handle {
    who: Who,
    pidfd: OwnedFd,
    output: Option<OwnedFd>,
    stream: UnixStream,
    lines: Lines,
    news: VecDeque<Heard>,
}

/// What a keeper tells unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The node has ended.
    Ended(Status),
    /// The keeper is gone. If it had told no end before, [`crate::agent::find`] says what is left.
    KeeperGone,
}

impl Handle {
    /// As told at the connection.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// The node's main process. Readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to the node's main process, by the pidfd, so it reaches no other. No harm if it has
    /// ended.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        os::signal(self.pidfd.as_fd(), signal)
    }

    /// Kills all processes of the node: its cgroup or its group, and what it left to the keeper.
    pub fn kill(&mut self) -> io::Result<()> {
        self.done(&Ask::Kill)
    }

    /// Output goes to a new file from now on.
    pub fn reopen_log(&mut self) -> io::Result<()> {
        self.done(&Ask::ReopenLog)
    }

    /// How the node ended; `Err(Running)` inside: it runs.
    pub fn status(&mut self) -> io::Result<Result<Status, Running>> {
        match self.ask(&Ask::Status)? {
            Answer::Ended(status) => Ok(Ok(status)),
            Answer::Running(running) => Ok(Err(running)),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks again who it is: with [`crate::start::Stay::Descendants`] the main process changes when the
    /// script has ended.
    pub fn refresh(&mut self) -> io::Result<&Who> {
        let (who, pidfd, output) = self.who_is_it()?;
        self.who = who;
        self.pidfd = pidfd;
        self.output = output;
        Ok(&self.who)
    }

    /// Looks, without waiting, whether something was told unasked. To be called when the descriptor
    /// ([`AsFd`]) is readable, and once after any other call.
    pub fn heard(&mut self) -> io::Result<Option<Heard>> {
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(Some(news));
            }
            match self.next(Instant::now())? {
                Some(Answer::Ended(status)) => return Ok(Some(Heard::Ended(status))),
                Some(_) => {}
                None if self.lines.over() => return Ok(Some(Heard::KeeperGone)),
                None => return Ok(None),
            }
        }
    }

    /// Waits for news at most that long.
    pub fn wait(&mut self, limit: Duration) -> io::Result<Option<Heard>> {
        let until = Instant::now() + limit;
        loop {
            if let Some(news) = self.heard()? {
                return Ok(Some(news));
            }
            if !readable(self.stream.as_fd(), until)? {
                return Ok(None);
            }
        }
    }

    /// The second handle of the node's output, to be kept for [`crate::agent::take_over`]. Never read from
    /// it. None: nobody has it any more.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// What [`crate::agent::take_over`] needs after [`Heard::KeeperGone`].
    pub fn into_orphan(self) -> super::Orphan {
        super::Orphan::new(self.who, self.pidfd, self.output)
    }

    fn done(&mut self, ask: &Ask) -> io::Result<()> {
        match self.ask(ask)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks and waits for the answer; an unasked end that comes before it is kept as news.
    fn ask(&mut self, ask: &Ask) -> io::Result<Answer> {
        self.lines.send(self.stream.as_fd(), ask, &[])?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.next(until)? {
                Some(Answer::Ended(status)) if *ask != Ask::Status => {
                    self.news.push_back(Heard::Ended(status));
                }
                Some(answer) => return Ok(answer),
                None if self.lines.over() => {
                    self.news.push_back(Heard::KeeperGone);
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    fn next(&mut self, until: Instant) -> io::Result<Option<Answer>> {
        next(&mut self.lines, &self.stream, until)
    }

    fn who_is_it(&mut self) -> io::Result<(Who, OwnedFd, Option<OwnedFd>)> {
        match self.ask(&Ask::Who)? {
            Answer::Who(who) => {
                let mut fds = self.lines.take_fds().into_iter();
                let pidfd = fds.next().ok_or(io::ErrorKind::InvalidData)?;
                Ok((who, pidfd, fds.next()))
            }
            other => Err(unexpected(&other)),
        }
    }
}

impl AsFd for Handle {
    /// Readable: there may be news.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Connects to the keeper of a run folder. `NotFound` or `ConnectionRefused`: there is none.
pub fn connect(folder: &Path) -> io::Result<Handle> {
    let stream = os::connect_in(folder, SOCKET)?;
    stream.set_nonblocking(true)?;
    let mut lines = Lines::default();
    lines.send(stream.as_fd(), &Ask::Who, &[])?;
    acquainted(stream, lines)
}

/// A conversation in which the keeper is about to say who it is.
pub(super) fn acquainted(stream: UnixStream, mut lines: Lines) -> io::Result<Handle> {
    let until = Instant::now() + PATIENCE;
    let mut news = VecDeque::new();
    loop {
        match next(&mut lines, &stream, until)? {
            Some(Answer::Who(who)) => {
                let mut fds = lines.take_fds().into_iter();
                let pidfd = fds.next().ok_or(io::ErrorKind::InvalidData)?;
                let output = fds.next();
                return Ok(Handle {
                    who,
                    pidfd,
                    output,
                    stream,
                    lines,
                    news,
                });
            }
            Some(Answer::Ended(status)) => news.push_back(Heard::Ended(status)),
            Some(other) => return Err(unexpected(&other)),
            None if lines.over() => return Err(io::ErrorKind::ConnectionRefused.into()),
            None => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The next answer; none: the time is over, or the stream.
fn next(lines: &mut Lines, stream: &UnixStream, until: Instant) -> io::Result<Option<Answer>> {
    let Some(line) = next_line(lines, stream, until)? else {
        return Ok(None);
    };
    serde_json::from_slice(&line)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The next line; none: the time is over, or the stream.
pub(super) fn next_line(
    lines: &mut Lines,
    stream: &UnixStream,
    until: Instant,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(line) = lines.line()? {
            return Ok(Some(line));
        }
        if lines.receive(stream.as_fd())? {
            continue;
        }
        if lines.over() || !readable(stream.as_fd(), until)? {
            return Ok(None);
        }
    }
}

/// Waits until something can be read; false: the time is over.
fn readable(fd: BorrowedFd<'_>, until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn unexpected(answer: &Answer) -> io::Error {
    match answer {
        Answer::Error(text) => io::Error::other(format!("keeper: {text}")),
        other => io::Error::new(io::ErrorKind::InvalidData, format!("keeper: {other:?}")),
    }
}

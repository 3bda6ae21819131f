//! The node's side of the control socket; what is said on it: `welkin_codec::control`.
//!
//! Each peer's user is asked of the system: it must be the node's own, or root, who could be that user
//! anyway. One thread accepts; each client has one of its own, as they are few (`clients.rs`), and a
//! slow one holds up only itself.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use welkin_codec::control::{Answer, Ask, Lines, Mistake, REQUEST_MAX, Request};

use super::clients::Clients;
use super::{Claim, Control, Stop};
use crate::os::{peer, process, signal};

/// How long one answer may take to be taken by its client.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long a client may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Between two tries to accept when the system has no descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

impl Control {
    /// Answers on the socket from now on.
    pub fn serve(self: &Arc<Self>, claim: Claim) -> io::Result<()> {
        let listener = claim.listener.try_clone()?;
        *self.claim.lock() = Some(claim);
        let control = Arc::clone(self);
        let accepting = thread::Builder::new().name("control".to_owned());
        accepting.spawn(move || control.accept(&listener))?;
        Ok(())
    }

    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        let clients = Arc::new(Clients::default());
        for number in 0.. {
            match listener.accept() {
                Ok((stream, _)) => self.welcome(&clients, number, stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    }

    /// A connection that cannot be served is closed.
    fn welcome(self: &Arc<Self>, clients: &Arc<Clients>, number: u64, stream: UnixStream) {
        match limit(&stream).and_then(|()| is_trusted(&stream)) {
            Ok(true) => {}
            Ok(false) => {
                let user = peer::user_of(&stream).unwrap_or(u32::MAX);
                let own = process::user();
                self.say(format!(
                    "error: the user {user} was refused at the control socket, which is for user {own}"
                ));
                return;
            }
            // A connection that is over already.
            Err(_) => return,
        }
        if clients.add(number, &stream).is_none() {
            return;
        }
        let (control, there) = (Arc::clone(self), Arc::clone(clients));
        let attends = thread::Builder::new().name("control-client".to_owned());
        let attends = attends.spawn(move || {
            // A connection that fails is over; who asked sees that.
            let _ = control.attend(|silent| there.set_silent(number, silent), stream);
            there.remove(number);
        });
        if attends.is_err() {
            clients.remove(number);
        }
    }

    /// Answers on one connection until it ends; `silent` is told when an answer is under way and when
    /// the next request is waited for.
    pub(super) fn attend(
        self: &Arc<Self>,
        silent: impl Fn(bool),
        mut stream: UnixStream,
    ) -> io::Result<()> {
        let mut lines = Lines::new(REQUEST_MAX);
        let mut part = [0; REQUEST_MAX];
        loop {
            while let Some(line) = lines.next_line() {
                let request = match line {
                    Ok(line) => Request::parse(line),
                    Err(_) => Err(Mistake::Garbage(format!(
                        "a line has at most {REQUEST_MAX} bytes"
                    ))),
                };
                silent(false);
                match request {
                    Ok(request) => self.answer(request, &mut stream)?,
                    Err(Mistake::Unknown { id, text }) => {
                        stream.write_all(&Answer::Refused(text).line(id))?;
                    }
                    Err(Mistake::Garbage(text)) => {
                        return stream.write_all(&Answer::Refused(text).line(None));
                    }
                }
                silent(true);
            }
            match stream.read(&mut part)? {
                0 => return Ok(()),
                count => lines.feed(&part[..count]),
            }
        }
    }

    fn answer(self: &Arc<Self>, request: Request, stream: &mut UnixStream) -> io::Result<()> {
        let answer = match request.ask {
            Ask::Status => Answer::Status(Box::new(self.report())),
            Ask::Stop => return self.answer_stop(request.id, stream),
            Ask::Drain { off: false } => Answer::Drain {
                unfinished: self.drain(),
                draining: true,
            },
            Ask::Drain { off: true } => match self.undrain() {
                true => Answer::Drain {
                    draining: false,
                    unfinished: Vec::new(),
                },
                false => Answer::Refused("the node ends, it cannot be ready again".to_owned()),
            },
            Ask::Online { hook } => self.players.ask(&self.node, &hook),
        };
        stream.write_all(&answer.line(request.id))
    }

    fn answer_stop(self: &Arc<Self>, id: Option<u64>, stream: &mut UnixStream) -> io::Result<()> {
        // Before the stop, which may be over before this thread is asked again.
        self.count_waiting(true);
        let stop = self.stop();
        let first = Answer::Stop {
            pid: std::process::id(),
            drains: stop != Stop::Plain,
            exit_ms: self.exit.as_millis() as u64,
        };
        let said = stream.write_all(&first.line(id));
        if stop == Stop::Plain {
            // Also when nobody hears it: it was asked for.
            self.end_by(signal::TERMINATE);
        }
        let (status, unfinished) = self.wait_for_end();
        let said =
            said.and_then(|()| stream.write_all(&Answer::End { status, unfinished }.line(id)));
        self.count_waiting(false);
        said
    }
}

/// Bounds what a peer can make this side wait for.
pub(super) fn limit(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    stream.set_write_timeout(Some(WRITE_LIMIT))
}

/// Whether the other side is the node's user, or root.
pub(super) fn is_trusted(stream: &UnixStream) -> io::Result<bool> {
    let user = peer::user_of(stream)?;
    Ok(user == process::user() || user == 0)
}

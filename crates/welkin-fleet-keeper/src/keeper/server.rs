//! The keeper's socket: a few agents at most, who ask and are answered at once.
//!
//! Only the keeper's own user (and root) is heard. Whoever sends what is no question, or does not read the
//! answers, is told so and dropped; the node never notices.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::net::sockopt::socket_peercred;

use crate::lines::Lines;
use crate::os;
use crate::protocol::{Answer, Ask};
use crate::start::SOCKET;

/// Most conversations at a time; more wait to be accepted.
const CLIENTS_MAX: usize = 16;

/// The socket and who talks on it.
#[derive(Debug)]
pub struct Server {
    pub listener: UnixListener,
    pub clients: Vec<Client>,
}

/// A conversation.
#[derive(Debug)]
pub struct Client {
    pub stream: UnixStream,
    lines: Lines,
    /// Nothing more is to be had from it.
    pub done: bool,
}

impl Server {
    /// Opens the socket in the working folder, which is the run folder.
    pub fn open() -> io::Result<Self> {
        match fs::remove_file(SOCKET) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = os::bind_private(Path::new(SOCKET))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            clients: Vec::new(),
        })
    }

    /// Whether another conversation may begin.
    pub fn has_room(&self) -> bool {
        self.clients.len() < CLIENTS_MAX
    }

    /// Accepts who waits.
    pub fn accept(&mut self) {
        while self.has_room() {
            let Ok((stream, _)) = self.listener.accept() else {
                return;
            };
            if allowed(&stream) {
                self.add(stream);
            }
        }
    }

    /// Begins a conversation.
    pub fn add(&mut self, stream: UnixStream) {
        if stream.set_nonblocking(true).is_ok() {
            self.clients.push(Client {
                stream,
                lines: Lines::default(),
                done: false,
            });
        }
    }

    /// Tells everybody.
    pub fn tell(&mut self, answer: &Answer) {
        for client in &mut self.clients {
            client.answer(answer, &[]);
        }
    }

    /// Forgets who is done.
    pub fn sweep(&mut self) {
        self.clients.retain(|client| !client.done);
    }
}

impl Client {
    /// Takes what came; the questions in it.
    pub fn questions(&mut self) -> Vec<Ask> {
        let mut asked = Vec::new();
        loop {
            match self.lines.line() {
                Ok(Some(line)) => match serde_json::from_slice(&line) {
                    Ok(ask) => asked.push(ask),
                    Err(error) => {
                        self.answer(&Answer::Error(format!("no question: {error}")), &[]);
                        self.done |= !line.starts_with(b"{");
                    }
                },
                Ok(None) => match self.lines.receive(self.stream.as_fd()) {
                    Ok(true) => drop(self.lines.take_fds()),
                    Ok(false) => {
                        self.done |= self.lines.over();
                        return asked;
                    }
                    Err(_) => {
                        self.done = true;
                        return asked;
                    }
                },
                Err(error) => {
                    self.answer(&Answer::Error(error.to_string()), &[]);
                    self.done = true;
                    return asked;
                }
            }
            if self.done || asked.len() > CLIENTS_MAX {
                return asked;
            }
        }
    }

    /// Answers; true: it is on its way.
    pub fn answer(&mut self, answer: &Answer, fds: &[BorrowedFd<'_>]) -> bool {
        let sent = self.lines.send(self.stream.as_fd(), answer, fds).is_ok();
        self.done |= !sent;
        sent
    }
}

fn allowed(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    socket_peercred(stream).is_ok_and(|peer| peer.uid == own || peer.uid.is_root())
}

//! A master that is a thread of the test: it shows what a node says to its master, and answers what the
//! test wants; or it speaks with an agent, word by word.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};
use welkin_fleet_model::wire::Hello;
use welkin_fleet_model::wire::agent::{FromAgent, ToAgent};
use welkin_fleet_model::wire::client::{Command, FromMaster, Outcome, ToMaster};
use welkin_fleet_model::wire::frame::{self, Decoder, Frame};

use crate::processes::wait_until;
use crate::support::PATIENCE_S;

/// What answers a command.
type Answer = fn(&Command) -> Outcome;

/// The running master.
pub struct FakeMaster {
    commands: Receiver<Command>,
    _lock: File,
}

impl FakeMaster {
    /// In `fleet/master` below `folder`, as a node looks for it.
    pub fn start(folder: &Path, answer: Answer) -> Self {
        let dir = folder.join("fleet/master");
        fs::create_dir_all(&dir).expect("temporary folders can be made");
        let lock = File::create(dir.join("lock")).expect("so can files");
        lock.lock().expect("nobody else has it");
        let listener = UnixListener::bind(dir.join("fleet.sock")).expect("so can sockets");
        let (sender, commands) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || serve(stream, &sender, answer));
            }
        });
        Self {
            commands,
            _lock: lock,
        }
    }

    /// The next command that a node has sent.
    pub fn command(&self) -> Command {
        let limit = Duration::from_secs(PATIENCE_S);
        self.commands
            .recv_timeout(limit)
            .expect("a node sends a command")
    }
}

/// The link of an agent to a master that says what the test wants.
pub struct AgentLink {
    stream: UnixStream,
    decoder: Decoder,
}

impl AgentLink {
    /// Waits for the agent that looks for its master at `socket`, which nobody else listens at.
    pub fn accept(socket: &Path) -> Self {
        // Left there by a master that was killed.
        let _ = fs::remove_file(socket);
        let listener = UnixListener::bind(socket).expect("sockets can be made");
        listener.set_nonblocking(true).expect("it is a socket");
        let mut accepted = None;
        wait_until("the agent calls", || {
            accepted = listener.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.expect("it was waited for");
        let limit = Some(Duration::from_secs(PATIENCE_S));
        stream.set_nonblocking(false).expect("it is a socket");
        stream.set_read_timeout(limit).expect("above zero");
        let mut link = Self {
            stream,
            decoder: Decoder::default(),
        };
        let hello: Hello = read(&mut link.stream, &mut link.decoder).expect("it says who it is");
        write(&mut link.stream, &hello);
        link
    }

    pub fn say(&mut self, message: &ToAgent) {
        write(&mut self.stream, message);
    }

    /// What the agent says next that is of interest.
    pub fn wait_for<T>(&mut self, mut of_interest: impl FnMut(FromAgent) -> Option<T>) -> T {
        loop {
            let said = read(&mut self.stream, &mut self.decoder).expect("the agent goes on");
            if let Some(found) = of_interest(said) {
                return found;
            }
        }
    }
}

fn serve(mut stream: UnixStream, sender: &Sender<Command>, answer: Answer) -> Option<()> {
    let mut decoder = Decoder::default();
    let hello: Hello = read(&mut stream, &mut decoder)?;
    write(&mut stream, &hello);
    loop {
        let call: ToMaster = read(&mut stream, &mut decoder)?;
        if let ToMaster::Call { id, command, .. } = call {
            let outcome = Box::new(answer(&command));
            // The test may have ended.
            let _ = sender.send(*command);
            write(&mut stream, &FromMaster::Done { id, outcome });
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(
    stream: &mut UnixStream,
    decoder: &mut Decoder,
) -> Option<T> {
    loop {
        if let Ok(Some(Frame::Message(body))) = decoder.frame() {
            return serde_json::from_slice(body).ok();
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        decoder.room().extend_from_slice(&part[..count]);
    }
}

fn write(stream: &mut UnixStream, message: &impl serde::Serialize) {
    let mut bytes = Vec::new();
    let body = serde_json::to_vec(message).expect("messages can be written");
    frame::message(&mut bytes, &body);
    let _ = stream.write_all(&bytes);
}

/// One row of an outcome.
pub fn row(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(row) => row,
        other => panic!("{other} is no row"),
    }
}

//! A master that is a thread of the test: it shows what a node says to its master, and answers what the
//! test wants.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};
use welkin_fleet_model::wire::Hello;
use welkin_fleet_model::wire::client::{Command, FromMaster, Outcome, ToMaster};
use welkin_fleet_model::wire::frame::{self, Decoder, Frame};

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

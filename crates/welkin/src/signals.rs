//! What the node does on signals.
//!
//! SIGHUP opens the log file again: a SYSTEM message to `.logger`. SIGTERM and SIGINT end the node at
//! once by that signal, as on skynet, but log lines that services have handed to the logger are
//! written first; where something has to happen before the end the node drains (`control/drain.rs`), and
//! the second signal ends it at once. They are handled, not left to the system, because process 1 of a
//! container is immune to signals it does not handle. SIGPIPE is ignored.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use welkin_runtime::{Address, Message, Node, kind};

use crate::control::Control;
use crate::os::signal;

/// For the time before [`handle`]: a terminal that closes must not end a node that is starting.
pub fn prepare() {
    signal::ignore(signal::PIPE);
    signal::ignore(signal::HANGUP);
}

/// Handles the signals from now on, by a thread of its own. After a fork, before the workers start.
pub fn handle(node: &Arc<Node>, control: &Arc<Control>) -> io::Result<()> {
    let pipe = signal::open_pipe()?;
    let (node, control) = (Arc::clone(node), Arc::clone(control));
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || listen(pipe, &node, &control))?;
    signal::deliver(signal::HANGUP, false);
    signal::deliver(signal::TERMINATE, true);
    signal::deliver(signal::INTERRUPT, true);
    Ok(())
}

fn listen(mut pipe: File, node: &Arc<Node>, control: &Arc<Control>) {
    let mut number = [0];
    while pipe.read_exact(&mut number).is_ok() {
        match i32::from(number[0]) {
            signal::HANGUP => reopen_log(node),
            number => control.signalled(number),
        }
    }
}

fn reopen_log(node: &Node) {
    if let Some(logger) = node.name_query(b"logger") {
        // A logger that has ended meanwhile has no file to open.
        let _ = node.post(logger, Message::bare(Address::NONE, 0, kind::SYSTEM));
    }
}

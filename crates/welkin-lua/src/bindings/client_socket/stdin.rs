//! Lines typed at the standard input, for programs that must not wait for them.
//!
//! A thread of its own reads them, from the first question for a line on: a node that only loads the
//! module keeps its standard input for others. It stops reading while [`LINES_MAX`] lines wait, and
//! ends at the end of the input; what that means for the process is the asker's to decide.

use std::io::{self, BufRead, Read};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use parking_lot::Mutex;

/// Lines that nobody has asked for yet.
const LINES_MAX: usize = 1024;

/// Bytes of a line with its end; a longer one comes in pieces.
const LINE_BYTES_MAX: u64 = 1023;

static LINES: LazyLock<Result<Mutex<Receiver<Vec<u8>>>, String>> = LazyLock::new(start);

/// What a question for a line finds.
pub enum Typed {
    /// The next line, without its end.
    Line(Vec<u8>),
    /// Nothing yet.
    Waiting,
    /// The input has ended, and all its lines were given.
    Ended,
}

/// The next line. The error: the system gives no thread.
pub fn next_line() -> Result<Typed, &'static str> {
    let lines = LINES.as_ref().map_err(String::as_str)?;
    Ok(match lines.lock().try_recv() {
        Ok(line) => Typed::Line(line),
        Err(TryRecvError::Empty) => Typed::Waiting,
        Err(TryRecvError::Disconnected) => Typed::Ended,
    })
}

fn start() -> Result<Mutex<Receiver<Vec<u8>>>, String> {
    let (sender, receiver) = sync_channel(LINES_MAX);
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || read_lines(io::stdin().lock(), &sender))
        .map_err(|error| format!("readstdin: no thread to read the standard input: {error}"))?;
    Ok(Mutex::new(receiver))
}

/// Until the input ends or fails, or nobody is there to ask for lines.
fn read_lines(mut input: impl BufRead, lines: &SyncSender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        let read = input
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        if line.is_empty() {
            return;
        }
        line.pop_if(|last| *last == b'\n');
        if lines.send(line).is_err() || read.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<Vec<u8>> {
        let (sender, receiver) = sync_channel(LINES_MAX);
        read_lines(input, &sender);
        drop(sender);
        receiver.iter().collect()
    }

    #[test]
    fn lines_come_without_their_ends() {
        assert_eq!(lines(b"one\n\nlast"), [b"one".as_slice(), b"", b"last"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let mut typed = vec![b'x'; 1500];
        typed.push(b'\n');
        let lengths: Vec<usize> = lines(&typed).iter().map(Vec::len).collect();
        assert_eq!(lengths, [1023, 477]);
    }
}

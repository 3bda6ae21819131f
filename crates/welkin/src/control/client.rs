//! The other side of the control socket, for the commands `stop`, `drain` and `status`.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use welkin_codec::control::{ANSWER_MAX, Answer, Ask, Lines, Request};

use crate::failure::{FAILED, Failure};

/// How long a node may take for an answer beside the time of its hooks.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A connection to a node.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    lines: Lines,
    path: PathBuf,
}

impl Client {
    /// Connects. `None`: no node answers there.
    pub fn connect(path: &Path) -> Result<Option<Client>, Failure> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed(path, &error)),
        };
        stream
            .set_write_timeout(Some(ANSWER_LIMIT))
            .map_err(|error| failed(path, &error))?;
        Ok(Some(Client {
            stream,
            lines: Lines::new(ANSWER_MAX),
            path: path.to_owned(),
        }))
    }

    /// Asks, and waits `extra` longer than for any answer; what came is given as it was said and as it
    /// is understood.
    pub fn ask(&mut self, ask: Ask, extra: Duration) -> Result<(String, Answer), Failure> {
        let request = Request { id: None, ask };
        self.stream
            .write_all(&request.line())
            .map_err(|error| failed(&self.path, &error))?;
        match self.next(extra)? {
            Some((_, Answer::Refused(why))) => Err(Failure::new(
                FAILED,
                format_args!("the node refuses: {why}"),
            )),
            Some(answer) => Ok(answer),
            None => Err(Failure::new(
                FAILED,
                format_args!(
                    "the node at {} closed the connection without an answer. It may have ended, or you may not be its user",
                    self.path.display()
                ),
            )),
        }
    }

    /// The next answer; `None`: the connection has ended.
    pub fn next(&mut self, extra: Duration) -> Result<Option<(String, Answer)>, Failure> {
        let limit = ANSWER_LIMIT.saturating_add(extra);
        self.stream
            .set_read_timeout(Some(limit))
            .map_err(|error| failed(&self.path, &error))?;
        let mut part = [0; 4096];
        loop {
            if let Some(line) = self.lines.next_line() {
                let understood =
                    line.map_err(|_| "a line is too long".to_owned())
                        .and_then(|line| {
                            let text = String::from_utf8_lossy(line).into_owned();
                            Answer::parse(line).map(|(_, answer)| (text, answer))
                        });
                return understood.map(Some).map_err(|why| {
                    Failure::new(
                        FAILED,
                        format_args!("{} does not answer like a node: {why}", self.path.display()),
                    )
                });
            }
            match self.stream.read(&mut part) {
                // The end of a process may also show as a reset.
                Ok(0) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Failure::new(
                        FAILED,
                        format_args!(
                            "the node at {} has not answered for {} s",
                            self.path.display(),
                            limit.as_secs()
                        ),
                    ));
                }
                Err(error) => return Err(failed(&self.path, &error)),
                Ok(count) => self.lines.feed(&part[..count]),
            }
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        FAILED,
        format_args!(
            "cannot speak with the node at {}: {error}. The socket is for the node's own user",
            path.display()
        ),
    )
}

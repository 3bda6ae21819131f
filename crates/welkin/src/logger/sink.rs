//! Where log lines go; `format.rs` says how they look.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use welkin_runtime::{Address, Node};

use super::format::{Format, Writer};
use crate::os::process;

/// Bytes collected before they are written although more lines wait.
const BUFFER_BYTES: usize = 64 * 1024;

/// An open log.
pub struct Sink {
    file: File,
    /// The log file; `None`: standard output, whose lines have no time in skynet's form.
    path: Option<PathBuf>,
    /// Whole lines, not yet written.
    buffer: Vec<u8>,
    lines: u64,
    writer: Writer,
    /// Lines that the system refused, and why.
    unwritten: Option<(u64, String)>,
}

impl Sink {
    /// Opens the file named by the logger's argument, standard output for an empty one. The error is
    /// a text for people.
    pub fn open(argument: &[u8], format: Format) -> Result<Sink, String> {
        let path =
            (!argument.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(argument)));
        let file = match &path {
            Some(path) => open_file(path)?,
            None => std::io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| format!("cannot write to standard output: {error}"))?
                .into(),
        };
        Ok(Sink {
            file,
            writer: Writer::new(format, path.is_some()),
            path,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            lines: 0,
            unwritten: None,
        })
    }

    /// Puts one line behind the others.
    pub fn line(&mut self, node: &Node, source: Address, text: &[u8]) {
        self.writer.line(&mut self.buffer, node, source, text);
        self.lines += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Hands all lines to the system.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        if self.path.is_none() {
            process::flush_c_stdout();
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            let lost = self.unwritten.take().map_or(0, |(lines, _)| lines) + self.lines;
            self.unwritten = Some((lost, error.to_string()));
        }
        self.lines = 0;
        self.buffer.clear();
        // One long line must not keep its memory for ever.
        self.buffer.shrink_to(4 * BUFFER_BYTES);
    }

    /// A line about lines that could not be written, to be tried when the next one comes.
    pub fn take_unwritten(&mut self) -> Option<String> {
        let (lines, reason) = self.unwritten.take()?;
        Some(format!("log: {lines} lines could not be written: {reason}"))
    }

    /// Opens the file again by its name; the old one stays in use when that fails.
    pub fn reopen(&mut self) -> Result<(), String> {
        self.flush();
        if let Some(path) = &self.path {
            self.file = open_file(path).map_err(|reason| {
                format!("log: {reason}. Lines still go to the file that was open before")
            })?;
        }
        Ok(())
    }
}

fn open_file(path: &Path) -> Result<File, String> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| format!("cannot open the log file {}: {error}", path.display()))
}

//! The node's output: from its pipe to files, whatever the disk says.
//!
//! ```text
//! LOGS/000007.log   what the node wrote, as it wrote it; the highest number is written
//! LOGS/000007.idx   16 bytes each: Unix milliseconds, then the offset where what came from then on begins
//! ```
//!
//! A file is at most 16 MiB, there are at most eight. Numbers only grow, so a reader that follows goes on
//! with the next number and nothing is renamed under it. An index entry is written with the first output a
//! second after the one before: so what lies between two entries is at most a second younger than the first.
//!
//! What cannot be written is dropped, for the node must never wait for a disk. Lines are counted, and when
//! it can be written again a line `<n> lines lost: <reason>` stands in their place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::process::now_unix_ms;

/// Largest log file, bytes.
pub const FILE_MAX: u64 = 16 << 20;
/// Most log files.
pub const FILES_MAX: u64 = 8;
/// Shortest time between two entries of the index.
const INDEX_MS: u64 = 1_000;

/// The log files of one node.
#[derive(Debug)]
pub struct Output {
    folder: PathBuf,
    number: u64,
    open: Option<Open>,
    /// Lines that were dropped since something could be written last, and why.
    lost: Option<(u64, String)>,
    /// Lines that were dropped in all.
    lost_total: u64,
    /// The line that comes has lost its beginning: the rest of it goes too.
    skip_line: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    index: Option<File>,
    indexed_ms: u64,
    /// The last byte of the file is a line's end, or there is none.
    at_line: bool,
}

impl Output {
    /// The files of a folder, which need not exist. Nothing is touched before something is written.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            number: numbers(folder).last().copied().unwrap_or(0),
            open: None,
            lost: None,
            lost_total: 0,
            skip_line: false,
        }
    }

    /// Lines dropped so far.
    pub fn lost(&self) -> u64 {
        self.lost_total + self.lost.as_ref().map_or(0, |(lines, _)| *lines)
    }

    /// Whether the notice of lost lines still waits to be written: call [`Output::retry`] now and then.
    pub fn behind(&self) -> bool {
        self.lost.is_some()
    }

    /// Writes what the node wrote, or counts it as lost.
    pub fn write(&mut self, mut bytes: &[u8]) {
        if self.skip_line {
            match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    bytes = &bytes[end + 1..];
                    self.skip_line = false;
                }
                None => return,
            }
        }
        if bytes.is_empty() {
            return;
        }
        if !self.retry() {
            let reason = self.lost.as_ref().map(|(_, reason)| reason.clone());
            return self.lose(bytes, reason.unwrap_or_default());
        }
        while !bytes.is_empty() {
            let room = match self.room(bytes) {
                Ok(room) => room,
                Err(error) => return self.lose(bytes, error.to_string()),
            };
            let (now, later) = bytes.split_at(room);
            if let Err((written, error)) = self.put(now) {
                return self.lose(&bytes[written..], error.to_string());
            }
            bytes = later;
        }
    }

    /// Tries to write the notice of lost lines. True: nothing is lost at the moment.
    pub fn retry(&mut self) -> bool {
        let Some((lines, reason)) = &self.lost else {
            return true;
        };
        let notice = format!("{lines} lines lost: {reason}\n");
        let lines = *lines;
        let written = self.room(notice.as_bytes()).map_err(|error| (0, error));
        let written = written.and_then(|_| {
            let at_line = self.open.as_ref().is_none_or(|open| open.at_line);
            let notice = if at_line {
                notice
            } else {
                format!("\n{notice}")
            };
            self.put(notice.as_bytes())
        });
        match written {
            Ok(()) => {
                self.lost_total += lines;
                self.lost = None;
                true
            }
            // After half a notice the next one begins on a line of its own.
            Err(_) => false,
        }
    }

    /// Goes on in a new file.
    pub fn reopen(&mut self) {
        self.open = None;
        self.number = numbers(&self.folder).last().copied().unwrap_or(0) + 1;
    }

    /// What of `bytes` fits into the open file; opens one if none is, or the one that is is full.
    fn room(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.is_none() {
            self.open_last()?;
        }
        let size = self.open.as_ref().map_or(0, |open| open.size);
        let left = usize::try_from(FILE_MAX.saturating_sub(size)).unwrap_or(usize::MAX);
        if bytes.len() <= left {
            return Ok(bytes.len());
        }
        // The file ends with a line where that can be had.
        let fitting = &bytes[..left];
        if let Some(end) = fitting.iter().rposition(|byte| *byte == b'\n') {
            return Ok(end + 1);
        }
        if left > 0 && !self.open.as_ref().is_none_or(|open| open.at_line) {
            return Ok(left);
        }
        self.rotate()?;
        Ok(bytes.len().min(FILE_MAX as usize))
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        self.number += 1;
        for number in numbers(&self.folder) {
            if number + FILES_MAX <= self.number {
                for ending in ["log", "idx"] {
                    let _ = fs::remove_file(path(&self.folder, number, ending));
                }
            }
        }
        self.open_last()
    }

    fn open_last(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        self.number = self.number.max(1);
        let open = |ending| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(path(&self.folder, self.number, ending))
        };
        let file = open("log")?;
        let size = file.metadata()?.len();
        self.open = Some(Open {
            file,
            size,
            // Without an index the lines are still there; only their times are less known.
            index: open("idx").ok(),
            indexed_ms: 0,
            at_line: size == 0,
        });
        Ok(())
    }

    /// Writes to the open file. An error: how much was written before it.
    fn put(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let Some(open) = &mut self.open else {
            return Err((0, io::ErrorKind::NotFound.into()));
        };
        open.note_time();
        let mut written = 0;
        while written < bytes.len() {
            match open.file.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    open.size += count as u64;
                    open.at_line = bytes[written - 1] == b'\n';
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    /// Counts what is dropped; a line that is not whole counts as one.
    fn lose(&mut self, bytes: &[u8], reason: String) {
        if bytes.is_empty() {
            return;
        }
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.skip_line = bytes.last() != Some(&b'\n');
        let lines = ends + u64::from(self.skip_line);
        let before = self.lost.take().map_or(0, |(lines, _)| lines);
        self.lost = Some((before + lines, reason));
    }
}

impl Open {
    fn note_time(&mut self) {
        let now = now_unix_ms();
        // A clock that was set back begins a new count too.
        if now.abs_diff(self.indexed_ms) < INDEX_MS {
            return;
        }
        let mut entry = [0; 16];
        entry[..8].copy_from_slice(&now.to_le_bytes());
        entry[8..].copy_from_slice(&self.size.to_le_bytes());
        if let Some(index) = &mut self.index
            && index.write_all(&entry).is_ok()
        {
            self.indexed_ms = now;
        }
    }
}

/// Path of a log file or its index.
pub fn path(folder: &Path, number: u64, ending: &str) -> PathBuf {
    folder.join(format!("{number:06}.{ending}"))
}

/// Numbers of the log files of a folder, ascending.
pub fn numbers(folder: &Path) -> Vec<u64> {
    let number = |entry: io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name();
        name.to_str()?.strip_suffix(".log")?.parse().ok()
    };
    let mut numbers: Vec<u64> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(number)
        .collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("wk-output-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn files_end_with_a_line_and_only_eight_stay() {
        let folder = folder("rotate");
        let mut output = Output::new(&folder);
        let line = [b"x".repeat(99_999).as_slice(), b"\n"].concat();
        for _ in 0..(FILE_MAX * 10 / 100_000) {
            output.write(&line);
        }
        let left = numbers(&folder);
        assert_eq!(left.len() as u64, FILES_MAX);
        for number in &left {
            let size = fs::metadata(path(&folder, *number, "log")).unwrap().len();
            assert!(
                size <= FILE_MAX && size.is_multiple_of(100_000),
                "{number}: {size}"
            );
            assert!(path(&folder, *number, "idx").exists());
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn lost_lines_are_counted_where_they_would_stand() {
        let folder = folder("lost");
        let mut output = Output::new(&folder);
        output.write(b"one\nhal");
        output.lose(b"f\ntwo\nthree\nfo", "disk full".into());
        assert!(output.behind());
        assert_eq!(output.lost(), 4);
        output.write(b"ur\nfive\n");
        assert_eq!(
            fs::read_to_string(path(&folder, 1, "log")).unwrap(),
            "one\nhal\n4 lines lost: disk full\nfive\n"
        );
        assert!(!output.behind());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_loses_lines_and_nothing_else() {
        let mut output = Output::new(Path::new("/proc/no/such"));
        output.write(b"a\nb\n");
        output.write(b"c\n");
        assert_eq!(output.lost(), 3);
    }

    #[test]
    fn a_new_keeper_goes_on_in_the_last_file() {
        let folder = folder("again");
        Output::new(&folder).write(b"one\n");
        Output::new(&folder).write(b"two\n");
        let text = fs::read_to_string(path(&folder, 1, "log")).unwrap();
        assert_eq!(text, "one\ntwo\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}

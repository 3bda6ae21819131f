//! A node's output, read back from the files that its keeper writes.
//!
//! `welkin_fleet_keeper::keeper::output` says what the files are: numbers that only grow, the highest is
//! written, beside each an index of times. A reader stands at a file and an offset, so it can follow over
//! the change of files; it holds its file open, so it loses nothing when that is removed meanwhile.

mod clean;
mod since;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use welkin_fleet_keeper::keeper::output::{numbers, path};

pub use clean::{Needed, clean};

/// What is read at a time while looking for the begin of a line.
const BLOCK: u64 = 64 << 10;
/// Longest last line that is told.
const LAST_LINE_MAX: usize = 300;

/// A place in the output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    number: u64,
    offset: u64,
}

/// Reads output from some place on.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    /// Number of the file that is read, or was read last; 0: none yet.
    number: u64,
    file: Option<File>,
}

impl Reader {
    /// Begins so that the last `lines` lines come, of those only what was written from `since_unix_ms` on
    /// (up to a second more). The folder need not exist.
    pub fn open(folder: &Path, lines: u64, since_unix_ms: Option<u64>) -> io::Result<Self> {
        let mut reader = Self {
            folder: folder.to_owned(),
            number: 0,
            file: None,
        };
        let numbers = numbers(folder);
        let Some(first) = numbers.first() else {
            return Ok(reader);
        };
        let first = Place {
            number: *first,
            offset: 0,
        };
        let from = match since_unix_ms {
            Some(since) => since::place(folder, &numbers, since)?.unwrap_or(first),
            None => first,
        };
        let place = last_lines(folder, &numbers, lines, from)?;
        reader.enter(place.number)?;
        if let Some(file) = &mut reader.file {
            file.seek(SeekFrom::Start(place.offset))?;
        }
        Ok(reader)
    }

    /// What comes next, at most `most` bytes. Empty: that was all for now; to follow, ask again later.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        loop {
            let mut next = None;
            // The end of a file counts only when it is seen after the next file: what was written in
            // between would be passed over.
            for _ in 0..2 {
                if let Some(file) = &mut self.file {
                    let count = file.read(&mut bytes)?;
                    if count > 0 {
                        bytes.truncate(count);
                        return Ok(bytes);
                    }
                }
                if next.is_none() {
                    let later = |number: &u64| *number > self.number;
                    next = numbers(&self.folder).into_iter().find(later);
                }
            }
            match next {
                Some(number) => self.enter(number)?,
                None => return Ok(Vec::new()),
            }
        }
    }

    fn enter(&mut self, number: u64) -> io::Result<()> {
        self.number = number;
        self.file = match File::open(path(&self.folder, number, "log")) {
            Ok(file) => Some(file),
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(())
    }
}

/// Where the last `lines` lines begin, but not before `from`.
fn last_lines(folder: &Path, numbers: &[u64], lines: u64, from: Place) -> io::Result<Place> {
    let mut left = lines;
    let mut at_end = true;
    let mut place = from;
    for number in numbers
        .iter()
        .rev()
        .filter(|number| **number >= from.number)
    {
        let file = File::open(path(folder, *number, "log"))?;
        let begin = if *number == from.number {
            from.offset
        } else {
            0
        };
        let mut end = file.metadata()?.len();
        if at_end {
            place = Place {
                number: *number,
                offset: end,
            };
        }
        while end > begin && (left > 0 || at_end) {
            let size = (end - begin).min(BLOCK);
            let mut block = vec![0; usize::try_from(size).unwrap_or(0)];
            file.read_exact_at(&mut block, end - size)?;
            for (at, byte) in block.iter().enumerate().rev() {
                let line_end = *byte == b'\n';
                // The end of the very last line begins no other.
                if line_end && !at_end {
                    if left == 0 {
                        return Ok(place);
                    }
                    left -= 1;
                    if left == 0 {
                        return Ok(Place {
                            number: *number,
                            offset: end - size + at as u64 + 1,
                        });
                    }
                }
                at_end = false;
            }
            end -= size;
        }
        if left == 0 {
            return Ok(place);
        }
        place = Place {
            number: *number,
            offset: begin,
        };
    }
    Ok(place)
}

/// The last line that says something, for the reason of an end. None: there is none.
pub fn last_line(folder: &Path) -> Option<String> {
    let number = numbers(folder).pop()?;
    let file = File::open(path(folder, number, "log")).ok()?;
    let end = file.metadata().ok()?.len();
    let size = end.min(4096);
    let mut block = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut block, end - size).ok()?;
    let text = String::from_utf8_lossy(&block);
    let mut lines = text.lines().map(str::trim);
    let line = lines.rfind(|line| !line.is_empty())?;
    Some(line.chars().take(LAST_LINE_MAX).collect())
}

/// The last bytes of what comes in pieces: output of scripts.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    most: usize,
}

impl Tail {
    /// Keeps at most that many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            most,
        }
    }

    /// One more piece.
    pub fn push(&mut self, piece: &[u8]) {
        let piece = &piece[piece.len().saturating_sub(self.most)..];
        let over = (self.bytes.len() + piece.len()).saturating_sub(self.most);
        self.bytes.drain(..over);
        self.bytes.extend(piece);
    }

    /// All that is kept.
    pub fn text(&self) -> String {
        let (first, second) = self.bytes.as_slices();
        String::from_utf8_lossy(&[first, second].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// A folder that is removed with the test.
    pub(super) struct Folder(pub PathBuf);

    impl Folder {
        pub fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("wk-logs-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        pub fn write(&self, number: u64, text: &str) {
            let file = path(&self.0, number, "log");
            let mut file = File::options()
                .append(true)
                .create(true)
                .open(file)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        pub fn read(&self, lines: u64, since: Option<u64>) -> String {
            all(&mut Reader::open(&self.0, lines, since).unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn all(reader: &mut Reader) -> String {
        let mut text = Vec::new();
        loop {
            let piece = reader.read(7).unwrap();
            if piece.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend(piece);
        }
    }

    #[test]
    fn the_last_lines_go_over_the_change_of_files() {
        let folder = Folder::new("last");
        folder.write(3, "one\ntwo\n");
        folder.write(4, "three\nfour\nfi");
        assert_eq!(folder.read(0, None), "");
        assert_eq!(folder.read(1, None), "fi");
        assert_eq!(folder.read(3, None), "three\nfour\nfi");
        assert_eq!(folder.read(4, None), "two\nthree\nfour\nfi");
        assert_eq!(folder.read(100, None), "one\ntwo\nthree\nfour\nfi");
        folder.write(4, "ve\n");
        assert_eq!(folder.read(2, None), "four\nfive\n");
        folder.write(5, &"x".repeat(200_000));
        assert_eq!(folder.read(1, None).len(), 200_000);
        assert!(folder.read(2, None).starts_with("five\nx"));
    }

    #[test]
    fn a_line_may_begin_in_one_file_and_end_in_the_next() {
        let folder = Folder::new("cut");
        folder.write(1, "a\nbe");
        folder.write(2, "gin\nlast\n");
        assert_eq!(folder.read(2, None), "begin\nlast\n");
        assert_eq!(folder.read(1, None), "last\n");
    }

    #[test]
    fn who_follows_misses_nothing() {
        let folder = Folder::new("follow");
        let mut reader = Reader::open(&folder.0, 10, None).unwrap();
        assert_eq!(all(&mut reader), "");
        folder.write(1, "a\n");
        assert_eq!(all(&mut reader), "a\n");
        folder.write(1, "b\n");
        folder.write(2, "c\n");
        fs::remove_file(path(&folder.0, 1, "log")).unwrap();
        assert_eq!(all(&mut reader), "b\nc\n");
        assert_eq!(all(&mut reader), "");
        folder.write(7, "d\n");
        assert_eq!(all(&mut reader), "d\n");
    }

    #[test]
    fn the_last_line_says_why() {
        let folder = Folder::new("line");
        assert_eq!(last_line(&folder.0), None);
        folder.write(1, "first\nmodule 'x' not found\n\n  \n");
        assert_eq!(last_line(&folder.0).unwrap(), "module 'x' not found");
    }

    #[test]
    fn a_tail_keeps_the_end() {
        let mut tail = Tail::new(5);
        tail.push(b"abc");
        tail.push(b"def");
        assert_eq!(tail.text(), "bcdef");
        tail.push(b"0123456789");
        assert_eq!(tail.text(), "56789");
    }
}

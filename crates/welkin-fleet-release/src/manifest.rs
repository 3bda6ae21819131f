//! The list of what a release holds, and its digest.
//!
//! ```text
//! welkin release 1
//! - 120 <SHA-256 of the content> config/login
//! x 5120 <SHA-256> welkin
//! l 8 <SHA-256 of the target> latest
//! ```
//!
//! A line an entry, sorted by the bytes of the path: kind (`-` file, `x` executable file, `l` link), size in
//! bytes, SHA-256, path. Folders are not listed: a release is its files, and has the folders they lie in.
//! There is one text for a release, and reading refuses every other, so that the digest of a text is the
//! digest of what it lists.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::folder::Found;
use crate::{Error, Limits, digest, folder, path};

const FIRST_LINE: &str = "welkin release 1\n";

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A file that can be run.
    Executable,
    /// A symbolic link.
    Link,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Self::File => '-',
            Self::Executable => 'x',
            Self::Link => 'l',
        }
    }
}

/// One file or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative, `/` between its parts.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its content, of a link: of its target.
    pub size: u64,
    /// SHA-256 of that, 64 hex digits.
    pub sha256: String,
}

/// What a release holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
}

impl Manifest {
    /// Of entries in any order, no path twice.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries }
    }

    /// Of what lies in a folder. Refuses what no release may have.
    pub fn of_folder(dir: &Path, limits: &Limits) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for (path, found) in folder::walk(dir, limits)? {
            entries.push(match found {
                Found::File { executable, size } => {
                    let mut file =
                        File::open(dir.join(&path)).map_err(Error::at(Path::new(&path)))?;
                    let mut content = Listed::new(&mut file);
                    io::copy(&mut content, &mut io::sink())?;
                    let entry = content.entry(path, executable);
                    if entry.size != size {
                        return Err(Error::entry(entry.path, "it changed while it was read"));
                    }
                    entry
                }
                Found::Link { target } => link_entry(path, &target),
            });
        }
        Ok(Self::new(entries))
    }

    /// The entries, sorted by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of all content.
    pub fn unpacked(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    /// The text that is digested and signed.
    pub fn text(&self) -> String {
        let mut text = FIRST_LINE.to_owned();
        for entry in &self.entries {
            let (kind, size) = (entry.kind.letter(), entry.size);
            // Writing to a text does not fail.
            let _ = writeln!(text, "{kind} {size} {} {}", entry.sha256, entry.path);
        }
        text
    }

    /// Full digest of the release: 64 hex digits.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.text()))
    }

    /// Reads a text. Only the one that [`Manifest::text`] writes is taken.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |line: &str| Error::Archive(format!("manifest line {line:?}"));
        let lines = text
            .strip_prefix(FIRST_LINE)
            .ok_or_else(|| wrong(text.lines().next().unwrap_or_default()))?;
        let mut entries: Vec<Entry> = Vec::new();
        for line in lines.split_inclusive('\n') {
            let entry = parse_line(line).ok_or_else(|| wrong(line))?;
            if entries.last().is_some_and(|last| last.path >= entry.path) {
                return Err(wrong(line));
            }
            entries.push(entry);
        }
        let manifest = Self { entries };
        if manifest.text() != text {
            return Err(Error::Archive("a manifest in another form".to_owned()));
        }
        Ok(manifest)
    }
}

fn parse_line(line: &str) -> Option<Entry> {
    let mut words = line.strip_suffix('\n')?.splitn(4, ' ');
    let kind = match words.next()? {
        "-" => Kind::File,
        "x" => Kind::Executable,
        "l" => Kind::Link,
        _ => return None,
    };
    let size = words.next()?.parse().ok()?;
    let sha256 = words.next().filter(|hash| digest::is_digest(hash))?;
    let path = words.next()?;
    if path::clean(path.as_bytes()).ok()??.as_str() != path {
        return None;
    }
    Some(Entry {
        path: path.to_owned(),
        kind,
        size,
        sha256: sha256.to_owned(),
    })
}

/// Content that is listed while somebody reads it.
pub(crate) struct Listed<R> {
    content: R,
    hash: Sha256,
    size: u64,
}

impl<R: Read> Listed<R> {
    pub(crate) fn new(content: R) -> Self {
        Self {
            content,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// What was read so far, as an entry.
    pub(crate) fn entry(self, path: String, executable: bool) -> Entry {
        Entry {
            path,
            kind: if executable {
                Kind::Executable
            } else {
                Kind::File
            },
            size: self.size,
            sha256: hex(&self.hash.finalize()),
        }
    }
}

impl<R: Read> Read for Listed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(out)?;
        self.hash.update(&out[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

pub(crate) fn link_entry(path: String, target: &str) -> Entry {
    Entry {
        path,
        kind: Kind::Link,
        size: target.len() as u64,
        sha256: hex(&Sha256::digest(target)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

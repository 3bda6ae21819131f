//! The entries of a zip.
//!
//! The directory at its end says what is in it, entry by entry, twice of the same name if it is so (common
//! libraries keep one of them without a word); the header in front of an entry must name the same. Stored
//! and deflated entries are read. Not read: what is encrypted, in several parts, or larger than 4 GiB.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::stage::Stage;
use crate::{Error, Limits};

const END: [u8; 4] = *b"PK\x05\x06";
const END_LEN: usize = 22;
const LISTED: [u8; 4] = *b"PK\x01\x02";
const LISTED_LEN: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_LEN: usize = 30;
/// Longest remark behind the directory.
const REMARK_MAX: u64 = 65_535;
/// Most bytes of a directory for each file that the limits allow.
const LISTED_MAX: u64 = 2048;

const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// What the directory says of an entry.
struct Listed {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    /// As of `stat`, where a Unix made the archive; else 0.
    mode: u32,
    at: u32,
}

/// Reads all entries into `stage`.
pub(super) fn read(
    mut input: impl Read + Seek,
    stage: &mut Stage,
    limits: &Limits,
) -> Result<(), Error> {
    let (directory, at) = read_directory(&mut input, limits)?;
    let mut rest = directory.as_slice();
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(read_listed(&mut rest)?);
    }
    for entry in &entries {
        take(&mut input, entry, u64::from(at), stage)?;
    }
    Ok(())
}

/// The directory's bytes, and where it begins.
fn read_directory(
    input: &mut (impl Read + Seek),
    limits: &Limits,
) -> Result<(Vec<u8>, u32), Error> {
    let len = input.seek(SeekFrom::End(0))?;
    let from = len.saturating_sub(END_LEN as u64 + REMARK_MAX);
    input.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    input
        .take(END_LEN as u64 + REMARK_MAX)
        .read_to_end(&mut tail)?;
    // The remark must reach to the end exactly: so there is one reading of the file.
    let end = (0..=tail.len().saturating_sub(END_LEN))
        .rev()
        .find(|&at| {
            let end = &tail[at..];
            end.starts_with(&END)
                && end.len() >= END_LEN
                && usize::from(u16_at(end, 20)) == end.len() - END_LEN
        })
        .ok_or_else(|| bad("its directory is missing"))?;
    let record = &tail[end..];
    let (count, size, at) = (u16_at(record, 10), u32_at(record, 12), u32_at(record, 16));
    if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 || u16_at(record, 8) != count {
        return Err(bad("it is one of several parts"));
    }
    if count == u16::MAX || size == u32::MAX || at == u32::MAX {
        return Err(bad(
            "it is a zip64; use tar.gz or tar.zst for what is so large",
        ));
    }
    if u64::from(at) + u64::from(size) != from + end as u64 {
        return Err(bad("its directory is not where it says"));
    }
    if u64::from(size) > limits.files_max.saturating_mul(LISTED_MAX) {
        return Err(Error::TooLarge("the directory of the zip".to_owned()));
    }
    input.seek(SeekFrom::Start(at.into()))?;
    let mut directory = Vec::new();
    input.take(size.into()).read_to_end(&mut directory)?;
    Ok((directory, at))
}

fn read_listed(rest: &mut &[u8]) -> Result<Listed, Error> {
    let head = rest
        .split_off(..LISTED_LEN)
        .filter(|head| head.starts_with(&LISTED))
        .ok_or_else(|| bad("its directory is cut off"))?;
    let lens = [28, 30, 32].map(|at| usize::from(u16_at(head, at)));
    let body = rest
        .split_off(..lens.iter().sum::<usize>())
        .ok_or_else(|| bad("its directory is cut off"))?;
    // Made by: 3 is Unix, 19 is macOS; of others the mode means something else.
    let unix = matches!(head[5], 3 | 19);
    Ok(Listed {
        name: body[..lens[0]].to_vec(),
        flags: u16_at(head, 8),
        method: u16_at(head, 10),
        crc: u32_at(head, 16),
        packed: u32_at(head, 20),
        size: u32_at(head, 24),
        mode: if unix { u32_at(head, 38) >> 16 } else { 0 },
        at: u32_at(head, 42),
    })
}

fn take(
    input: &mut (impl Read + Seek),
    listed: &Listed,
    end: u64,
    stage: &mut Stage,
) -> Result<(), Error> {
    let refuse = |what: &str| {
        let name = String::from_utf8_lossy(&listed.name);
        Err(Error::entry(name, what))
    };
    if listed.flags & ENCRYPTED != 0 {
        return refuse("it is encrypted");
    }
    let data = match local_data(input, listed)? {
        Some(data) => data,
        None => return refuse("its two headers do not agree"),
    };
    if data + u64::from(listed.packed) > end {
        return refuse("it reaches into the directory");
    }
    input.seek(SeekFrom::Start(data))?;
    let packed = input.take(listed.packed.into());
    let mut content: Checked<Box<dyn Read + '_>> = Checked {
        content: match listed.method {
            STORED => Box::new(packed),
            DEFLATED => Box::new(DeflateDecoder::new(packed)),
            _ => return refuse("it is compressed in a way other than deflate"),
        },
        crc: Crc::new(),
        left: listed.size.into(),
        due: listed.crc,
    };
    const KIND: u32 = 0o170_000;
    match listed.mode & KIND {
        0o040_000 => stage.folder(&listed.name),
        0 if listed.name.ends_with(b"/") => stage.folder(&listed.name),
        0 | 0o100_000 => stage.file(&listed.name, listed.mode & 0o111 != 0, &mut content),
        0o120_000 => {
            let mut target = Vec::new();
            content.by_ref().take(4096).read_to_end(&mut target)?;
            stage.link(&listed.name, &target)
        }
        0o060_000 | 0o020_000 => refuse("it is a device"),
        0o010_000 => refuse("it is a pipe"),
        0o140_000 => refuse("it is a socket"),
        _ => refuse("it is of a kind that no release has"),
    }
}

/// Where the entry's data begins. None: the header in front of it names something else.
fn local_data(input: &mut (impl Read + Seek), listed: &Listed) -> Result<Option<u64>, Error> {
    input.seek(SeekFrom::Start(listed.at.into()))?;
    let mut head = [0; LOCAL_LEN];
    input.read_exact(&mut head)?;
    let names = u16_at(&head, 26);
    let mut name = Vec::new();
    input.take(names.into()).read_to_end(&mut name)?;
    if !head.starts_with(&LOCAL) || name != listed.name {
        return Ok(None);
    }
    let len = LOCAL_LEN as u64 + u64::from(names) + u64::from(u16_at(&head, 28));
    Ok(Some(u64::from(listed.at) + len))
}

/// Content that must have the length and checksum that were announced.
struct Checked<R> {
    content: R,
    crc: Crc,
    left: u64,
    due: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let count = self.content.read(out)?;
        self.crc.update(&out[..count]);
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| invalid("an entry is longer than it says"))?;
        if count == 0 && (self.left > 0 || self.crc.sum() != self.due) {
            return Err(invalid("an entry is not what was packed"));
        }
        Ok(count)
    }
}

fn bad(what: &str) -> Error {
    Error::Archive(what.to_owned())
}

/// The callers have the bytes.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

//! The entries of a tar.
//!
//! Read raw, with the long names of GNU and POSIX put together here: the library would take a name of any
//! length into memory.

use std::io::{self, Read};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use crate::Error;
use crate::stage::Stage;

/// Longest block of names and attributes in front of an entry.
const EXTENSION_MAX: u64 = 64 << 10;

/// What stood in front of an entry, about it.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Reads all entries into `stage`.
pub(super) fn read(input: impl Read, stage: &mut Stage) -> Result<(), Error> {
    let mut archive = Archive::new(input);
    let mut ahead = Ahead::default();
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => ahead.path = Some(long_name(&mut entry)?),
            EntryType::GNULongLink => ahead.link = Some(long_name(&mut entry)?),
            EntryType::XHeader => extend(&mut ahead, &mut entry)?,
            // Remarks about the archive as a whole.
            EntryType::XGlobalHeader => {}
            _ => take(&mut entry, std::mem::take(&mut ahead), stage)?,
        }
    }
    // A checksum at the end of the compressed stream is only seen by who reads so far.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

fn take(entry: &mut Entry<'_, impl Read>, ahead: Ahead, stage: &mut Stage) -> Result<(), Error> {
    let header = entry.header();
    let kind = header.entry_type();
    let name = ahead
        .path
        .unwrap_or_else(|| header.path_bytes().into_owned());
    let shown = String::from_utf8_lossy(&name).into_owned();
    let link = ahead
        .link
        .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
        .unwrap_or_default();
    if ahead
        .size
        .is_some_and(|size| Some(size) != header.entry_size().ok())
    {
        return Err(Error::entry(shown, "it has two sizes"));
    }
    let executable = header.mode()? & 0o111 != 0;
    match kind {
        // Archives from before POSIX have folders by their names alone.
        EntryType::Regular if name.ends_with(b"/") => stage.folder(&name),
        EntryType::Regular | EntryType::Continuous => {
            let size = header.entry_size()?;
            let mut content = Whole { entry, left: size };
            stage.file(&name, executable, &mut content)
        }
        EntryType::Directory => stage.folder(&name),
        EntryType::Symlink => stage.link(&name, &link),
        EntryType::Link => stage.hard_link(&name, &link),
        EntryType::Block | EntryType::Char => Err(Error::entry(shown, "it is a device")),
        EntryType::Fifo => Err(Error::entry(shown, "it is a pipe")),
        EntryType::GNUSparse => Err(Error::entry(
            shown,
            "it is a sparse file; pack it without holes",
        )),
        other => Err(Error::entry(
            shown,
            format!(
                "it is of a kind that no release has ({:#04x})",
                other.as_byte()
            ),
        )),
    }
}

fn long_name(entry: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut name = extension(entry)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn extension(entry: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    entry.take(EXTENSION_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > EXTENSION_MAX {
        return Err(Error::TooLarge("attributes of more than 64 KiB".to_owned()));
    }
    Ok(bytes)
}

fn extend(ahead: &mut Ahead, entry: &mut impl Read) -> Result<(), Error> {
    let bytes = extension(entry)?;
    for attribute in PaxExtensions::new(&bytes) {
        let attribute = attribute?;
        let value = attribute.value_bytes();
        match attribute.key_bytes() {
            b"path" => ahead.path = Some(value.to_vec()),
            b"linkpath" => ahead.link = Some(value.to_vec()),
            b"size" => {
                let size = str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                ahead.size = Some(size.unwrap_or(u64::MAX));
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(Error::Archive(
                    "it has sparse files; pack them without holes".to_owned(),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Content whose end before its length is an error, not an end.
struct Whole<'a, R> {
    entry: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Whole<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.entry.read(out)?;
        if count == 0 && self.left > 0 && !out.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it is cut off",
            ));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

//! A backup: the state as of one moment, and files beside it, sealed by a passphrase.
//!
//! ```text
//! age file (see seal)
//!   gzip
//!     tar: backup.json   format, when
//!          state.jsonl   each record of each table a line
//!          ...           the files that were named, by their names
//! ```
//!
//! So a backup is opened without welkin too: `age -d FILE | tar tz`. The state is taken from one snapshot
//! while changes go on; it is written record by record, not as pages, so that a restore begins with a
//! fresh file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use redb::TableHandle;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::look::{Look, Raw};
use crate::seal::Sealer;
use crate::tables;

/// First entry.
pub(crate) const ABOUT: &str = "backup.json";
/// Second entry.
pub(crate) const STATE: &str = "state.jsonl";
/// Version of the layout above.
pub(crate) const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) format: u32,
    pub(crate) unix_ms: u64,
}

/// A line of [`STATE`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) table: String,
    pub(crate) key: String,
    /// Of records of a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u64>,
    /// The value, where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// The value, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
}

impl Line {
    fn new(table: &str, key: &str, number: Option<u64>, value: &[u8]) -> Self {
        let text = std::str::from_utf8(value).ok().map(str::to_owned);
        Self {
            table: table.to_owned(),
            key: key.to_owned(),
            number,
            base64: text.is_none().then(|| BASE64.encode(value)),
            text,
        }
    }

    /// The value's bytes.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        match (&self.text, &self.base64) {
            (Some(text), None) => Some(text.clone().into_bytes()),
            (None, Some(base64)) => BASE64.decode(base64).ok(),
            _ => None,
        }
    }
}

impl Store {
    /// Writes a backup to `out`: the state, and the files of `beside` under the names given there
    /// (relative, `/` between folders). `unix_ms` is now. The store goes on working meanwhile; only a store
    /// whose disk has failed waits with its opening for the end of this.
    pub fn backup(
        &self,
        out: impl Write,
        passphrase: &str,
        beside: &[(String, PathBuf)],
        unix_ms: u64,
    ) -> io::Result<()> {
        let sealer = Sealer::new(io::BufWriter::new(out), passphrase)?;
        let mut tar = tar::Builder::new(GzEncoder::new(sealer, Compression::fast()));
        let about = About {
            format: FORMAT,
            unix_ms,
        };
        let about = serde_json::to_vec(&about)?;
        entry(&mut tar, ABOUT, about.len() as u64, &mut about.as_slice())?;
        let state = self.look(|look| {
            // The length stands in front of the content: the same snapshot is gone through twice.
            let mut count = Counter(0);
            lines(look, &mut count)?;
            spill(look, count.0, &mut tar)
        });
        state.map_err(|trouble| trouble.0)?;
        for (name, path) in beside {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            let mut file = File::open(path).map_err(named)?;
            let len = file.metadata()?.len();
            entry(&mut tar, name, len, &mut file).map_err(named)?;
        }
        tar.into_inner()?.finish()?.finish()?.flush()
    }
}

/// Errors of disk and store alike, where both may come.
struct Trouble(io::Error);

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self(io::Error::other(error.to_string()))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// Writes the state as an entry of `len` bytes.
fn spill(look: &Look, len: u64, tar: &mut tar::Builder<impl Write>) -> Result<(), Trouble> {
    let mut header = header(len);
    header.set_path(STATE)?;
    header.set_cksum();
    let out = tar.get_mut();
    out.write_all(header.as_bytes())?;
    lines(look, out)?;
    let short = (512 - len % 512) % 512;
    out.write_all(&[0; 512][..short as usize])?;
    Ok(())
}

fn lines(look: &Look, out: &mut impl Write) -> Result<(), Trouble> {
    let mut failed = None;
    let mut put = |line: Line| {
        if failed.is_none() {
            failed = write_line(out, &line).err();
        }
    };
    for table in tables::DOCUMENTS {
        look.all(table, &mut |key, value| {
            put(Line::new(table.name(), key, None, value));
            Ok(())
        })?;
    }
    for table in tables::LOGS {
        look.whole_log(table, &mut |key, number, value| {
            put(Line::new(table.name(), key, Some(number), value));
            Ok(())
        })?;
    }
    failed.map_or(Ok(()), |error| Err(Trouble(error)))
}

fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    // At once: what is below works on each piece that it is given.
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

fn header(len: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_size(len);
    header
}

fn entry(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    len: u64,
    content: &mut dyn Read,
) -> io::Result<()> {
    let mut content = content.take(len);
    tar.append_data(&mut header(len), name, &mut content)?;
    if content.limit() > 0 {
        return Err(io::Error::other("it became shorter while it was read"));
    }
    Ok(())
}

struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

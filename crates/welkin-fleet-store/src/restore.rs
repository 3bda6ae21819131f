//! A backup becomes a master's folder again.
//!
//! Into an empty folder only, so that no state can be lost by it. Everything is brought to disk in a
//! folder of its own below it first and then renamed into place, the state last: a restore that was cut
//! off leaves no folder that a master would start in.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::{fmt, str};

use flate2::read::GzDecoder;
use redb::{Table, TableHandle, WriteTransaction};

use crate::backup::{ABOUT, About, FORMAT, Line, STATE};
use crate::change::Change;
use crate::error::StoreError;
use crate::records::Restored;
use crate::seal::{Opener, SealError};
use crate::store::FILE;
use crate::{file, tables};

const STAGING: &str = ".restoring";

/// Why nothing was restored. The folder is as empty as before.
#[derive(Debug)]
pub enum RestoreError {
    /// Something is in the folder.
    NotEmpty(PathBuf),
    /// The backup is sealed by another passphrase.
    Passphrase,
    /// It is no backup of a fleet.
    Foreign(String),
    /// It was one.
    Damaged(String),
    /// Reading or writing failed.
    Io(io::Error),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEmpty(path) => write!(
                out,
                "{} is not empty; a backup is restored into an empty folder only",
                path.display()
            ),
            Self::Passphrase => write!(out, "the passphrase is not the one of this backup"),
            Self::Foreign(what) => write!(out, "not a backup of a fleet: {what}"),
            Self::Damaged(what) => write!(out, "the backup is damaged: {what}"),
            Self::Io(error) => write!(out, "{error}"),
        }
    }
}

impl std::error::Error for RestoreError {}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What decoders say of bytes that are not theirs.
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl From<SealError> for RestoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Foreign(what) => Self::Foreign(what.to_owned()),
            SealError::Passphrase => Self::Passphrase,
            SealError::Damaged => Self::Damaged("its header".to_owned()),
            SealError::Io(error) => error.into(),
        }
    }
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(why) => Self::Io(io::Error::other(why)),
            StoreError::Damaged(what) | StoreError::Unfit(what) => Self::Damaged(what),
        }
    }
}

/// Brings a backup into `dir`, which is empty or not there yet. `unix_ms` is now. The master that starts
/// there finds [`crate::View::restored`] set.
pub fn restore(
    dir: &Path,
    input: impl Read,
    passphrase: &str,
    unix_ms: u64,
) -> Result<Restored, RestoreError> {
    let private = |path: &Path| DirBuilder::new().mode(0o700).recursive(true).create(path);
    private(dir)?;
    if fs::read_dir(dir)?.next().is_some() {
        return Err(RestoreError::NotEmpty(dir.to_path_buf()));
    }
    // A wrong passphrase shows before anything is written.
    let opener = Opener::new(BufReader::new(input), passphrase)?;
    let staging = dir.join(STAGING);
    private(&staging)?;
    let outcome = unpack(opener, &staging, unix_ms).and_then(|restored| {
        settle(&staging, dir)?;
        Ok(restored)
    });
    let _ = fs::remove_dir_all(&staging);
    outcome
}

fn unpack(
    opener: Opener<impl BufRead>,
    staging: &Path,
    unix_ms: u64,
) -> Result<Restored, RestoreError> {
    let mut tar = tar::Archive::new(GzDecoder::new(opener));
    let mut restored = None;
    let mut whole = false;
    for entry in tar.entries()? {
        let mut entry = entry?;
        let name = str::from_utf8(&entry.path_bytes())
            .map_err(|_| RestoreError::Damaged("a name in it".to_owned()))?
            .to_owned();
        match name.as_str() {
            ABOUT => restored = Some(read_about(&mut entry, unix_ms)?),
            STATE => {
                let Some(restored) = &restored else {
                    return Err(RestoreError::Foreign("it does not say what it is".into()));
                };
                rebuild(&staging.join(FILE), BufReader::new(entry), restored)?;
                whole = true;
            }
            _ => keep(&mut entry, staging, &name)?,
        }
    }
    // The last chunk is what proves that nothing is missing.
    io::copy(&mut tar.into_inner(), &mut io::sink())?;
    match restored {
        Some(restored) if whole => Ok(restored),
        _ => Err(RestoreError::Foreign("there is no state in it".into())),
    }
}

fn read_about(entry: &mut impl Read, unix_ms: u64) -> Result<Restored, RestoreError> {
    let about: About = serde_json::from_reader(entry.take(1 << 16))
        .map_err(|error| RestoreError::Foreign(error.to_string()))?;
    if about.format != FORMAT {
        return Err(RestoreError::Foreign(format!(
            "it is of format {}, this build knows {FORMAT}",
            about.format
        )));
    }
    Ok(Restored {
        backup_unix_ms: about.unix_ms,
        unix_ms,
    })
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn rebuild(path: &Path, lines: impl BufRead, restored: &Restored) -> Result<(), RestoreError> {
    file::fill(private_file(path)?)?;
    let database = file::open(path, &Default::default()).map_err(StoreError::from)?;
    let txn = database.begin_write().map_err(StoreError::from)?;
    let mut open = Open::None;
    for line in lines.lines() {
        let line: Line = serde_json::from_str(&line?)
            .map_err(|error| RestoreError::Damaged(format!("a record: {error}")))?;
        let value = line
            .value()
            .ok_or_else(|| RestoreError::Damaged(format!("a record of {}", line.table)))?;
        if open.name() != line.table {
            // The one before must be closed first, should lines of one table stand apart.
            drop(std::mem::replace(&mut open, Open::None));
            open = Open::table(&txn, &line.table)?;
        }
        open.insert(&line, &value)?;
    }
    drop(open);
    let mut change = Change { txn };
    change.put(tables::META, tables::RESTORED_KEY, restored)?;
    change.txn.commit().map_err(StoreError::from)?;
    Ok(())
}

/// The table that lines are put into: they come table by table.
enum Open<'txn> {
    None,
    Documents(Table<'txn, &'static str, &'static [u8]>),
    Log(Table<'txn, (&'static str, u64), &'static [u8]>),
}

impl<'txn> Open<'txn> {
    fn table(txn: &'txn WriteTransaction, name: &str) -> Result<Self, RestoreError> {
        if let Some(table) = tables::DOCUMENTS.iter().find(|table| table.name() == name) {
            let table = txn.open_table(*table).map_err(StoreError::from)?;
            return Ok(Self::Documents(table));
        }
        if let Some(table) = tables::LOGS.iter().find(|table| table.name() == name) {
            let table = txn.open_table(*table).map_err(StoreError::from)?;
            return Ok(Self::Log(table));
        }
        Err(RestoreError::Foreign(format!(
            "it has a table {name} that this build does not know"
        )))
    }

    fn name(&self) -> &str {
        match self {
            Self::None => "",
            Self::Documents(table) => table.name(),
            Self::Log(table) => table.name(),
        }
    }

    fn insert(&mut self, line: &Line, value: &[u8]) -> Result<(), RestoreError> {
        let key = line.key.as_str();
        let done = match (self, line.number) {
            (Self::Documents(table), None) => table.insert(key, value).map(drop),
            (Self::Log(table), Some(number)) => table.insert((key, number), value).map(drop),
            _ => return Err(RestoreError::Damaged(format!("a record of {}", line.table))),
        };
        Ok(done.map_err(StoreError::from)?)
    }
}

fn keep(
    entry: &mut tar::Entry<'_, impl Read>,
    staging: &Path,
    name: &str,
) -> Result<(), RestoreError> {
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || name == FILE || entry.header().entry_type() != tar::EntryType::Regular {
        return Err(RestoreError::Damaged(format!("an entry {name:?}")));
    }
    let path = staging.join(name);
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(folder)?;
    }
    let mut file = private_file(&path)?;
    io::copy(entry, &mut file)?;
    file.sync_all()?;
    Ok(())
}

/// Renames what was brought to disk into place, the state last.
fn settle(staging: &Path, dir: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(staging)? {
        names.push(entry?.file_name());
    }
    names.sort_by_key(|name| name == FILE);
    File::open(staging)?.sync_all()?;
    for name in names {
        fs::rename(staging.join(&name), dir.join(&name))?;
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

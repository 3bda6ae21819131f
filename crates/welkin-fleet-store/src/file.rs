//! Making, examining and opening the file.
//!
//! Order of an opening: header's seal; then the whole file as redb and we understand it, above an
//! [`Overlay`], so that nothing of it changes; then for real. A new file is made under another name and
//! renamed when it is whole, so that a crash leaves no half of one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase, TableHandle};

use crate::disk::{self, Disk, Health};
use crate::error::{OpenError, StoreError};
use crate::guard;
use crate::look::{Look, Raw};
use crate::overlay::Overlay;
use crate::tables;

/// Cache of the database, bytes: the state is small, and the master has 200 MiB for all it does.
const CACHE: usize = 8 << 20;

/// Makes the file if it is not there.
pub(crate) fn make(path: &Path) -> Result<(), OpenError> {
    let fail = |error| OpenError::io(path, error);
    match fs::symlink_metadata(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail(error)),
    }
    let new = beside(path);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(fail)?;
    let made = guard::caught(|| fill(file))
        .unwrap_or_else(|panic| Err(StoreError::Refused(panic)))
        .map_err(|error| fail(io::Error::other(error.to_string())));
    if let Err(error) = made {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    fs::rename(&new, path).map_err(fail)?;
    sync_folder(path).map_err(fail)
}

/// A database in an empty file, with its tables.
pub(crate) fn fill(file: File) -> Result<(), StoreError> {
    let database = raw_open(file, &Arc::default())?;
    let txn = database.begin_write()?;
    tables::create(&txn)?;
    let mut change = crate::Change { txn };
    change.put(tables::META, tables::FORMAT_KEY, &tables::FORMAT)?;
    change.txn.commit()?;
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Makes a rename in the folder of `path` last.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Refuses a file that is not what was written. It may be in use by this process, not by another.
pub(crate) fn examine(path: &Path) -> Result<(), OpenError> {
    let file = File::open(path).map_err(|error| OpenError::io(path, error))?;
    // Readable by others, it would give away the secrets; a restored copy may have come so.
    let mode = file
        .metadata()
        .map_err(|error| OpenError::io(path, error))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(OpenError::io(
            path,
            io::Error::other(format!(
                "its mode is {:04o}, so that others can reach the secrets in it; use: chmod 600",
                mode & 0o7777
            )),
        ));
    }
    let mut start = [0; disk::SEALED];
    match file.read_exact_at(&mut start, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(OpenError::damaged(path, "it is too short"));
        }
        Err(error) => return Err(OpenError::io(path, error)),
    }
    if !disk::check_header(&start) {
        return Err(OpenError::damaged(path, "its header"));
    }
    guard::caught_quietly(|| understand(file))
        .unwrap_or_else(|panic| Err(StoreError::Damaged(panic)))
        .map_err(|error| match error {
            StoreError::Damaged(what) => OpenError::damaged(path, what),
            other => OpenError::damaged(path, other),
        })
}

/// Reads all of it, above an overlay.
fn understand(file: File) -> Result<(), StoreError> {
    let mut database = open_above(file)?;
    if !database.check_integrity()? {
        return Err(StoreError::Damaged(
            "its pages do not agree with each other".to_owned(),
        ));
    }
    let look = Look(database.begin_read()?);
    let format = look.get(tables::META, tables::FORMAT_KEY)?;
    let format: u64 = tables::decode("the format", &format.unwrap_or_default())?;
    if format > tables::FORMAT {
        return Err(StoreError::Damaged(format!(
            "it is of format {format}, this build knows {}; a newer welkin wrote it",
            tables::FORMAT
        )));
    }
    for table in tables::DOCUMENTS {
        let is_json = table.name() != tables::SECRET_CONTENTS.name();
        look.all(table, &mut |key, bytes| {
            if is_json {
                tables::decode::<serde::de::IgnoredAny>(&format!("{}/{key}", table.name()), bytes)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// For looks alone: nothing reaches the file.
pub(crate) fn open_above(file: File) -> Result<Database, StoreError> {
    let overlay = Overlay::new(file).map_err(redb::StorageError::from)?;
    Ok(Database::builder()
        .set_cache_size(CACHE)
        .create_with_backend(overlay)?)
}

/// For real, under the file's lock.
pub(crate) fn open(path: &Path, health: &Arc<Health>) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    raw_open(file, health)
}

fn raw_open(file: File, health: &Arc<Health>) -> Result<Database, DatabaseError> {
    let disk = Disk::new(file, health.clone())?;
    Database::builder()
        .set_cache_size(CACHE)
        .create_with_backend(disk)
}

//! Files that only their owner may read, and files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Longest file that is read here; keys and certificates are far below.
const SIZE_MAX: u64 = 1 << 20;

/// Writes, syncs and renames, so that a crash leaves the old file or the new. Mode 0600.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    // A leftover of a crash would keep its old mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = create(&new).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

/// A file that was not there, mode 0600.
pub(crate) fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// The folder and those above it; the new ones have mode 0700.
pub(crate) fn make_folder(path: &Path) -> Result<(), String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// The text of a file, or `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, String> {
    open(path)?.map(|file| text_of(path, file)).transpose()
}

/// The text of a file (at most 1 MiB), or `None` where there is none; refused, naming file and mode, where
/// anybody but the owner may read or write it.
pub fn read_private(path: &Path) -> Result<Option<String>, String> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let mode = file
        .metadata()
        .map_err(|error| format!("{}: {error}", path.display()))?
        .permissions()
        .mode()
        & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{}: mode {mode:04o} lets others at it; it must be 0600: chmod 600 {0}",
            path.display()
        ));
    }
    text_of(path, file).map(Some)
}

fn open(path: &Path) -> Result<Option<File>, String> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn text_of(path: &Path, file: File) -> Result<String, String> {
    let mut text = String::new();
    file.take(SIZE_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text)
}

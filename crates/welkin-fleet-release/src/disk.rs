//! The folder `releases`: what lies in it, what of it is only half there, and room on its disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::is_digest;
use crate::{Error, id};

/// Begins the names of what is not finished, or not wanted any more.
const UNFINISHED: &str = ".part-";

/// A name in `folder` that [`clean`] removes if nobody else does.
pub(crate) fn unfinished(folder: &Path, what: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{UNFINISHED}{what}-{}-{count}", std::process::id()))
}

/// Removes what interrupted work left in `releases`. For the start of a master or agent, which is alone
/// in its folder.
pub fn clean(releases: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(releases) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// Whether the release lies in `releases`, unpacked and whole.
pub fn have(releases: &Path, digest: &str) -> bool {
    is_digest(digest) && releases.join(digest).is_dir()
}

/// Full digests of the releases that lie unpacked in `releases`.
pub fn list(releases: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(releases) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|name| is_digest(name))
            && entry.file_type()?.is_dir()
        {
            found.push(name.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes an unpacked release. It is gone at once, as a whole, also if this is cut off.
pub fn remove(releases: &Path, digest: &str) -> io::Result<()> {
    if !have(releases, digest) {
        return Ok(());
    }
    let gone = unfinished(releases, id(digest));
    fs::rename(releases.join(digest), &gone)?;
    fs::remove_dir_all(gone)
}

/// Bytes that are free for us on the disk that `path` lies on.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(path)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// Refuses work that needs more `bytes` than are free.
pub fn enough_space(path: &Path, bytes: u64) -> Result<(), Error> {
    let free = free_space(path)?;
    if free < bytes {
        return Err(Error::Space {
            needed: bytes,
            free,
        });
    }
    Ok(())
}

/// Where the whole file system is brought to disk at the end, a single file needs nothing.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    if cfg!(target_os = "linux") {
        return Ok(());
    }
    file.sync_all()
}

/// Brings all that was written below `root` to disk: thousands of files by one call where there is one.
pub(crate) fn sync_tree(root: &Path, folders: &BTreeSet<String>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let _ = folders;
        rustix::fs::syncfs(File::open(root)?)?;
    }
    #[cfg(not(target_os = "linux"))]
    {
        for folder in folders {
            File::open(root.join(folder))?.sync_all()?;
        }
        File::open(root)?.sync_all()?;
    }
    Ok(())
}

/// Makes a rename in the folder of `path` last.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

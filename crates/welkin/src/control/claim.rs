//! The file of the control socket.
//!
//! It belongs to the node's user alone (mode 0600). A file that a dead node has left is replaced; one
//! behind which somebody answers is a failed boot. Both are decided under a lock of the folder, so that
//! of two nodes started at once one wins.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{CONFIG, FAILED, Failure};
use crate::os::process;

/// How long another node may take to look at its own file in the same folder.
const FOLDER_LIMIT: Duration = Duration::from_secs(2);

/// The file of a control socket, which goes with this value.
#[derive(Debug)]
pub struct Claim {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Claim {
    /// Makes the socket.
    pub fn take(path: &Path) -> Result<Claim, Failure> {
        let shown = path.display();
        let failed = |error: io::Error| {
            Failure::new(
                CONFIG,
                format_args!(
                    "cannot make the control socket {shown}: {error}. Make its folder, or correct the config key welkin_control"
                ),
            )
        };
        // The lock goes with the file, at the end of this function.
        let _folder = lock_folder(path).map_err(failed)?;
        clear(path)?;
        // Under another name first, so that the file never has a wrong mode under its own.
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => failed(io::Error::other(
                "its path is longer than the system allows for a socket (about 100 bytes)",
            )),
            _ => failed(error),
        })?;
        let placed = fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&fresh, path))
            .and_then(|()| fs::symlink_metadata(path));
        match placed {
            Ok(file) => Ok(Claim {
                listener,
                path: path.to_owned(),
                inode: file.ino(),
            }),
            Err(error) => {
                let _ = fs::remove_file(&fresh);
                Err(failed(error))
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Somebody may have put another in its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks the folder that holds `path`.
fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder)?;
    let until = Instant::now() + FOLDER_LIMIT;
    // Held for moments only; a folder that somebody else locks for long is no reason to stop.
    while process::lock(&folder).is_err() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(folder)
}

/// Takes away what a dead node has left.
fn clear(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let Ok(file) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !file.file_type().is_socket() {
        return Err(Failure::new(
            CONFIG,
            format_args!(
                "the control socket {shown} cannot be made, as there is a file of that name which is no socket: remove it, or correct the config key welkin_control"
            ),
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Failure::new(
            FAILED,
            format_args!(
                "another node answers on the control socket {shown}: stop it first (welkin stop {shown}), or give this node another path in the config key welkin_control"
            ),
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // The new one takes the name; if this fails, so does that, with a reason.
            let _ = fs::remove_file(path);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(
            FAILED,
            format_args!(
                "cannot tell whether a node answers on the control socket {shown}: {error}. Remove the file if there is none, or correct the config key welkin_control"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for the test of this name.
    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("welkin-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_claim_is_private_and_goes_with_its_value() {
        let folder = folder("claim");
        let path = folder.join("c.sock");
        let claim = Claim::take(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = Claim::take(&path).unwrap_err();
        assert_eq!(second.status, FAILED);
        assert!(
            second.to_string().contains("another node answers"),
            "{second}"
        );
        drop(claim);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_dead_node_left_is_replaced_and_no_other_file_is() {
        let folder = folder("stale");
        let path = folder.join("c.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Claim::take(&path).unwrap());
        fs::write(&path, "mine").unwrap();
        assert_eq!(Claim::take(&path).unwrap_err().status, CONFIG);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let missing = Claim::take(&folder.join("no/c.sock")).unwrap_err();
        assert_eq!(missing.status, CONFIG);
        let long = Claim::take(&folder.join("x".repeat(120))).unwrap_err();
        assert!(
            long.to_string().contains("longer than the system allows"),
            "{long}"
        );
        fs::remove_dir_all(folder).unwrap();
    }
}

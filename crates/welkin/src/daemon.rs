//! Running in the background: config key `daemon = "PIDFILE"`.
//!
//! The first process stays until the new one has booted and ends with its result, so that a script
//! sees a failed start; messages go to its standard error until then. The new process holds the lock
//! of the pid file as long as it lives, and removes the file at its normal end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{FAILED, Failure};
use crate::os::process::{self, Fork};

/// A process that went into the background.
pub struct Daemon {
    pid_file: PathBuf,
    /// Open for its lock.
    _lock: File,
    /// Tells the first process that the boot succeeded.
    result: PipeWriter,
}

/// What `enter` makes of the process.
pub enum Role {
    /// The first process: it has nothing to do but to end with this status.
    Front(u8),
    /// The new process.
    Back(Daemon),
}

/// Goes into the background. Only while the process has one thread.
pub fn enter(pid_file: &Path) -> Result<Role, Failure> {
    if let Some(pid) = running(pid_file) {
        return Err(Failure::known(
            format!("Skynet is already running, pid = {pid}."),
            format_args!(
                "the pid file {} names the living process {pid}: stop it first, or give this node another file in the config key daemon",
                pid_file.display()
            ),
        ));
    }
    let (mut outcome, result) = io::pipe().map_err(|error| no_background(&error))?;
    match process::fork().map_err(|error| no_background(&error))? {
        Fork::Parent(child) => {
            drop(result);
            let mut booted = [0];
            let status = match outcome.read_exact(&mut booted) {
                Ok(()) => 0,
                // Closed without a word: the boot failed, and its message is out already.
                Err(_) => process::wait_for(child),
            };
            Ok(Role::Front(status))
        }
        Fork::Child => {
            drop(outcome);
            process::new_session();
            let lock = write_pid(pid_file)?;
            let nowhere = open_nowhere()?;
            for stream in [0, 1] {
                process::replace_stream(stream, &nowhere).map_err(|error| no_background(&error))?;
            }
            Ok(Role::Back(Daemon {
                pid_file: pid_file.to_owned(),
                _lock: lock,
                result,
            }))
        }
    }
}

impl Daemon {
    /// The boot succeeded: the first process may end, and nothing more is said to the terminal.
    pub fn booted(&mut self) -> Result<(), Failure> {
        let nowhere = open_nowhere()?;
        process::replace_stream(2, &nowhere).map_err(|error| no_background(&error))?;
        // The first process may have been ended by somebody; that is no reason to stop.
        let _ = self.result.write_all(&[1]);
        Ok(())
    }

    /// The normal end of the node.
    pub fn leave(self) {
        let _ = fs::remove_file(&self.pid_file);
    }
}

/// The living process that holds the pid file.
pub fn holder(pid_file: &Path) -> Option<i32> {
    let file = File::open(pid_file).ok()?;
    // A lock that can be had belongs to nobody: the number in the file is of a node that is gone.
    match process::lock(&file) {
        Ok(()) => None,
        Err(_) => running(pid_file),
    }
}

/// The living process that the file names, unless it is this one.
fn running(pid_file: &Path) -> Option<i32> {
    let pid = read_pid(&fs::read(pid_file).ok()?)?;
    let own = i32::try_from(std::process::id()).ok()?;
    (pid > 0 && pid != own && process::is_alive(pid)).then_some(pid)
}

fn read_pid(content: &[u8]) -> Option<i32> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Writes the own id to the pid file and keeps it locked.
fn write_pid(pid_file: &Path) -> Result<File, Failure> {
    let shown = pid_file.display();
    // Cut only when the lock is held: the content belongs to the process that holds it.
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(pid_file)
        .map_err(|error| {
            Failure::known(
                format!("Can't create pidfile [{shown}]."),
                format_args!("cannot open {shown}: {error}. Make its folder writable, or correct the config key daemon"),
            )
        })?;
    if process::lock(&file).is_err() {
        let mut content = Vec::new();
        let holder = file
            .read_to_end(&mut content)
            .ok()
            .and_then(|_| read_pid(&content));
        let known = match holder {
            Some(pid) => format!("Can't lock pidfile, lock is held by pid {pid}."),
            None => "Can't lock and read pidfile.".to_owned(),
        };
        return Err(Failure::known(
            known,
            format_args!(
                "another node uses the pid file {shown}: stop it first, or give this node another file in the config key daemon"
            ),
        ));
    }
    let written = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| {
        Failure::known(
            "Can't write pid.",
            format_args!("cannot write {shown}: {error}. Make room on its disk"),
        )
    })?;
    Ok(file)
}

fn open_nowhere() -> Result<File, Failure> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| no_background(&error))
}

fn no_background(error: &io::Error) -> Failure {
    Failure::new(
        FAILED,
        format_args!("cannot go into the background: {error}. Start without the config key daemon"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_is_the_first_number_of_the_file() {
        assert_eq!(read_pid(b"123\n"), Some(123));
        assert_eq!(read_pid(b" 7 old rest"), Some(7));
        assert_eq!(read_pid(b"x"), None);
        assert_eq!(read_pid(b""), None);
        assert_eq!(read_pid(b"99999999999"), None);
    }
}

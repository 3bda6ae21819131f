//! `backup` and `restore`. A backup is whole or not there: it is written beside its place and renamed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use welkin_fleet_model::units::show_size;
use welkin_fleet_model::wire::client::{Command, Outcome, Status};

use super::Client;
use crate::Restore;
use crate::failure::Failure;
use crate::session::{End, Watch};
use crate::show::{self, Progress};
use crate::terminal;
use crate::words::How;
use crate::words::work::Input;

pub async fn backup(how: &How, path: &Path, from: Option<&Input>) -> Result<u8, Failure> {
    let passphrase = terminal::passphrase(from, true)?;
    let mut master = Client::open(how).await?;
    let mut part = Part::make(path)?;
    let extra = master.extra(true);
    let end = master
        .session()
        .call(Command::Backup { passphrase }, extra, &mut part)
        .await?;
    let End::Done(mut outcome, failed) = end else {
        return Ok(super::INTERRUPTED);
    };
    if let Some(text) = failed {
        return Err(Failure::failed(format!(
            "the backup broke off: {text}; {} is not written",
            path.display()
        )));
    }
    if outcome.status == Status::Done {
        let size = part.finish(path)?;
        outcome
            .tail
            .push(format!("{} written, {}", path.display(), show_size(size)));
    }
    let status = show::outcome(&outcome, how.json);
    master.close(status).await
}

pub fn restore(
    how: &How,
    file: &Path,
    from: Option<&Input>,
    restore: Restore,
) -> Result<u8, Failure> {
    let Some(folder) = &how.dir else {
        return Err(Failure::usage(
            "restore: which folder? Give --dir DIR, which is empty or not there yet",
        ));
    };
    if !file.is_file() {
        return Err(Failure::failed(format!(
            "there is no file {}",
            file.display()
        )));
    }
    let passphrase = terminal::passphrase(from, false)?;
    let lines = restore(folder, file, &passphrase).map_err(Failure::failed)?;
    let outcome = Outcome {
        tail: lines,
        ..Outcome::default()
    };
    Ok(show::outcome(&outcome, how.json))
}

/// The file while it grows; removed unless it is finished.
struct Part {
    file: File,
    path: PathBuf,
    size: u64,
}

impl Part {
    fn make(path: &Path) -> Result<Self, Failure> {
        let mut name = OsString::from(path);
        name.push(".part");
        let part = PathBuf::from(name);
        let _ = fs::remove_file(&part);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part);
        match file {
            Ok(file) => Ok(Self {
                file,
                path: part,
                size: 0,
            }),
            Err(error) => Err(Failure::failed(format!(
                "cannot write {}: {error}",
                part.display()
            ))),
        }
    }

    fn finish(&mut self, path: &Path) -> Result<u64, Failure> {
        let wrong = |error| Failure::failed(format!("cannot write {}: {error}", path.display()));
        self.file.sync_all().map_err(wrong)?;
        fs::rename(&self.path, path).map_err(wrong)?;
        Ok(self.size)
    }
}

impl Watch for Part {
    fn progress(&mut self, text: &str) {
        Progress.progress(text);
    }

    fn piece(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.size += data.len() as u64;
        let wrong =
            |error| Failure::failed(format!("cannot write {}: {error}", self.path.display()));
        self.file.write_all(data).map_err(wrong)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

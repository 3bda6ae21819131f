//! `update` and `upgrade`: a release is packed here and sent, unless the master has it already.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use welkin_fleet_model::wire::client::Command;
use welkin_fleet_release::{Limits, Packed, pack};

use super::Client;
use crate::failure::Failure;
use crate::words::How;

/// Most bytes of a signature.
const SIGNATURE_MAX: u64 = 64 << 10;

pub async fn update(
    how: &How,
    sel: Vec<String>,
    release: String,
    signature: Option<PathBuf>,
    no_rollback: bool,
) -> Result<u8, Failure> {
    let given = Given::read(release, signature)?;
    let mut master = Client::open(how).await?;
    if let Some(status) = master.confirm("update", &sel).await? {
        return master.close(status).await;
    }
    let command = |release, label, signature| Command::Update {
        sel,
        release,
        label,
        signature,
        no_rollback,
    };
    give(master, given, command).await
}

pub async fn upgrade(
    how: &How,
    machines: Vec<String>,
    release: String,
    signature: Option<PathBuf>,
) -> Result<u8, Failure> {
    let given = Given::read(release, signature)?;
    let command = |release: Option<String>, label, signature| Command::Upgrade {
        machines,
        release: release.unwrap_or_default(),
        label,
        signature,
    };
    give(Client::open(how).await?, given, command).await
}

/// A release as the command line names it.
struct Given {
    /// File or folder; none: `name` is an id, or the beginning of one.
    source: Option<PathBuf>,
    name: String,
    signature: Option<String>,
}

impl Given {
    fn read(name: String, signature: Option<PathBuf>) -> Result<Self, Failure> {
        let signature = signature.as_deref().map(read_signature).transpose()?;
        Ok(Self {
            source: source(&name)?,
            name,
            signature,
        })
    }
}

/// Has the master do the command, made of the release's id (none: it is sent), label and signature.
async fn give(
    mut master: Client<'_>,
    given: Given,
    command: impl FnOnce(Option<String>, String, Option<String>) -> Command,
) -> Result<u8, Failure> {
    let Some(source) = given.source else {
        let command = command(Some(given.name), String::new(), given.signature);
        let status = master.show(command, true).await?;
        return master.close(status).await;
    };
    let label = label(&source);
    let folder = Scratch::make()?;
    let archive = folder.0.join("release.tar.gz");
    let packed = packed(source, archive.clone()).await?;
    let mut extra = master.extra(true);
    let known = match has(&mut master, &packed.digest).await? {
        true => Some(packed.digest),
        false => {
            extra.upload = Some(archive);
            None
        }
    };
    let command = command(known, label, given.signature);
    let status = master.show_with(command, extra).await?;
    master.close(status).await
}

/// The file or folder; none: an id, or the beginning of one.
fn source(release: &str) -> Result<Option<PathBuf>, Failure> {
    let path = Path::new(release);
    if path.exists() {
        return Ok(Some(path.to_owned()));
    }
    let hex = release.len() <= 64 && release.chars().all(|c| c.is_ascii_hexdigit());
    match hex && !release.is_empty() {
        true => Ok(None),
        false => Err(Failure::usage(format!(
            "{release} is neither a file, nor a folder, nor the ID of a release (welkin fleet releases shows them)"
        ))),
    }
}

fn label(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn read_signature(path: &Path) -> Result<String, Failure> {
    let read = fs::metadata(path).and_then(|file| match file.len() > SIGNATURE_MAX {
        true => Err(std::io::Error::other("it is too long for a signature")),
        false => fs::read_to_string(path),
    });
    read.map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))
}

async fn packed(source: PathBuf, archive: PathBuf) -> Result<Packed, Failure> {
    eprintln!("packing {}", source.display());
    let packing = tokio::task::spawn_blocking(move || pack(&source, &archive, &Limits::default()));
    match packing.await {
        Ok(packed) => packed.map_err(|error| Failure::failed(error.to_string())),
        Err(error) => Err(Failure::failed(format!("packing broke off: {error}"))),
    }
}

/// Whether the master has that release, by its full digest.
async fn has(master: &mut Client<'_>, digest: &str) -> Result<bool, Failure> {
    let outcome = master.ask(Command::Releases { prune: None }).await?;
    let same = |value: &Value| value.as_str() == Some(digest);
    Ok(outcome
        .rows
        .iter()
        .any(|row| row.get("digest").is_some_and(same)))
}

/// A folder of our own for the archive, gone when we are.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, Failure> {
        let name = format!("welkin-release-{}", std::process::id());
        let path = env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(Failure::failed(format!(
                "cannot make {}: {error}",
                path.display()
            ))),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_path_or_an_id() {
        assert_eq!(source("3f5a90").unwrap(), None);
        assert!(source("Cargo.toml").unwrap().is_some());
        let text = source("game.tar.gz").unwrap_err().text;
        assert!(
            text.contains("neither a file, nor a folder, nor the ID"),
            "{text}"
        );
        assert!(source("").is_err());
    }
}

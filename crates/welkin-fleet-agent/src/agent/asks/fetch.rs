//! Taking a release: its archive comes in pieces, and becomes a folder when it is whole.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use welkin_fleet_model::wire::agent::Reply;
use welkin_fleet_release::{
    Limits, Manifest, check_signature, enough_space, have, id as short, unpack,
};

use super::{Agent, Then};
use crate::node::keeper::blocking;

/// An archive that comes. Its file goes with it.
pub(super) struct Fetch {
    digest: String,
    signature: Option<String>,
    path: PathBuf,
    file: File,
    left: u64,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // Gone is what it should be.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Agent {
    pub(super) fn fetch(
        &mut self,
        id: u64,
        digest: String,
        (archive, unpacked): (u64, u64),
        signature: Option<String>,
    ) {
        let releases = self.settings.folders.releases();
        if have(&releases, &digest) {
            let reply = Reply {
                have: true,
                ..Reply::default()
            };
            return self.reply(id, Ok(reply));
        }
        let most = self.orders.keep.release_max;
        let fetch = if unpacked > most {
            Err(format!(
                "release {} is larger than update.max_size",
                short(&digest)
            ))
        } else {
            begin(&releases, digest, (archive, unpacked), signature)
        };
        match fetch {
            Ok(fetch) => drop(self.asks.fetches.insert(id, fetch)),
            Err(error) => self.reply(id, Err(error)),
        }
    }

    /// A part of a release that comes; one of a stream that was given up is dropped.
    pub(in crate::agent) fn piece(&mut self, stream: u64, data: &[u8]) {
        let Some(fetch) = self.asks.fetches.get_mut(&stream) else {
            return;
        };
        let failed = match fetch.left.checked_sub(data.len() as u64) {
            Some(left) => {
                fetch.left = left;
                fetch
                    .file
                    .write_all(data)
                    .err()
                    .map(|error| error.to_string())
            }
            None => Some("more came than was announced".to_owned()),
        };
        if let Some(error) = failed {
            self.asks.fetches.remove(&stream);
            self.reply(stream, Err(format!("the release was not taken: {error}")));
        }
    }

    pub(in crate::agent) fn piece_end(&mut self, stream: u64, failure: &str) {
        let Some(fetch) = self.asks.fetches.remove(&stream) else {
            return;
        };
        if !failure.is_empty() || fetch.left > 0 {
            let why = match failure {
                "" => "less came than was announced",
                failure => failure,
            };
            return self.reply(stream, Err(format!("the release was not taken: {why}")));
        }
        let releases = self.settings.folders.releases();
        let limits = Limits {
            unpacked_max: self.orders.keep.release_max,
            ..Limits::default()
        };
        // Both must be content: the operator of the machine and the one of the fleet.
        let trusted = [
            self.settings.trusted_keys.clone(),
            self.orders.keep.trusted_keys.clone(),
        ];
        self.work(stream, async move {
            let done = blocking(move || take(&fetch, &releases, &limits, &trusted)).await;
            match done {
                Ok(()) => (Ok(Reply::default()), Then::Release),
                Err(error) => (Err(error), Then::Nothing),
            }
        });
    }
}

fn begin(
    releases: &Path,
    digest: String,
    (archive, unpacked): (u64, u64),
    signature: Option<String>,
) -> Result<Fetch, String> {
    let needed = archive.saturating_add(unpacked);
    enough_space(releases, needed).map_err(|error| error.to_string())?;
    let name: String = digest
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(12)
        .collect();
    let path = releases.join(format!(".part-{name}-{:016x}", crate::clock::unix_ms()));
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    Ok(Fetch {
        file: file.map_err(|error| format!("{}: {error}", path.display()))?,
        digest,
        signature,
        path,
        left: archive,
    })
}

fn take(
    fetch: &Fetch,
    releases: &Path,
    limits: &Limits,
    trusted: &[Vec<String>; 2],
) -> Result<(), String> {
    let [own, fleet] = trusted;
    let keys = if own.is_empty() { fleet } else { own };
    let signature = fetch.signature.as_deref();
    let text = |error: welkin_fleet_release::Error| error.to_string();
    let unpacked = unpack(
        &fetch.path,
        releases,
        &fetch.digest,
        limits,
        signature,
        keys,
    )
    .map_err(text)?;
    if own.is_empty() || fleet.is_empty() {
        return Ok(());
    }
    let signed = Manifest::of_folder(&unpacked.folder, limits)
        .and_then(|manifest| check_signature(&manifest, signature, fleet));
    signed.map_err(|error| {
        // Nothing uses it yet.
        let _ = welkin_fleet_release::remove(releases, &fetch.digest);
        text(error)
    })
}

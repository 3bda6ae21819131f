//! `backup`: the whole state as a stream to the client, and `restore` into an empty folder.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use welkin_fleet_model::units::rfc3339;
use welkin_fleet_model::wire::client::Outcome;
use welkin_fleet_model::wire::frame::PIECE;

use super::{Answer, Desk};
use crate::core::{CallId, Who};
use crate::log;
use crate::serve::{Client, Out};

/// What belongs to the state beside the database.
const BESIDE: [&str; 2] = ["ca.key", "ca.pem"];

impl Desk {
    pub(super) async fn backup(
        self: &Arc<Self>,
        call: CallId,
        who: &Who,
        passphrase: String,
    ) -> Answer {
        if passphrase.is_empty() {
            return Err(
                "a backup holds the authority's key and all secrets: it needs a passphrase"
                    .to_owned(),
            );
        }
        let client = self.office.client(call).ok_or("nobody waits for it")?;
        let (desk, who) = (self.clone(), who.clone());
        let work = move || {
            let beside = desk.beside();
            let mut stream = Stream {
                client: client.clone(),
                buffer: Vec::with_capacity(PIECE),
            };
            let written = desk
                .store
                .backup(&mut stream, &passphrase, &beside, log::unix_ms());
            let failure = match written.and_then(|()| stream.flush()) {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            };
            let _ = client
                .out
                .blocking_send(Out::End(client.id, failure.clone()));
            let result = if failure.is_empty() {
                "done".to_owned()
            } else {
                format!("failed: {failure}")
            };
            desk.write_audit(&who, "backup", "", &result)?;
            match failure.is_empty() {
                true => Ok(Outcome::default()),
                false => Err(failure),
            }
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|_| Err("it broke off".to_owned()))
    }

    fn beside(&self) -> Vec<(String, PathBuf)> {
        let file = |name: &str| (name.to_owned(), self.dir.join(name));
        let mut beside: Vec<(String, PathBuf)> = BESIDE.iter().map(|name| file(name)).collect();
        let releases = std::fs::read_dir(self.dir.join("releases"))
            .into_iter()
            .flatten()
            .flatten();
        for entry in releases {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".tar.gz") {
                beside.push((format!("releases/{name}"), entry.path()));
            }
        }
        beside.retain(|(_, path)| path.is_file());
        beside
    }
}

/// Bytes on their way to a client, in pieces.
struct Stream {
    client: Client,
    buffer: Vec<u8>,
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.buffer.len();
        let count = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == PIECE {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        let out: &mpsc::Sender<Out> = &self.client.out;
        out.blocking_send(Out::Piece(self.client.id, piece))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))
    }
}

/// Brings the backup `file` into the empty folder `dir`. Gives lines for people.
pub fn restore(dir: &Path, file: &Path, passphrase: &str) -> Result<Vec<String>, String> {
    let input =
        std::fs::File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let restored = welkin_fleet_store::restore(dir, input, passphrase, log::unix_ms())
        .map_err(|error| error.to_string())?;
    Ok(vec![
        format!(
            "restored the state of {} into {}",
            rfc3339(restored.backup_unix_ms),
            dir.display()
        ),
        "revocations made since then are not in it: repeat them (revoke NAME)".to_owned(),
        "agents with newer orders keep them; status shows the differences".to_owned(),
    ])
}

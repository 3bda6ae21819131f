//! The queue of one link, and the task that writes it out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use welkin_fleet_model::wire::agent::{Ask, ToAgent};
use welkin_fleet_model::wire::client::FromMaster;
use welkin_fleet_model::wire::frame::PIECE;
use welkin_fleet_store::{Store, View};
use welkin_fleet_trust::Sender;

use crate::log;

/// What may wait for one peer.
const QUEUE: usize = 1024;

/// Something for a peer.
pub(crate) enum Out {
    Agent(Box<ToAgent>),
    Client(Box<FromMaster>),
    /// The request, then the release's archive as the stream of its number.
    Fetch(u64, String, Box<ToAgent>),
    /// A secret, read when it is sent.
    Secret {
        id: u64,
        name: String,
        there: bool,
    },
    Piece(u64, Vec<u8>),
    End(u64, String),
}

/// Opens the queue of a link. It ends when the link does, or when nobody holds the queue any more.
pub(crate) fn open(sender: Sender, store: Arc<Store>, releases: PathBuf) -> mpsc::Sender<Out> {
    let (out, mut queue) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        while let Some(next) = queue.recv().await {
            let sent = match next {
                Out::Agent(message) => sender.send(&*message).await,
                Out::Client(message) => sender.send(&*message).await,
                Out::Piece(stream, data) => sender.piece(stream, &data).await,
                Out::End(stream, failure) => sender.end(stream, &failure).await,
                Out::Secret { id, name, there } => match secret(&store, name, there).await {
                    Some(ask) => sender.send(&ToAgent::Ask { id, ask }).await,
                    None => Ok(()),
                },
                Out::Fetch(stream, digest, message) => {
                    let sent = sender.send(&*message).await;
                    let path = releases.join(format!("{digest}.tar.gz"));
                    // Beside the queue: orders do not wait for an archive.
                    tokio::spawn(stream_file(sender.clone(), stream, path));
                    sent
                }
            };
            if let Err(error) = sent {
                log::line(&format!("{}: {error}", sender.peer().name));
                sender.close();
                return;
            }
        }
    });
    out
}

async fn secret(store: &Arc<Store>, name: String, there: bool) -> Option<Ask> {
    if !there {
        return Some(Ask::Secret {
            name,
            content: None,
        });
    }
    let store = store.clone();
    let read = move || {
        let content = store.look(|look| look.secret(&name));
        (name, content)
    };
    match tokio::task::spawn_blocking(read).await.ok()? {
        (name, Ok(Some(content))) => {
            let content = Some(crate::desk::base64::encode(&content));
            Some(Ask::Secret { name, content })
        }
        (_, Ok(None)) => None,
        (name, Err(error)) => {
            log::line(&format!("secret {name}: {error}"));
            None
        }
    }
}

async fn stream_file(sender: Sender, stream: u64, path: PathBuf) {
    let failure = match pieces(&sender, stream, &path).await {
        Ok(()) => String::new(),
        Err(why) => format!("{}: {why}", path.display()),
    };
    if !failure.is_empty() {
        log::line(&failure);
    }
    let _ = sender.end(stream, &failure).await;
}

async fn pieces(sender: &Sender, stream: u64, path: &Path) -> Result<(), String> {
    let mut file = tokio::fs::File::open(path)
        .await
        .map_err(|error| error.to_string())?;
    let mut buffer = vec![0; PIECE];
    loop {
        let count = file
            .read(&mut buffer)
            .await
            .map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(());
        }
        sender
            .piece(stream, &buffer[..count])
            .await
            .map_err(|error| error.to_string())?;
    }
}

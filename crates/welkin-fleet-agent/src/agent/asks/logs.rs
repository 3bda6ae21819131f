//! Output of nodes and of scripts, sent as a stream.

use std::time::Duration;

use welkin_fleet_model::wire::agent::Reply;
use welkin_fleet_model::wire::frame::PIECE;
use welkin_fleet_trust::Sender;

use super::{Agent, Then};
use crate::folders::is_name;
use crate::logs::Reader;
use crate::node::keeper::blocking;

/// Between looks for more.
const LOOK: Duration = Duration::from_millis(300);

impl Agent {
    pub(super) fn logs(
        &mut self,
        id: u64,
        node: &str,
        lines: u64,
        since_unix_ms: Option<u64>,
        follow: bool,
        script: bool,
    ) {
        let Some(link) = self.link.clone() else {
            return;
        };
        let folders = &self.settings.folders;
        let known = is_name(node) && folders.logs(node).is_dir();
        if !script && !known {
            let reply = Err(format!("{node} has no output here yet"));
            return self.fail_stream(id, reply);
        }
        if script {
            let path = folders.all_logs().join("script.log");
            return self.work(id, async move {
                let text = blocking(move || std::fs::read(path).unwrap_or_default()).await;
                (send_all(&link, id, &text).await, Then::Nothing)
            });
        }
        let folder = folders.logs(node);
        self.work(id, async move {
            let open = move || Reader::open(&folder, lines, since_unix_ms);
            let reply: Result<Reply, String> = match send_log(&link, id, open, follow).await {
                Ok(()) => Ok(Reply::default()),
                Err(error) => {
                    // The reply says it again.
                    let _ = link.end(id, &error).await;
                    Err(error)
                }
            };
            (reply, Then::Nothing)
        });
    }

    fn fail_stream(&mut self, id: u64, reply: Result<Reply, String>) {
        self.end_stream(id);
        self.reply(id, reply);
    }

    /// Nothing more comes in that stream.
    pub(super) fn end_stream(&mut self, id: u64) {
        let Some(link) = self.link.clone() else {
            return;
        };
        tokio::spawn(async move { link.end(id, "").await });
    }
}

async fn send_all(link: &Sender, id: u64, text: &[u8]) -> Result<Reply, String> {
    for piece in text.chunks(PIECE) {
        link.piece(id, piece)
            .await
            .map_err(|error| error.to_string())?;
    }
    link.end(id, "").await.map_err(|error| error.to_string())?;
    Ok(Reply::default())
}

async fn send_log(
    link: &Sender,
    id: u64,
    open: impl FnOnce() -> std::io::Result<Reader> + Send + 'static,
    follow: bool,
) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut reader = blocking(open).await.map_err(text)?;
    loop {
        let (again, read) = blocking(move || {
            let read = reader.read(PIECE);
            (reader, read)
        })
        .await;
        reader = again;
        let piece = read.map_err(text)?;
        if !piece.is_empty() {
            link.piece(id, &piece)
                .await
                .map_err(|error| error.to_string())?;
        } else if follow {
            tokio::time::sleep(LOOK).await;
        } else {
            return link.end(id, "").await.map_err(|error| error.to_string());
        }
    }
}

//! Answers: heads that let a browser do nothing but show the page.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::request::Wrong;

/// A part of an answer that is not taken in this time ends the connection.
const WRITE: Duration = Duration::from_secs(10);
const CHUNK: usize = 64 << 10;

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
    /// Further header lines, each with its end.
    pub(super) more: String,
}

impl Answer {
    pub(super) fn ok(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: "200 OK",
            kind,
            body: body.into(),
            more: String::new(),
        }
    }

    /// One line of text.
    pub(super) fn text(status: &'static str, text: &str) -> Self {
        Self {
            status,
            kind: TEXT,
            body: format!("{text}\n").into_bytes(),
            more: String::new(),
        }
    }

    pub(super) fn wrong(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Malformed => Self::text("400 Bad Request", "not a request"),
            Wrong::Method => Self {
                more: "allow: GET, HEAD\r\n".to_owned(),
                ..Self::text("405 Method Not Allowed", "this port is read only")
            },
            Wrong::Body => Self::text("413 Content Too Large", "a request here has no body"),
            Wrong::TooLong => Self::text(
                "431 Request Header Fields Too Large",
                "the request is too long",
            ),
            Wrong::Version => Self::text("505 HTTP Version Not Supported", "HTTP/1.1, please"),
        }
    }

    /// Asks who it is; a browser then asks its user.
    pub(super) fn unauthorized() -> Self {
        let more = "www-authenticate: Bearer realm=\"welkin fleet\"\r\n\
                    www-authenticate: Basic realm=\"welkin fleet\"\r\n";
        Self {
            more: more.to_owned(),
            ..Self::text(
                "401 Unauthorized",
                "a certificate of the role view, or the token of --http-token-file, is needed",
            )
        }
    }

    /// Head and, unless only the head was asked for, body.
    pub(super) async fn send(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        head_only: bool,
    ) -> io::Result<()> {
        let length = format!("content-length: {}\r\n{}", self.body.len(), self.more);
        let mut bytes = head(self.status, self.kind, &length).into_bytes();
        if !head_only {
            bytes.extend_from_slice(&self.body);
        }
        write(stream, &bytes).await
    }
}

/// Kinds of content.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream; charset=utf-8";

/// The head of an answer. `more`: header lines, each with its end.
pub(super) fn head(status: &str, kind: &str, more: &str) -> String {
    // A page brings a policy of its own.
    let policy = match more.contains("content-security-policy") {
        true => "",
        false => "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n",
    };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}{policy}\
         connection: close\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
         x-frame-options: DENY\r\nreferrer-policy: no-referrer\r\n\
         cross-origin-resource-policy: same-origin\r\ncross-origin-opener-policy: same-origin\r\n\r\n"
    )
}

/// Writes with a deadline for each part.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.chunks(CHUNK) {
        timeout(WRITE, stream.write_all(chunk)).await??;
    }
    timeout(WRITE, stream.flush()).await?
}

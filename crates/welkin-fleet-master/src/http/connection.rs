//! One connection: the handshake, one request, one answer; or a page's stream of events.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use welkin_fleet_trust::Subject;

use super::access::{is_our_host, is_permitted};
use super::request::{HEAD_MAX, Request, Wrong, parse};
use super::respond::{Answer, EVENTS, HTML, JSON, METRICS, head, write};
use super::{Server, Source, metrics};

/// From the connection to the end of the request's head.
const REQUEST: Duration = Duration::from_secs(5);
/// For the peer to close after an answer.
const LAST_WORD: Duration = Duration::from_secs(1);
/// A stream of events is never silent for longer, so that both sides notice an end.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

impl<S: Source> Server<S> {
    pub(super) async fn connection(self: Arc<Self>, stream: TcpStream) {
        let Ok(connected) = stream.local_addr() else {
            return;
        };
        let _ = stream.set_nodelay(true);
        match &self.options.browsers {
            None => self.one(stream, connected, None).await,
            Some(browsers) => {
                if let Ok((stream, subject)) = browsers.accept(stream).await {
                    self.one(stream, connected, subject).await;
                }
            }
        }
    }

    async fn one(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Send + Unpin,
        connected: std::net::SocketAddr,
        subject: Option<Subject>,
    ) {
        let request = match timeout(REQUEST, read(&mut stream)).await {
            Ok(Some(Ok(request))) => request,
            Ok(Some(Err(wrong))) => {
                finish(stream, &Answer::wrong(wrong), false).await;
                return;
            }
            // Silence and half a request get no answer.
            Ok(None) | Err(_) => return,
        };
        let tls = self.options.browsers.is_some();
        let host = request.host.as_deref();
        let authorization = request.authorization.as_deref();
        let token = self.options.token.as_deref();
        let answer = if !is_our_host(host, self.address, connected, &self.options.hosts, tls) {
            Answer::text("421 Misdirected Request", "this is not that host")
        } else if !is_permitted(subject.as_ref(), authorization, token, tls) {
            Answer::unauthorized()
        } else if request.path == "/events" && !request.head {
            return self.events(stream, subject).await;
        } else {
            self.answer(&request).await
        };
        finish(stream, &answer, request.head).await;
    }

    async fn answer(&self, request: &Request) -> Answer {
        match request.path.as_str() {
            "/" => Answer {
                more: self.page.policy.clone(),
                ..Answer::ok(HTML, self.page.html)
            },
            "/api/status" => Answer::ok(JSON, format!("{}\n", self.source.status().await)),
            "/metrics" => {
                let (view, audit) = tokio::join!(self.source.view(), self.source.audit());
                Answer::ok(METRICS, metrics::text(&view, audit.total))
            }
            "/healthz" => Answer::text("200 OK", "ok"),
            _ => Answer::text(
                "404 Not Found",
                "not here; there are / /api/status /metrics /healthz",
            ),
        }
    }

    /// Keeps one page up to date.
    async fn events(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Send + Unpin,
        subject: Option<Subject>,
    ) {
        let Ok(_page) = self.pages.clone().try_acquire_owned() else {
            let full = Answer::text("503 Service Unavailable", "too many pages are open");
            finish(stream, &full, false).await;
            return;
        };
        let mut follower = self.live.follow();
        let mut sent = write(&mut stream, head("200 OK", EVENTS, "").as_bytes()).await;
        while sent.is_ok() {
            let revoked = |subject: &Subject| {
                let browsers = self.options.browsers.as_ref();
                browsers.is_some_and(|browsers| browsers.is_revoked(subject))
            };
            if subject.as_ref().is_some_and(revoked) {
                return;
            }
            let mut probe = [0; 64];
            let text = tokio::select! {
                text = timeout(SIGN_OF_LIFE, follower.next()) => text,
                // A browser sends nothing more; what ends its half ends the stream.
                _ = stream.read(&mut probe) => return,
            };
            sent = match text {
                Ok(Some(text)) => write(&mut stream, text.as_bytes()).await,
                Ok(None) => return,
                Err(_) => write(&mut stream, b": \n\n").await,
            };
        }
    }
}

/// The request's head. `None`: the peer closed, or went.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Result<Request, Wrong>> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let limit = (HEAD_MAX + 4).saturating_sub(bytes.len()) as u64;
        let read = (&mut *stream).take(limit).read_buf(&mut bytes).await;
        if !matches!(read, Ok(count) if count > 0) {
            return None;
        }
        match parse(&bytes) {
            Ok(None) => {}
            Ok(Some(request)) => return Some(Ok(request)),
            Err(wrong) => return Some(Err(wrong)),
        }
    }
}

/// Sends an answer, and reads away what the peer still sends: an unread byte would turn our end into a
/// reset that overtakes it.
async fn finish(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &Answer, head_only: bool) {
    if answer.send(&mut stream, head_only).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 1024];
    let drain = async { while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {} };
    let _ = timeout(LAST_WORD, drain).await;
}

//! What is posted to the webhook of the fleet file: JSON by HTTP, in the background.
//!
//! Three tries of five seconds each, then one line in the log; nothing waits for it. The host of an
//! `https` address is known by its certificate and whom the system trusts. Answers of 200 to 299 are
//! success; a redirection is none, as it may lead to anywhere.

mod address;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use address::Address;

/// Posts under way at once; a fleet that fails as a whole has no more to say than that.
const UNDER_WAY_MAX: usize = 64;
/// Bytes of an answer that are read until its first line must have ended.
const LINE_MAX: u64 = 1024;

/// How long it may take.
#[derive(Clone, Copy)]
struct Times {
    /// One try, from looking the name up to the answer's first line.
    each: Duration,
    /// Before each further try.
    pauses: [Duration; 2],
}

const TIMES: Times = Times {
    each: Duration::from_secs(5),
    pauses: [Duration::from_secs(1), Duration::from_secs(3)],
};

/// Posts to one address.
pub(crate) struct Poster {
    inner: Arc<Inner>,
    under_way: Arc<Semaphore>,
}

struct Inner {
    address: Address,
    times: Times,
    /// Read at the first `https` post.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Poster {
    /// For that address.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        Ok(Self {
            inner: Arc::new(Inner {
                address: Address::read(url)?,
                times: TIMES,
                tls: OnceCell::new(),
            }),
            under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
        })
    }

    /// Posts, and waits for nothing. What comes of it stands in the log if it fails.
    pub(crate) fn post(&self, event: &serde_json::Value) {
        let name = self.inner.address.shown();
        let place = self.under_way.clone().try_acquire_owned();
        let (Ok(place), Ok(runtime)) = (place, Handle::try_current()) else {
            return crate::log::line(&format!(
                "webhook {name}: too much to post, this is dropped: {event}"
            ));
        };
        let (inner, body) = (self.inner.clone(), event.to_string());
        runtime.spawn(async move {
            if let Err(why) = inner.deliver(&body).await {
                let tries = 1 + inner.times.pauses.len();
                crate::log::line(&format!(
                    "webhook {name}: {why} ({tries} tries); not told: {body}"
                ));
            }
            drop(place);
        });
    }
}

impl Inner {
    async fn deliver(&self, body: &str) -> Result<(), String> {
        let mut pauses = self.times.pauses.iter();
        loop {
            let tried = timeout(self.times.each, self.attempt(body)).await;
            let why = match tried {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} s", self.times.each.as_secs_f64()),
            };
            match pauses.next() {
                Some(pause) => sleep(*pause).await,
                None => return Err(why),
            }
        }
    }

    async fn attempt(&self, body: &str) -> Result<(), String> {
        let address = &self.address;
        let stream = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .map_err(|error| error.to_string())?;
        if !address.tls {
            return exchange(stream, address, body).await;
        }
        let name = rustls::pki_types::ServerName::try_from(address.host.clone())
            .map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(self.tls().await?)
            .connect(name, stream)
            .await
            .map_err(|error| error.to_string())?;
        exchange(stream, address, body).await
    }

    async fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        let made = self.tls.get_or_try_init(|| async {
            // Hundreds of files on some systems.
            let roots = tokio::task::spawn_blocking(system_roots).await;
            config(roots.map_err(|error| error.to_string())??)
        });
        made.await.cloned()
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    address: &Address,
    body: &str,
) -> Result<(), String> {
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: welkin/{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        address.path,
        address.authority,
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    let failed = |error: std::io::Error| error.to_string();
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut answer = Vec::new();
    let mut stream = stream.take(LINE_MAX);
    while !answer.contains(&b'\n') {
        if stream.read_buf(&mut answer).await.map_err(failed)? == 0 {
            break;
        }
    }
    let line = answer
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line).trim().to_owned();
    match status(&line) {
        Some(200..=299) => Ok(()),
        Some(_) => Err(format!("it answers {line:?}")),
        None => Err("it does not answer as HTTP does".to_owned()),
    }
}

fn status(line: &str) -> Option<u16> {
    let mut words = line.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Lists of systems hold some that are broken.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(
            "the system has no list of authorities that it trusts (ca-certificates)".to_owned(),
        );
    }
    Ok(roots)
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

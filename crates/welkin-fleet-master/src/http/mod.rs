//! The master's http port: the fleet's page, its state for programs, figures for Prometheus. Read only.
//!
//! HTTP/1.1 in the little that this needs: one GET or HEAD a connection, no bodies. Everything is
//! bounded: connections, the size of a request and the time it may take, the time of a write, the number
//! of pages that are kept up to date. On loopback it is open to whoever reaches it there, by a `Host`
//! that is ours, so that no page of another site can read it through a browser. Elsewhere it is TLS, and
//! asks for a certificate or a token.

mod access;
mod connection;
mod document;
mod lines;
mod live;
mod metrics;
mod page;
mod request;
mod respond;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use welkin_fleet_trust::Browsers;

use crate::core::View;

pub use access::check;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// Of these, pages that are kept up to date.
const PAGES: usize = 64;
/// After a failed accept: no descriptors are left, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the port has everything from.
pub trait Source: Send + Sync + 'static {
    /// The fleet now.
    fn view(&self) -> impl Future<Output = Arc<View>> + Send;
    /// What `status --json` prints.
    fn status(&self) -> impl Future<Output = Value> + Send;
    /// The end of the audit log.
    fn audit(&self) -> impl Future<Output = Audit> + Send;
    /// Changes whenever one of the others has.
    fn changed(&self) -> watch::Receiver<u64>;
}

/// The end of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The last 50, the newest last.
    pub lines: Vec<AuditLine>,
    /// All records there are.
    pub total: u64,
}

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// When.
    pub unix_ms: u64,
    /// Name of a certificate, or `uid:N`.
    pub who: String,
    /// Address, or the local socket.
    pub from: String,
    /// What was asked.
    pub command: String,
    /// Of which nodes or machines.
    pub target: String,
    /// What came of it.
    pub result: String,
}

/// How the port is to be served.
#[derive(Debug)]
pub struct Options {
    /// Further names that a request may give as `Host`.
    pub hosts: Vec<String>,
    /// Lets in who knows it.
    pub token: Option<String>,
    /// TLS; needed on every address but loopback.
    pub browsers: Option<Browsers>,
    /// Between two points of the lines, of which there are 120; tests take less.
    pub step: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            token: None,
            browsers: None,
            step: Duration::from_secs(5),
        }
    }
}

/// What all connections share.
struct Server<S> {
    source: Arc<S>,
    options: Options,
    address: SocketAddr,
    page: page::Page,
    live: Arc<live::Live>,
    pages: Arc<Semaphore>,
}

/// Serves until it is dropped.
pub async fn serve<S: Source>(listener: TcpListener, source: Arc<S>, options: Options) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let live = Arc::new(live::Live::new(options.step));
    let server = Arc::new(Server {
        source: source.clone(),
        options,
        address,
        page: page::Page::new(),
        live: live.clone(),
        pages: Arc::new(Semaphore::new(PAGES)),
    });
    tokio::select! {
        () = live.run(source) => {}
        () = accept(listener, server) => {}
    }
}

async fn accept<S: Source>(listener: TcpListener, server: Arc<Server<S>>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Gone with this: so are its connections.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // Never closed.
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = server.clone();
                connections.spawn(async move {
                    server.connection(stream).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

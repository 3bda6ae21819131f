//! Where the http port has everything from: the core's view, the store's audit log.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use welkin_fleet_model::table;
use welkin_fleet_store::{Store, StoreError, View as _};
use welkin_fleet_trust::{Authority, Browsers, Limits, read_private};

use super::Event;
use crate::arguments::{Arguments, Port};
use crate::core::View;
use crate::http::{self, Audit, AuditLine, Options, Source};
use crate::log;

/// Lines of the audit log that the page shows.
const LINES: usize = 50;
/// A view that is not older is as good as a new one.
const FRESH: Duration = Duration::from_millis(200);

/// Opens the port, if one is asked for.
pub(super) async fn open(
    arguments: &Arguments,
    dir: &Path,
    events: mpsc::Sender<Event>,
    store: Arc<Store>,
    authority: &Arc<Authority>,
    changed: watch::Receiver<u64>,
) -> Result<(), String> {
    let address = match arguments.http {
        Port::Off => return Ok(()),
        Port::Usual(address) | Port::At(address) => address,
    };
    let token = arguments.http_token.as_deref().map(token).transpose()?;
    http::check(address, arguments.http_tls, token.is_some())?;
    let browsers = match arguments.http_tls || !address.ip().is_loopback() {
        true => Some(browsers(arguments, authority, address)?),
        false => None,
    };
    let Some(listener) = super::bind("--http", arguments.http).await? else {
        return Ok(());
    };
    let at = listener.local_addr().unwrap_or(address);
    let scheme = if browsers.is_some() { "https" } else { "http" };
    log::line(&format!("the page is at {scheme}://{at}/"));
    // For who has asked for any port.
    let _ = std::fs::write(dir.join("http.address"), format!("{scheme}://{at}/\n"));
    let options = Options {
        hosts: arguments.http_hosts.clone(),
        token,
        browsers,
        ..Options::default()
    };
    let source = Arc::new(Everything {
        events,
        store,
        changed,
        last: Mutex::new(None),
    });
    tokio::spawn(http::serve(listener, source, options));
    Ok(())
}

fn token(path: &Path) -> Result<String, String> {
    let text =
        read_private(path)?.ok_or_else(|| format!("{}: there is no such file", path.display()))?;
    match text.trim() {
        "" => Err(format!("{}: it is empty", path.display())),
        token => Ok(token.to_owned()),
    }
}

fn browsers(
    arguments: &Arguments,
    authority: &Arc<Authority>,
    address: SocketAddr,
) -> Result<Browsers, String> {
    let mut names = arguments.http_hosts.clone();
    names.push(address.ip().to_string());
    Browsers::new(authority.clone(), &names, &Limits::default())
}

struct Everything {
    events: mpsc::Sender<Event>,
    store: Arc<Store>,
    changed: watch::Receiver<u64>,
    last: Mutex<Option<(Instant, Arc<View>)>>,
}

impl Source for Everything {
    async fn view(&self) -> Arc<View> {
        let fresh = self
            .last
            .lock()
            .clone()
            .filter(|(at, _)| at.elapsed() < FRESH);
        if let Some((_, view)) = fresh {
            return view;
        }
        let (answer, asked) = oneshot::channel();
        let _ = self.events.send(Event::View(answer)).await;
        let view = Arc::new(asked.await.unwrap_or_default());
        *self.last.lock() = Some((Instant::now(), view.clone()));
        view
    }

    async fn status(&self) -> Value {
        let (answer, asked) = oneshot::channel();
        let _ = self.events.send(Event::Status(answer)).await;
        match asked.await {
            Ok(outcome) => serde_json::from_str(&table::json(&outcome)).unwrap_or(Value::Null),
            Err(_) => json!({"ok": false, "results": [], "errors": []}),
        }
    }

    async fn audit(&self) -> Audit {
        let store = self.store.clone();
        let read = move || {
            store.look(|look| {
                let total = look.audit_head()?.number;
                let records = look.audit_records(0, None, LINES)?;
                Ok::<_, StoreError>((total, records))
            })
        };
        let Ok(Ok((total, records))) = tokio::task::spawn_blocking(read).await else {
            return Audit::default();
        };
        let line = |record: welkin_fleet_store::records::AuditRecord| AuditLine {
            unix_ms: record.unix_ms,
            who: record.who,
            from: record.from,
            command: record.command,
            target: record.targets.join(" "),
            result: record.result,
        };
        Audit {
            lines: records.into_iter().map(line).collect(),
            total,
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }
}

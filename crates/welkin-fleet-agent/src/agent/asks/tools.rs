//! The shorter things: secrets, a line for a debug console, old releases.

use std::collections::BTreeSet;
use std::time::Duration;

use welkin_codec::control::{Answer, Ask};
use welkin_fleet_model::entry::Probe;
use welkin_fleet_model::wire::agent::Reply;

use super::{Agent, Then};
use crate::base64;
use crate::node::keeper::blocking;
use crate::say;
use crate::supervise::Now;

/// How long a console may take.
const CONSOLE_LIMIT: Duration = Duration::from_secs(30);
/// Between looks at the disk.
const CLEAN_MS: u64 = 60_000;

impl Agent {
    pub(super) fn secret(&mut self, name: &str, content: Option<&str>) -> Result<Reply, String> {
        let content = content.map(base64::decode).transpose()?;
        let dropped = content.is_none();
        self.secrets.set(name, content)?;
        let now = self.now();
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        for node in names {
            let order = self.order_of(&node);
            let named = order
                .map(|order| order.entry.secrets.clone())
                .unwrap_or_default();
            if !named.iter().any(|own| own == name) {
                continue;
            }
            if dropped {
                let file = crate::node::launch::secrets(&self.settings, &node).join(name);
                // It may never have been written.
                let _ = std::fs::remove_file(file);
                continue;
            }
            self.write_running_secrets(&node, &named);
            self.supervise(&node, |supervisor| supervisor.mended(now));
        }
        Ok(Reply::default())
    }

    pub(super) fn exec(&mut self, id: u64, name: &str, line: String) {
        let node = self.nodes.get(name);
        let run = node.and_then(|node| node.supervisor.run());
        let by_entry = run.and_then(|run| match run.entry.ready.probe {
            Probe::Console(port) => Some(port),
            _ => None,
        });
        let Some(node) = node.filter(|node| node.supervisor.run().is_some()) else {
            return self.reply(id, Err(format!("{name} does not run")));
        };
        let told = node.told.status().and_then(|status| status.console);
        let (client, name) = (node.client.clone(), name.to_owned());
        self.work(id, async move {
            let mut port = told.or(by_entry);
            if let (None, Some(client)) = (port, client)
                && let Ok(Answer::Status(status)) = client.ask(Ask::Status, CONSOLE_LIMIT).await
            {
                // What it said before may be older than its console.
                port = status.console;
            }
            let Some(port) = port else {
                let text = format!("{name} has no debug console (config key debug_port)");
                return (Err(text), Then::Nothing);
            };
            let reply = crate::console::exec(port, &line, CONSOLE_LIMIT).await;
            let reply = reply.map(|answer| Reply {
                output: answer.output,
                status: i32::from(!answer.ok),
                ..Reply::default()
            });
            (reply, Then::Nothing)
        });
    }

    /// Releases that something here needs: it runs, or will; a rollback goes back to it.
    fn needed(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let orders = self.orders.nodes.iter();
        let mut used: BTreeSet<String> = orders.filter_map(|order| order.release.clone()).collect();
        for node in self.nodes.values() {
            used.extend(node.supervisor.run().and_then(|run| run.release.clone()));
        }
        used.extend(self.settings.own_release());
        used.extend(
            self.old_program()
                .and_then(|old| self.settings.release_of(old)),
        );
        let orders = self.orders.nodes.iter();
        (
            used,
            orders.filter_map(|order| order.previous.clone()).collect(),
        )
    }

    pub(super) fn prune(&mut self, id: u64, keep: &[String]) {
        let releases = self.settings.folders.releases();
        let (mut needed, previous) = self.needed();
        needed.extend(previous);
        needed.extend(keep.iter().cloned());
        self.work(id, async move {
            let removed = blocking(move || {
                let all = welkin_fleet_release::list(&releases).map_err(|e| e.to_string())?;
                let mut removed = Vec::new();
                for digest in all.into_iter().filter(|digest| !needed.contains(digest)) {
                    welkin_fleet_release::remove(&releases, &digest).map_err(|e| e.to_string())?;
                    say(&format!("release {digest} removed: nobody needs it"));
                    removed.push(digest);
                }
                Ok(removed)
            });
            let reply = removed.await.map(|removed| Reply {
                removed,
                ..Reply::default()
            });
            (reply, Then::Nothing)
        });
    }

    /// Makes room when the disk is nearly full.
    pub(in crate::agent) fn clean(&mut self, now: Now) {
        if now.ms < self.asks.cleaned_ms + CLEAN_MS {
            return;
        }
        self.asks.cleaned_ms = now.ms;
        let dir = self.settings.folders.dir().to_owned();
        let above = self.orders.keep.clean_above;
        let (in_use, previous) = self.needed();
        let happenings = self.happenings.clone();
        tokio::task::spawn_blocking(move || {
            let needed = crate::logs::Needed { in_use, previous };
            for note in crate::logs::clean(&dir, above, &needed) {
                let _ = happenings.send(super::Happened::Note(note));
            }
        });
    }
}

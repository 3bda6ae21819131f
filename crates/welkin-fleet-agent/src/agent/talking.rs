//! What a node is told and asked: over its control connection, or by the commands of its entry.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use welkin_codec::control::Ask;

use super::{Agent, Happened};
use crate::Outcome;
use crate::control::listen::{self, Connected, Greeted};
use crate::control::probe;
use crate::node::launch;
use crate::supervise::Event;

/// How long a node may take for its drain hooks; it bounds them itself.
const DRAIN_LIMIT: Duration = Duration::from_secs(600);

impl Agent {
    pub(super) fn connecting(&mut self, name: Option<String>, stream: UnixStream) {
        let mut trusted = vec![0, self.settings.user];
        let entries = self.nodes.iter().filter_map(|(own, node)| {
            let fits = name.as_ref().is_none_or(|name| name == own);
            let run = node.supervisor.run().map(|run| &run.entry);
            let entry = run.or(node.supervisor.wanted().map(|order| &order.entry));
            entry.filter(|_| fits)?.user.clone()
        });
        for user in entries.collect::<Vec<_>>() {
            if let Ok(Some(identity)) = welkin_fleet_keeper::Identity::of(&user) {
                trusted.push(identity.uid);
            }
        }
        let (happenings, own) = (self.happenings.clone(), self.settings.user);
        tokio::spawn(async move {
            let greeted = listen::greet(stream, own, &trusted).await;
            let _ = happenings.send(match greeted {
                Ok(Greeted::Node(connected)) => Happened::Greeted(name, connected),
                Ok(Greeted::End(client)) => Happened::End(Outcome::Ended, Some(client)),
                Err(text) => Happened::Note(match name {
                    Some(name) => format!("{name}: control connection refused: {text}"),
                    None => format!("agent.sock: connection refused: {text}"),
                }),
            });
        });
    }

    /// A node that was started by a keeper has connected.
    pub(super) fn connected(&mut self, name: &str, connected: Connected) {
        let now = self.now();
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        if node.key.is_none() || connected.status.start_key != node.key {
            return self.note(&format!(
                "{name}: a control connection has another start key"
            ));
        }
        let attempt = node.supervisor.attempt();
        node.told.take(now.ms, *connected.status);
        self.hold_client(name, attempt, connected.client, connected.closed);
    }

    pub(super) fn hold_client(
        &mut self,
        name: &str,
        attempt: u64,
        client: crate::control::client::Client,
        closed: crate::control::client::Closed,
    ) {
        let number = client.number();
        if let Some(node) = self.nodes.get_mut(name) {
            node.client = Some(client);
        }
        let (happenings, own) = (self.happenings.clone(), name.to_owned());
        tokio::spawn(async move {
            // Its end is all that is waited for.
            let _ = closed.await;
            let _ = happenings.send(Happened::Closed(own, number));
        });
        self.event(name, attempt, Event::Control(true));
    }

    pub(super) fn closed(&mut self, name: &str, number: u64) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        if node
            .client
            .as_ref()
            .is_some_and(|client| client.number() == number)
        {
            node.client = None;
            let attempt = node.supervisor.attempt();
            self.event(name, attempt, Event::Control(false));
        }
    }

    pub(super) fn probe(&mut self, name: &str) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let Some(run) = node.supervisor.run() else {
            return;
        };
        let (kind, client) = (run.entry.ready.probe.clone(), node.client.clone());
        let attempt = node.supervisor.attempt();
        let (happenings, name) = (self.happenings.clone(), name.to_owned());
        tokio::spawn(async move {
            let probed = probe::look(&kind, client).await;
            let _ = happenings.send(Happened::Event(name, attempt, Event::Probed(probed)));
        });
    }

    pub(super) fn drain(&mut self, name: &str, off: bool) {
        let Some(client) = self.nodes.get(name).and_then(|node| node.client.clone()) else {
            return;
        };
        let (happenings, name) = (self.happenings.clone(), name.to_owned());
        tokio::spawn(async move {
            if let Err(text) = client.ask(Ask::Drain { off }, DRAIN_LIMIT).await {
                let _ = happenings.send(Happened::Note(format!("{name}: drain: {text}")));
            }
        });
    }

    pub(super) fn drain_command(&mut self, name: &str) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let Some(run) = node.supervisor.run().cloned() else {
            return;
        };
        let (settings, key) = (Arc::clone(&self.settings), node.key.clone());
        let attempt = node.supervisor.attempt();
        let (happenings, name) = (self.happenings.clone(), name.to_owned());
        tokio::spawn(async move {
            let limit = Duration::from_millis(run.entry.stop.drain_ms);
            let work = async {
                let mut command = command_of_drain(&settings, &run.entry, run.release.as_deref())?;
                command.env("WELKIN_START", key.unwrap_or_default());
                command.output().await.map_err(|error| error.to_string())
            };
            let failed = match tokio::time::timeout(limit, work).await {
                Ok(Ok(output)) if output.status.success() => return,
                Ok(Ok(output)) => output.status.to_string(),
                Ok(Err(error)) => error,
                // The time for draining is over, as the supervisor knows.
                Err(_) => return,
            };
            let event = Event::DrainFailed(format!("drain_command: {failed}"));
            let _ = happenings.send(Happened::Event(name, attempt, event));
        });
    }
}

fn command_of_drain(
    settings: &crate::settings::Settings,
    entry: &welkin_fleet_model::entry::NodeEntry,
    release: Option<&str>,
) -> Result<tokio::process::Command, String> {
    let place = launch::place(settings, entry, release)?;
    let text = entry.drain_command.as_deref().unwrap_or_default();
    let words = launch::words(settings, entry, &place, text)?;
    let mut command = tokio::process::Command::new(&words[0]);
    command
        .args(&words[1..])
        .current_dir(&place.folder)
        .envs(&entry.env)
        .env("WELKIN_NODE", &entry.name)
        .env_remove("WELKIN_CONTROL")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(user) = launch::identity(settings, entry)? {
        command.uid(user.uid).gid(user.gid);
    }
    Ok(command)
}

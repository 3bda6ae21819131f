//! Signs of life with figures, and what nodes say of themselves for that.
//!
//! Each beat asks every connected node how it is, and those with a hook how many players they have; what
//! came until the next beat is in it. Measuring reads /proc, so it is done on a thread that may block.

use std::collections::BTreeMap;
use std::time::Duration;

use welkin_codec::control::{Answer, Ask, Status};
use welkin_fleet_model::figures::{MachineFigures, NodeFigures};
use welkin_fleet_model::units;
use welkin_fleet_model::wire::agent::{Beat, FromAgent};

use super::{Agent, Happened};
use crate::figures::{Meter, Watched};
use crate::node::keeper::Tell;
use crate::supervise::Now;

/// How long a node may take to say how it is.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two beats; half a tick less, as ticks come late.
const BEAT_MS: u64 = 1_500;
/// Between two questions for players.
const ONLINE_MS: u64 = 5_000;
/// Between two complaints about one hook.
const COMPLAIN_MS: u64 = 60_000;

/// What is kept from beat to beat.
#[derive(Default)]
pub(super) struct Beats {
    /// None: at work.
    meter: Option<Meter>,
    began: bool,
    /// When nodes were asked, and for players, and the master was told, last.
    asked_ms: u64,
    online_ms: u64,
    told_ms: u64,
}

/// What a node said.
pub(crate) enum Said {
    /// How it is.
    Status(Box<Status>),
    /// Its players.
    Online(u64, Option<BTreeMap<String, u64>>),
    /// Its hook gave no number, and why.
    NoOnline(String),
}

/// What was measured.
pub(crate) struct Measured {
    meter: Meter,
    machine: MachineFigures,
    nodes: Vec<NodeFigures>,
}

impl Agent {
    pub(super) fn beat(&mut self) {
        let now = self.now();
        let whole = now.ms >= self.beat.asked_ms + BEAT_MS;
        if whole {
            self.beat.asked_ms = now.ms;
            self.retry_orders();
            self.ask_all(now);
        }
        // Between two beats only memory is watched, where the kernel does not.
        if whole
            || self
                .nodes
                .values()
                .any(|node| node.watched_memory().is_some())
        {
            self.measure();
        }
    }

    fn ask_all(&mut self, now: Now) {
        self.clean(now);
        let online = now.ms >= self.beat.online_ms + ONLINE_MS;
        if online {
            self.beat.online_ms = now.ms;
        }
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        for name in &names {
            self.ask_node(name, online);
        }
    }

    fn measure(&mut self) {
        let meter = match self.beat.began {
            true => self.beat.meter.take(),
            false => Some(Meter::new()),
        };
        self.beat.began = true;
        // The last measuring is not through: a machine in such trouble is not asked more.
        let Some(mut meter) = meter else { return };
        let watched: Vec<Watched> = self.watched();
        let happenings = self.happenings.clone();
        tokio::task::spawn_blocking(move || {
            let machine = meter.machine();
            let nodes = meter.nodes(&watched);
            let measured = Measured {
                meter,
                machine,
                nodes,
            };
            let _ = happenings.send(Happened::Measured(Box::new(measured)));
        });
    }

    fn watched(&self) -> Vec<Watched> {
        let watched = self.nodes.iter().filter_map(|(name, node)| {
            let run = node.supervisor.run()?;
            Some(Watched {
                node: name.clone(),
                pid: run.pid?,
                cgroup: node.confined.cgroup.clone(),
                memory_limit: run.entry.limits.memory,
            })
        });
        watched.collect()
    }

    fn ask_node(&mut self, name: &str, online: bool) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let Some(client) = node.client.clone().filter(|client| !client.is_draining()) else {
            return;
        };
        let hook = node
            .supervisor
            .run()
            .and_then(|run| run.entry.online.clone());
        let hook = hook.filter(|_| online);
        let attempt = node.supervisor.attempt();
        let (happenings, name) = (self.happenings.clone(), name.to_owned());
        tokio::spawn(async move {
            if let Ok(Answer::Status(status)) = client.ask(Ask::Status, ANSWER).await {
                let said = Said::Status(status);
                let _ = happenings.send(Happened::Told(name.clone(), attempt, said));
            }
            let Some(hook) = hook else { return };
            let said = match client.ask(Ask::Online { hook: hook.clone() }, ANSWER).await {
                Ok(Answer::Online {
                    online: Some(online),
                    parts,
                    ..
                }) => Said::Online(online, parts),
                Ok(Answer::Online { error, .. }) => Said::NoOnline(format!("{hook}: {error}")),
                Ok(_) => Said::NoOnline(format!("{hook}: no such answer was expected")),
                Err(error) => Said::NoOnline(format!("{hook}: {error}")),
            };
            let _ = happenings.send(Happened::Told(name, attempt, said));
        });
    }

    pub(super) fn said(&mut self, name: &str, attempt: u64, said: Said) {
        let now = self.now();
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        if node.supervisor.attempt() != attempt || node.supervisor.run().is_none() {
            return;
        }
        match said {
            Said::Status(status) => node.told.take(now.ms, *status),
            Said::Online(online, parts) => node.told.take_online(now.ms, online, parts),
            Said::NoOnline(text) => {
                node.told.forget_online();
                let before = node.told.complained_ms;
                if before.is_none_or(|before| now.ms >= before + COMPLAIN_MS) {
                    node.told.complained_ms = Some(now.ms);
                    self.note(&format!("{name}: online is not known: {text}"));
                }
            }
        }
    }

    pub(super) fn measured(&mut self, measured: Measured) {
        let now = self.now();
        let mut nodes = measured.nodes;
        self.beat.meter = Some(measured.meter);
        for figures in &mut nodes {
            let Some(node) = self.nodes.get(&figures.node) else {
                continue;
            };
            node.told.fill(now.ms, figures);
            let limit = node.watched_memory();
            let used = figures.memory;
            if let (Some(limit), Some(used), Some(keeper)) = (limit, used, &node.keeper)
                && used > limit
            {
                keeper.tell(Tell::Over(units::show_size(limit)));
            }
        }
        if now.ms < self.beat.told_ms + BEAT_MS {
            return;
        }
        self.beat.told_ms = now.ms;
        let beat = Beat {
            unix_ms: now.unix_ms,
            machine: measured.machine,
            nodes,
        };
        self.send(&FromAgent::Beat(Box::new(beat)));
    }
}

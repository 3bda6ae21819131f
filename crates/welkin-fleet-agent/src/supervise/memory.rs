//! What an agent writes down of a node, so that the next agent goes on where it was.

use serde::{Deserialize, Serialize};
use welkin_fleet_model::entry::NodeEntry;

use super::{Action, End, Health, Now, Phase, Run, Supervisor};

/// `run/<node>/node.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Of the start that `entry` describes; none: nothing was started, or it has ended.
    pub start_key: Option<String>,
    /// As it was started.
    pub entry: NodeEntry,
    /// Full digest.
    pub release: Option<String>,
    /// Unix milliseconds.
    pub started_unix_ms: u64,
    /// The life it lives.
    pub life: u64,
    /// See the report.
    pub restarts: u32,
    /// See the report.
    pub reason: String,
    /// See the report.
    pub killed_after_s: Option<u64>,
    /// It was told to take no new players.
    pub drain_told: bool,
    /// It was ready once.
    pub was_ready: bool,
    /// What it came to.
    pub rest: Rest,
    /// When its last starts were, Unix milliseconds.
    pub starts_unix_ms: Vec<u64>,
    /// Waits since the last one that was forgotten.
    pub waits: u32,
}

/// What a node came to that does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rest {
    /// It runs, or was stopped, or is to be started again.
    #[default]
    None,
    /// It ended by itself, rightly.
    Done,
    /// It was given up.
    Failed,
}

/// What an agent that starts finds of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its process.
    Running {
        /// Of it.
        pid: u32,
    },
    /// Its end.
    Ended(End),
    /// Neither process nor end: it was never begun.
    Nothing,
}

impl Supervisor {
    /// What is to be written down; `start_key` is that of the run, if there is one.
    pub fn memory(&self, start_key: Option<&str>) -> Memory {
        let (starts_unix_ms, waits) = self.tries.written();
        let run = self.run.as_ref().filter(|run| run.by_hand.is_none());
        Memory {
            start_key: run.and(start_key).map(str::to_owned),
            entry: run.map(|run| run.entry.clone()).unwrap_or_default(),
            release: run.and_then(|run| run.release.clone()),
            started_unix_ms: run.map_or(0, |run| run.started.unix_ms),
            life: self.life,
            restarts: self.restarts,
            reason: self.reason.clone(),
            killed_after_s: self.killed_after_s,
            drain_told: run.is_some_and(|run| run.drain_told),
            was_ready: self.phase == Phase::Up,
            rest: match self.phase {
                Phase::Done => Rest::Done,
                Phase::Failed => Rest::Failed,
                _ => Rest::None,
            },
            starts_unix_ms,
            waits,
        }
    }

    /// Goes on where `memory` was. Before the first order.
    pub fn restore(&mut self, now: Now, memory: &Memory, found: Found) -> Vec<Action> {
        let age = |unix_ms: &u64| now.unix_ms.saturating_sub(*unix_ms);
        self.tries
            .restore(now, &memory.starts_unix_ms, memory.waits);
        self.life = memory.life;
        self.restarts = memory.restarts;
        self.reason.clone_from(&memory.reason);
        self.killed_after_s = memory.killed_after_s;
        self.phase = match memory.rest {
            Rest::None => Phase::Idle,
            Rest::Done => Phase::Done,
            Rest::Failed => Phase::Failed,
        };
        if memory.start_key.is_none() || found == Found::Nothing {
            return Vec::new();
        }
        self.attempt += 1;
        let started = Now {
            ms: now.ms.saturating_sub(age(&memory.started_unix_ms)),
            unix_ms: memory.started_unix_ms,
        };
        self.run = Some(Run {
            entry: memory.entry.clone(),
            release: memory.release.clone(),
            pid: None,
            started,
            control: false,
            drain_told: memory.drain_told,
            by_hand: None,
        });
        self.phase = Phase::Launching;
        match found {
            Found::Running { pid } => {
                self.started(now, pid);
                // Its time to get ready begins anew: nobody could hear it meanwhile.
                let ready_by = now.ms + memory.entry.ready.timeout_ms;
                self.phase = match memory.was_ready {
                    true => Phase::Up,
                    false => Phase::Starting { ready_by },
                };
                self.health = Health::of_new(now);
                // What is ordered comes next; until then there is nothing to decide.
                self.shown = self.state();
                Vec::new()
            }
            Found::Ended(End::Rebooted) => {
                self.run = None;
                self.phase = Phase::Idle;
                self.reason = End::Rebooted.reason();
                Vec::new()
            }
            Found::Ended(end) => {
                self.phase = Phase::Up;
                self.ended(now, &end);
                Vec::new()
            }
            Found::Nothing => Vec::new(),
        }
    }
}

//! The loop around the core: inputs in, changes to the store, then effects out. One task owns the core.
//!
//! What arrives while the disk is written waits in the queue and is written together afterwards, so a
//! storm of agents costs few writes. What is not urgent (histories, last reports) goes with the next
//! write that is, or once a second; if it cannot be written it is kept, up to a limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use welkin_fleet_model::wire::client::Outcome;
use welkin_fleet_store::Store;

use super::office::Office;
use super::persist;
use crate::core::{Batch, Change, Effect, Fleet, Input, Now, View};
use crate::log;

/// Inputs that are handled before they are written together.
const TOGETHER: usize = 512;
/// Changes that wait for a disk; beyond it the oldest are forgotten. They are histories only.
const LAZY_MAX: usize = 20_000;
/// How often time goes on.
const TICK: Duration = Duration::from_millis(250);
/// How long what is not urgent may wait for a write.
const LAZY: Duration = Duration::from_secs(1);

/// What the engine is told. Nearly all of it is inputs: the others may be as large.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Event {
    /// For the core.
    Input(Input),
    /// Asks for the page's view.
    View(oneshot::Sender<View>),
    /// Asks for `status --json` of all.
    Status(oneshot::Sender<Outcome>),
    /// Asks which releases are needed.
    InUse(oneshot::Sender<std::collections::BTreeSet<String>>),
    /// The last event.
    End,
}

/// See the file.
pub(crate) struct Engine {
    fleet: Fleet,
    store: Arc<Store>,
    office: Arc<Office>,
    events: mpsc::Receiver<Event>,
    began: Instant,
    /// Counts changes, for who watches.
    changed: watch::Sender<u64>,
    lazy: Vec<Change>,
}

impl Engine {
    pub(crate) fn new(
        fleet: Fleet,
        store: &Arc<Store>,
        office: &Arc<Office>,
        events: mpsc::Receiver<Event>,
        began: Instant,
        changed: watch::Sender<u64>,
    ) -> Self {
        Self {
            fleet,
            store: store.clone(),
            office: office.clone(),
            events,
            began,
            changed,
            lazy: Vec::new(),
        }
    }

    /// Until [`Event::End`].
    pub(crate) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut written = Instant::now();
        let mut buffer = Vec::with_capacity(TOGETHER);
        loop {
            let mut end = false;
            tokio::select! {
                count = self.events.recv_many(&mut buffer, TOGETHER) => end = count == 0,
                _ = tick.tick() => {
                    let now = self.now();
                    self.fleet.handle(now, Input::Tick);
                }
            }
            for event in buffer.drain(..) {
                end |= self.take(event);
            }
            let now = self.now();
            self.fleet.settle(now);
            let late = !self.lazy.is_empty() && written.elapsed() >= LAZY;
            if self.step(late || end).await {
                written = Instant::now();
            }
            if end {
                return;
            }
        }
    }

    fn now(&self) -> Now {
        Now {
            // From one: zero stands for never.
            mono_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX) + 1,
            unix_ms: log::unix_ms(),
        }
    }

    /// `true`: the last.
    fn take(&mut self, event: Event) -> bool {
        let now = self.now();
        match event {
            Event::Input(input) => self.fleet.handle(now, input),
            Event::View(answer) => drop(answer.send(self.fleet.view())),
            Event::Status(answer) => drop(answer.send(self.fleet.status_of_all())),
            Event::InUse(answer) => drop(answer.send(self.fleet.releases_in_use())),
            Event::End => return true,
        }
        false
    }

    /// Writes and lets out. `true`: something was written.
    async fn step(&mut self, all: bool) -> bool {
        let batch = self.fleet.take();
        if !batch.changes.is_empty() {
            self.changed.send_modify(|count| *count += 1);
        }
        if !all && !batch.changes.iter().any(Change::is_urgent) {
            self.lazy.extend(batch.changes);
            self.fleet.written();
            self.office.let_out(batch.effects);
            return false;
        }
        let mut changes = std::mem::take(&mut self.lazy);
        changes.extend(batch.changes);
        if changes.is_empty() {
            self.fleet.written();
            self.office.let_out(batch.effects);
            return false;
        }
        let store = self.store.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let result = persist::write(&store, &changes);
            (result, changes)
        });
        let (result, changes) = match writing.await {
            Ok((result, changes)) => (result.map_err(|error| error.to_string()), changes),
            Err(error) => (
                Err(format!("the fleet's state cannot be written: {error}")),
                Vec::new(),
            ),
        };
        match result {
            Ok(()) => {
                self.fleet.written();
                self.office.let_out(batch.effects);
            }
            Err(why) => self.refuse(changes, batch.effects, &why),
        }
        true
    }

    /// Nothing of the batch has happened; what nobody waits for is written later.
    fn refuse(&mut self, mut changes: Vec<Change>, effects: Vec<Effect>, why: &str) {
        self.office.trouble(why);
        changes.retain(|change| !change.is_urgent());
        if changes.len() > LAZY_MAX {
            changes.drain(..changes.len() - LAZY_MAX);
        }
        self.lazy = changes;
        let batch = Batch {
            changes: Vec::new(),
            effects,
        };
        let kept = self.fleet.refuse(batch, why);
        self.office.let_out(kept);
    }
}

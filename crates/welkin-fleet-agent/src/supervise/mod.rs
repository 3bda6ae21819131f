//! What happens to one node, decided without doing it: orders, what became of the process, health and
//! time go in, [`Action`]s come out.
//!
//! A [`Supervisor`] never looks at a clock, a file or a process; `now` is handed in, and each action is
//! answered by an [`Event`] later. The rule that shaped it: between [`Action::Start`] and the
//! [`Event::Ended`] or [`Event::StartFailed`] that answers it there is never another `Start`, whatever
//! comes in between. `attempt` numbers the starts, so that news of an older one is known as such.
//!
//! `start.rs` begins and gives up, `stop.rs` ends, `health.rs` watches, `memory.rs` is what survives the
//! agent, `end.rs` says why a process ended, `backoff.rs` counts. Held and called by the agent's loop only.

mod backoff;
mod end;
mod health;
mod memory;
mod start;
mod stop;
#[cfg(test)]
mod tests;

use welkin_fleet_model::entry::NodeEntry;
use welkin_fleet_model::state::{NodeReport, State};
use welkin_fleet_model::wire::agent::Order;

use backoff::Tries;
pub use end::{End, signal_name};
use health::Health;
pub use memory::{Found, Memory};
use stop::Ending;

/// A moment by both clocks, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic; what is waited for.
    pub ms: u64,
    /// Since 1970; what is shown.
    pub unix_ms: u64,
}

/// What the agent is to do. Each names the attempt by the supervisor's state at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the process of [`Supervisor::run`]. Answered by `Started` or `StartFailed`.
    Start,
    /// Look whether it is well. Answered by `Probed`.
    Probe,
    /// Tell it over the control socket to take no new players, or (`off`) some again.
    Drain {
        /// Back to ready.
        off: bool,
    },
    /// Run the entry's `drain_command`. A failure is answered by `DrainFailed`.
    DrainCommand,
    /// Tell it over the control socket to drain and end.
    AskEnd,
    /// SIGTERM to its process group.
    Terminate,
    /// SIGKILL to all that belongs to it.
    Kill,
    /// Nobody wants it any more and nothing of it runs: its folder can go.
    Forget,
}

/// What became of actions, and what happened by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The process is there.
    Started {
        /// Of it.
        pid: u32,
    },
    /// There will be no process.
    StartFailed(End),
    /// The process is gone.
    Ended(End),
    /// What a probe saw.
    Probed(Probed),
    /// The node is connected to the control socket, or is no more.
    Control(bool),
    /// The drain command could not be run, or did not succeed.
    DrainFailed(String),
}

/// How a node seems to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// Ready.
    Well,
    /// Well, and takes no new players.
    Draining,
    /// It says itself that it is not ready, and why: believed at once.
    Unready(String),
    /// No answer, or none that means well: [`health::FAILURES_MAX`] of these in a row are believed.
    Silent(String),
}

/// A process that is there, or is being started.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// As it was when it was started.
    pub entry: NodeEntry,
    /// Full digest of its release.
    pub release: Option<String>,
    /// Of the process.
    pub pid: Option<u32>,
    /// When it was started.
    pub started: Now,
    /// It is connected to the control socket.
    control: bool,
    /// It was told to drain, and not told otherwise since.
    drain_told: bool,
    /// It was started by hand; true as long as only that hand wants it to run.
    by_hand: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// No process, and none was given up.
    Idle,
    /// It ended by itself and that was right; a new life starts it.
    Done,
    /// Given up; a new life starts it.
    Failed,
    /// Started again at `until`.
    Waiting { until: Now },
    /// [`Action::Start`] is not answered yet.
    Launching,
    /// Running, not ready for the first time yet.
    Starting { ready_by: u64 },
    /// Running, was ready or should have been.
    Up,
    /// Being ended.
    Ending(Ending),
}

/// The supervision of one node.
#[derive(Clone, Debug)]
pub struct Supervisor {
    name: String,
    /// None: nobody wants it any more, or nobody has said yet.
    order: Option<Order>,
    version: u64,
    /// The machine was rebooted: not started in the life it had before somebody says so.
    held: bool,
    /// What a start needs and is not there yet, for people.
    blocked: Option<String>,
    phase: Phase,
    run: Option<Run>,
    health: Health,
    attempt: u64,
    life: u64,
    restarts: u32,
    tries: Tries,
    reason: String,
    /// It was given up for something that the agent was not given.
    missing: bool,
    killed_after_s: Option<u64>,
    shown: State,
    since_unix_ms: u64,
    forgotten: bool,
    actions: Vec<Action>,
}

impl Supervisor {
    /// A node of which nothing is known but its name. `seed` spreads its waiting times.
    pub fn new(name: &str, seed: u64, now: Now) -> Self {
        Self {
            name: name.to_owned(),
            order: None,
            version: 0,
            held: false,
            blocked: None,
            phase: Phase::Idle,
            run: None,
            health: Health::default(),
            attempt: 0,
            life: 0,
            restarts: 0,
            tries: Tries::new(seed),
            reason: String::new(),
            missing: false,
            killed_after_s: None,
            shown: State::Stopped,
            since_unix_ms: now.unix_ms,
            forgotten: false,
            actions: Vec::new(),
        }
    }

    /// What is wanted from now on; `None`: that it ends and is forgotten.
    pub fn order(&mut self, now: Now, order: Option<Order>, version: u64) -> Vec<Action> {
        if let Some(by_hand) = self.run.as_mut().and_then(|run| run.by_hand.as_mut()) {
            // Once the order wants it too, it is the order that rules.
            *by_hand &= order.as_ref().is_none_or(|order| !order.running);
        }
        self.order = order;
        self.version = version;
        self.forgotten = false;
        self.decide(now)
    }

    /// Whether it may not be started in the life it had. Takes effect with the next order or tick.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        self.decide(now)
    }

    /// Something happened to the start `attempt`; news of an older one is dropped.
    pub fn event(&mut self, now: Now, attempt: u64, event: Event) -> Vec<Action> {
        if attempt != self.attempt || self.run.is_none() {
            return Vec::new();
        }
        match event {
            Event::Started { pid } => self.started(now, pid),
            Event::StartFailed(end) | Event::Ended(end) => self.ended(now, &end),
            Event::Probed(probed) => self.probed(now, probed),
            Event::Control(connected) => self.connected(now, connected),
            Event::DrainFailed(text) => self.drain_failed(now, text),
        }
        self.decide(now)
    }

    /// Its main process is another one now.
    pub fn moved(&mut self, attempt: u64, pid: u32) -> Vec<Action> {
        if let Some(run) = self.run.as_mut().filter(|_| attempt == self.attempt) {
            run.pid = Some(pid);
        }
        Vec::new()
    }

    /// When [`Supervisor::tick`] is due, by the monotonic clock.
    pub fn due(&self) -> Option<u64> {
        match &self.phase {
            Phase::Idle | Phase::Done | Phase::Failed | Phase::Launching => None,
            Phase::Waiting { until } => Some(until.ms),
            Phase::Starting { ready_by } => Some(self.health.due().min(self.ripe(*ready_by))),
            Phase::Up => Some(
                self.health
                    .due()
                    .min(self.restart_due().unwrap_or(u64::MAX)),
            ),
            Phase::Ending(ending) => Some(ending.until()),
        }
        .filter(|due| *due != u64::MAX)
    }

    /// All that follows from what is known now.
    fn decide(&mut self, now: Now) -> Vec<Action> {
        match &self.phase {
            Phase::Launching => {}
            Phase::Ending(_) => self.go_on_ending(now),
            Phase::Starting { .. } | Phase::Up => {
                if self.is_to_end() {
                    self.begin_ending(now, None);
                } else {
                    self.watch(now);
                    self.see_to_drain();
                }
            }
            Phase::Idle | Phase::Done | Phase::Failed | Phase::Waiting { .. } => self.rest(now),
        }
        let state = self.state();
        if state != self.shown {
            self.shown = state;
            self.since_unix_ms = now.unix_ms;
        }
        std::mem::take(&mut self.actions)
    }

    fn wants_running(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order.running)
    }

    fn wants_new_life(&self) -> bool {
        let order = self.order.as_ref();
        order.is_some_and(|order| order.running && order.life > self.life)
    }

    fn is_to_end(&self) -> bool {
        let by_hand = self.run.as_ref().and_then(|run| run.by_hand);
        (!self.wants_running() && by_hand != Some(true)) || self.wants_new_life()
    }

    fn is_drained(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order.drain)
    }

    /// The word for how it is.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Idle | Phase::Done => State::Stopped,
            Phase::Failed => State::Failed,
            Phase::Waiting { .. } => State::BackingOff,
            Phase::Launching | Phase::Starting { .. } => State::Starting,
            Phase::Ending(_) => State::Stopping,
            Phase::Up if self.health.is_ill() => State::NotReady,
            Phase::Up if self.is_drained() || self.health.drains => State::Draining,
            Phase::Up => State::Ready,
        }
    }

    /// The number of the last start.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// The process that is there or being started.
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// What is wanted.
    pub fn wanted(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// For the master. `start_key`, `notes` and `unwritten` are the caller's.
    pub fn report(&self) -> NodeReport {
        let next_try = match self.phase {
            Phase::Waiting { until } => Some(until.unix_ms),
            _ => None,
        };
        let run = self.run.as_ref();
        let order = self.order.as_ref();
        NodeReport {
            node: self.name.clone(),
            state: self.state(),
            since_unix_ms: self.since_unix_ms,
            life: self.life,
            orders: self.version,
            pid: run.and_then(|run| run.pid),
            started_unix_ms: run.map(|run| run.started.unix_ms),
            start_key: None,
            release: match run {
                Some(run) => run.release.clone(),
                None => order.and_then(|order| order.release.clone()),
            },
            restarts: self.restarts,
            reason: match &self.blocked {
                Some(blocked) if run.is_none() && self.wants_running() => blocked.clone(),
                _ => self.reason.clone(),
            },
            next_try_unix_ms: next_try,
            drained: self.is_drained(),
            killed_after_s: self.killed_after_s,
            adopted: run.is_some_and(|run| run.by_hand.is_some()),
            notes: Vec::new(),
            unwritten: None,
        }
    }
}

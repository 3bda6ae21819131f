//! The fleet as a state machine.
//!
//! The owner hands in what happened with [`Fleet::handle`], lets what follows from it settle with
//! [`Fleet::settle`], and takes a [`Batch`]: changes to write and effects to let out *after* they are
//! on disk. A write that failed is told by [`Fleet::refuse`]: then nothing of the batch has happened.
//!
//! All decisions look at levels, not at edges: what is wanted (records), how things are (reports), and
//! which commands are under way (tasks). So a lost message, an agent that comes back, a master that was
//! restarted and a write that failed need no code of their own: the next look finds the same difference
//! and acts on it.

mod adopt;
mod agents;
mod apply;
mod bring;
mod callers;
mod calls;
mod gates;
mod node;
mod orders;
mod picks;
mod place;
mod plan;
mod records;
mod roll;
mod tables;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use welkin_fleet_model::wire::agent::{Ask, FromAgent, MachineReport, Orders};
use welkin_fleet_model::wire::client::{Command, Options, Outcome, Trouble};

pub use node::{Machine, Node, Shown};
pub use plan::Plan;
pub use records::{Asked, Before, Change, Classic, FileText, Loaded, MachineRecord, Step, Wanted};
pub use roll::{Roll, RollNode};
pub use tables::{MachineView, NodeView, RollView, View};

use callers::Caller;
use records::Durable;
use tasks::Task;

/// An agent that was not heard of for this long is away, and its nodes are `unknown`.
pub const SILENCE_MS: u64 = 10_000;

/// One connection of an agent.
pub type Session = u64;
/// One command of one client.
pub type CallId = u64;

/// The time of an input: one clock to wait by, one to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic.
    pub mono_ms: u64,
    /// Of the calendar, Unix.
    pub unix_ms: u64,
}

/// Who gave a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Certificate name, or the local user.
    pub name: String,
    /// Address, or `local`.
    pub from: String,
}

/// A release that lies on the master.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseInfo {
    /// Full.
    pub digest: String,
    /// What the operator called it.
    pub label: String,
    /// Bytes of the archive.
    pub archive: u64,
    /// Bytes unpacked.
    pub unpacked: u64,
    /// minisign signature of its manifest.
    pub signature: Option<String>,
    /// When it came.
    pub uploaded_unix_ms: u64,
    /// Who brought it.
    pub by: String,
}

/// What happens to the fleet.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Input {
    /// A command that the role of `who` permits. An `Update` names a release that is in
    /// [`Input::Release`], by its full digest.
    Call {
        call: CallId,
        who: Who,
        command: Box<Command>,
        options: Options,
    },
    /// Nobody waits for that call any more.
    Forget(CallId),
    /// An agent has connected and said its first message.
    AgentUp {
        machine: String,
        session: Session,
        from: String,
        version: String,
        clock_unix_ms: u64,
        report: Box<MachineReport>,
    },
    /// All it says afterwards but `Renew`.
    AgentSays {
        machine: String,
        session: Session,
        said: FromAgent,
    },
    /// Its connection has ended.
    AgentDown { machine: String, session: Session },
    /// A release is there.
    Release(ReleaseInfo),
    /// A release has been removed.
    ReleaseGone(String),
    /// A secret was set (`true`) or dropped.
    Secret(String, bool),
    /// Time went on.
    Tick,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Effect {
    /// To that agent.
    Orders {
        session: Session,
        orders: Arc<Orders>,
    },
    /// To that agent. With [`Ask::Fetch`] the archive goes along as stream `id`; what comes back as
    /// stream `id` is for `call`.
    Ask {
        session: Session,
        id: u64,
        ask: Ask,
        call: Option<CallId>,
    },
    /// To that agent: a secret (its content is read when it is sent), or none: drop it.
    Secret {
        session: Session,
        id: u64,
        name: String,
        there: bool,
    },
    /// The connection is of no use any more.
    Close { session: Session, why: String },
    /// To a client.
    Progress { call: CallId, text: String },
    /// To a client, the last of that call.
    Done { call: CallId, outcome: Box<Outcome> },
    /// A line for the master's log.
    Log(String),
    /// To the webhook.
    Webhook { url: String, event: Value },
    /// Remove releases on the master but these.
    Prune { keep: BTreeSet<String> },
}

/// Changes, and what may be let out when they are on disk.
#[derive(Debug, Default)]
pub struct Batch {
    /// To be written together.
    pub changes: Vec<Change>,
    /// In this order.
    pub effects: Vec<Effect>,
}

/// All of the fleet.
pub struct Fleet {
    plan: Arc<Plan>,
    /// Before the `apply` of this batch.
    plan_before: Option<Arc<Plan>>,
    durable: Durable,
    nodes: BTreeMap<String, Node>,
    machines: BTreeMap<String, Machine>,
    releases: BTreeMap<String, ReleaseInfo>,
    secrets: BTreeSet<String>,
    /// Commands that wait or work, in the order they came.
    tasks: Vec<Task>,
    callers: BTreeMap<CallId, Caller>,
    /// What `--or-busy` left out of calls that are at work.
    busy_answers: BTreeMap<CallId, Vec<Trouble>>,
    /// Tasks that began in this batch, and the calls that asked for changes.
    fresh: Vec<u64>,
    fresh_calls: Vec<CallId>,
    effects: Vec<Effect>,
    /// Something that orders depend on has changed.
    stirred: bool,
    next_ask: u64,
    next_task: u64,
    now: Now,
    /// When this master began (monotonic).
    began_ms: u64,
}

impl Fleet {
    /// The fleet as the store has it.
    pub fn new(now: Now, plan: Plan, loaded: Loaded) -> Self {
        let last = loaded.last.clone();
        let mut fleet = Self {
            plan: Arc::new(plan),
            plan_before: None,
            durable: Durable::new(loaded),
            nodes: BTreeMap::new(),
            machines: BTreeMap::new(),
            releases: BTreeMap::new(),
            secrets: BTreeSet::new(),
            tasks: Vec::new(),
            callers: BTreeMap::new(),
            busy_answers: BTreeMap::new(),
            fresh: Vec::new(),
            fresh_calls: Vec::new(),
            effects: Vec::new(),
            stirred: true,
            next_ask: 1,
            next_task: 1,
            now,
            began_ms: now.mono_ms,
        };
        for name in fleet.durable.machines().keys() {
            fleet.machines.insert(name.clone(), Machine::default());
        }
        fleet.rebuild_nodes();
        for (name, report) in last {
            if let Some(node) = fleet.nodes.get_mut(&name) {
                node.report = report;
                node.heard = true;
            }
        }
        fleet.resume_roll();
        fleet
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        match input {
            Input::Call {
                call,
                who,
                command,
                options,
            } => self.call(call, who, *command, &options),
            Input::Forget(call) => {
                self.callers.remove(&call);
                self.forget_streams(call);
            }
            Input::AgentUp {
                machine,
                session,
                from,
                version,
                clock_unix_ms,
                report,
            } => {
                self.agent_up(&machine, session, from, version, clock_unix_ms, *report);
            }
            Input::AgentSays {
                machine,
                session,
                said,
            } => self.agent_says(&machine, session, said),
            Input::AgentDown { machine, session } => self.agent_down(&machine, session),
            Input::Release(release) => {
                self.releases.insert(release.digest.clone(), release);
                // Somebody may wait for it.
                self.stirred = true;
            }
            Input::ReleaseGone(digest) => {
                self.releases.remove(&digest);
            }
            Input::Secret(name, there) => self.secret(&name, there),
            Input::Tick => self.tick(),
        }
    }

    /// Lets everything follow that follows from what was handled.
    pub fn settle(&mut self, now: Now) {
        self.now = now;
        self.run_tasks();
        if std::mem::take(&mut self.stirred) {
            self.send_orders();
            // A task may wait for nothing but the version that its orders went out with.
            self.run_tasks();
            if std::mem::take(&mut self.stirred) {
                self.send_orders();
            }
        }
    }

    /// Takes what is to be written and then to be let out. [`Fleet::written`] or [`Fleet::refuse`] follows.
    pub fn take(&mut self) -> Batch {
        Batch {
            changes: self.durable.take_changes(),
            effects: std::mem::take(&mut self.effects),
        }
    }

    /// The batch taken last is on disk.
    pub fn written(&mut self) {
        self.durable.settle();
        self.plan_before = None;
        self.fresh.clear();
        self.fresh_calls.clear();
    }

    /// The batch taken last could not be written: nothing of it has happened. Gives the effects that may
    /// go out all the same: answers to those who only looked, and refusals.
    pub fn refuse(&mut self, batch: Batch, why: &str) -> Vec<Effect> {
        self.durable.take_back();
        if let Some(plan) = self.plan_before.take() {
            self.plan = plan;
            self.rebuild_nodes();
        }
        for machine in self.machines.values_mut() {
            machine.sent = machine.confirmed.clone();
        }
        self.stirred = true;
        let kept = self.refuse_effects(batch, why);
        self.fresh.clear();
        self.fresh_calls.clear();
        self.roll_again();
        kept
    }

    fn tick(&mut self) {
        self.look_for_silence();
        self.look_for_deadlines();
    }

    fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn log(&mut self, line: impl Into<String>) {
        self.effects.push(Effect::Log(line.into()));
    }

    fn put(&mut self, change: Change) -> bool {
        let changed = self.durable.put(change);
        self.stirred |= changed;
        changed
    }

    /// Changes what is wanted of a node.
    fn want(&mut self, node: &str, change: impl FnOnce(&mut Wanted)) -> bool {
        let mut wanted = self.durable.wanted(node);
        change(&mut wanted);
        self.put(Change::Wanted(node.to_owned(), Some(wanted)))
    }

    /// The name that agents and people know the fleet by.
    pub fn name(&self) -> &str {
        &self.plan.fleet.name
    }
}

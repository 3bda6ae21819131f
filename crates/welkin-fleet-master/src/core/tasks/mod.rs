//! Commands under way. A task holds its nodes: another command for one of them waits for its turn.
//!
//! A task outlives the client that asked for it. It is looked at whenever something has changed, finds
//! out how far its nodes are, and asks for the next change; see the crate's `core` for why that is safe
//! to do again and again.

mod drain;
mod figures;
mod pass;
mod restart;
mod script;
mod start;
mod stop;
pub(super) mod targets;
mod upgrade;

use std::collections::BTreeSet;

use welkin_fleet_model::wire::agent::{Ask, Reply};
use welkin_fleet_model::wire::client::{Outcome, Status, Trouble};

use super::bring::NO_TASK;
use super::roll::Driver;
use super::{CallId, Effect, Fleet, Who};
use welkin_fleet_model::units::rfc3339;

pub(super) use drain::Drain;
pub(super) use figures::FiguresTask;
pub(super) use pass::Pass;
pub(super) use restart::Restart;
pub(super) use script::ScriptTask;
pub(super) use start::Start;
pub(super) use stop::Stop;
pub(super) use upgrade::Upgrade;

/// A command at work, or waiting for its turn.
pub(super) struct Task {
    pub id: u64,
    /// The client that waits.
    pub call: Option<CallId>,
    pub who: Who,
    /// The command's word.
    pub word: &'static str,
    /// What it was asked for, for the audit.
    pub target: String,
    pub since_unix_ms: u64,
    pub began_ms: u64,
    /// Nodes that nobody else may work on meanwhile.
    pub holds: BTreeSet<String>,
    /// It has its nodes.
    pub admitted: bool,
    /// It only looks: nothing for the audit.
    pub quiet: bool,
    pub work: Work,
}

/// What a task does.
pub(super) enum Work {
    Start(Start),
    Stop(Stop),
    Restart(Restart),
    Drain(Drain),
    Roll(Driver),
    Script(ScriptTask),
    Upgrade(Upgrade),
    Figures(FiguresTask),
    Pass(Pass),
}

/// Who asked an agent for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The task's number.
    pub task: u64,
    /// What for; the task's own word.
    pub what: String,
}

/// What a look at a task gives.
pub(super) enum Poll {
    /// More is to come.
    Pending,
    /// The end.
    Done(Outcome),
}

impl Fleet {
    /// Takes a command up; it begins with the next look at the tasks.
    pub(super) fn add_task(
        &mut self,
        call: Option<CallId>,
        who: Who,
        word: &'static str,
        holds: BTreeSet<String>,
        work: Work,
    ) -> u64 {
        let id = self.next_task;
        self.next_task += 1;
        let quiet = matches!(work, Work::Figures(_) | Work::Pass(_));
        let task = Task {
            id,
            call,
            who,
            word,
            target: holds.iter().cloned().collect::<Vec<_>>().join(" "),
            since_unix_ms: self.now.unix_ms,
            began_ms: self.now.mono_ms,
            holds,
            admitted: false,
            quiet,
            work,
        };
        if !quiet {
            self.audit(&task.who, word, &task.target, "accepted");
        }
        self.note_fresh(&task);
        self.tasks.push(task);
        id
    }

    /// Looks at all tasks until nothing moves any more.
    pub(super) fn run_tasks(&mut self) {
        loop {
            let mut tasks = std::mem::take(&mut self.tasks);
            let before = tasks.len();
            let mut taken: BTreeSet<String> = BTreeSet::new();
            let mut left = Vec::with_capacity(before);
            for mut task in tasks.drain(..) {
                if !task.admitted && task.holds.is_disjoint(&taken) {
                    task.admitted = true;
                    self.note_fresh(&task);
                    self.begin(&mut task);
                }
                let poll = match task.admitted {
                    true => self.poll(&mut task),
                    false => Poll::Pending,
                };
                match poll {
                    Poll::Done(outcome) => self.end_task(&task, outcome),
                    Poll::Pending => {
                        taken.extend(task.holds.iter().cloned());
                        left.push(task);
                    }
                }
            }
            let ended = left.len() < before;
            left.append(&mut self.tasks);
            self.tasks = left;
            if !ended {
                break;
            }
        }
    }

    /// What the task asks for in this batch is not asked for if the batch cannot be written.
    fn note_fresh(&mut self, task: &Task) {
        if !task.quiet {
            self.fresh.push(task.id);
            self.fresh_calls.extend(task.call);
        }
    }

    fn begin(&mut self, task: &mut Task) {
        match &mut task.work {
            Work::Start(work) => work.begin(self),
            Work::Stop(work) => work.begin(self),
            Work::Drain(work) => work.begin(self),
            Work::Script(work) => work.begin(self, task.id),
            Work::Pass(work) => work.begin(self, task.id, task.call),
            Work::Restart(_) | Work::Roll(_) | Work::Upgrade(_) | Work::Figures(_) => {}
        }
    }

    fn poll(&mut self, task: &mut Task) -> Poll {
        let call = task.call;
        match &mut task.work {
            Work::Start(work) => work.poll(self, call),
            Work::Stop(work) => work.poll(self, call),
            Work::Restart(work) => work.poll(self, call),
            Work::Drain(work) => work.poll(self, call),
            Work::Roll(work) => work.poll(self, task.id, call),
            Work::Script(work) => work.poll(self, call),
            Work::Upgrade(work) => work.poll(self, task.id, call),
            Work::Figures(work) => work.poll(self, task.began_ms),
            Work::Pass(work) => work.poll(),
        }
    }

    fn end_task(&mut self, task: &Task, outcome: Outcome) {
        if !task.quiet {
            let first = outcome
                .errors
                .first()
                .map_or(String::new(), |e| format!(": {} {}", e.node, e.text));
            let result = match outcome.status {
                Status::Done => "done".to_owned(),
                Status::RolledBack => format!("rolled back{first}"),
                _ => format!("failed{first}"),
            };
            self.audit(&task.who, task.word, &task.target, &result);
            if task.call.is_none() || matches!(task.work, Work::Roll(_) | Work::Upgrade(_)) {
                self.log(format!("{} by {}: {result}", task.word, task.who.name));
            }
        }
        if let Some(call) = task.call {
            self.done(call, outcome);
        }
    }

    /// Asks the agent of a machine; the answer comes to the task. `false`: no agent is connected.
    pub(super) fn ask(
        &mut self,
        machine: &str,
        asker: Asker,
        ask: Ask,
        call: Option<CallId>,
    ) -> Option<u64> {
        let session = self.session(machine)?;
        let id = self.next_ask;
        self.next_ask += 1;
        self.machines.get_mut(machine)?.asks.insert(id, asker);
        self.effect(Effect::Ask {
            session,
            id,
            ask,
            call,
        });
        Some(id)
    }

    /// Hands an agent's answer to the task that asked.
    pub(super) fn answered(&mut self, machine: &str, asker: Asker, reply: Result<Reply, String>) {
        if asker.task == NO_TASK {
            return self.brought(machine, &asker.what, reply);
        }
        let Some(task) = self.tasks.iter_mut().find(|task| task.id == asker.task) else {
            return;
        };
        match &mut task.work {
            Work::Roll(work) => work.answered(machine, &asker.what, reply),
            Work::Script(work) => work.answered(machine, reply),
            Work::Upgrade(work) => work.answered(&asker.what, reply),
            Work::Pass(work) => work.answered(reply),
            _ => {}
        }
        self.stirred = true;
    }

    /// Which of `nodes` are held by another command, each with what to say of it.
    pub(super) fn busy(&self, nodes: &BTreeSet<String>) -> Vec<(String, String)> {
        let mut busy = Vec::new();
        for task in &self.tasks {
            let who = &task.who.name;
            let text = format!(
                "busy: {} by {who} since {}",
                task.word,
                rfc3339(task.since_unix_ms)
            );
            for node in task.holds.intersection(nodes) {
                if !busy.iter().any(|(name, _)| name == node) {
                    busy.push((node.clone(), text.clone()));
                }
            }
        }
        busy
    }

    /// A line for the client that waits, if one does.
    pub(super) fn progress(&mut self, call: Option<CallId>, text: impl Into<String>) {
        if let Some(call) = call
            && self.callers.contains_key(&call)
        {
            let text = text.into();
            self.effect(Effect::Progress { call, text });
        }
    }
}

/// What there is to say of a task that is still at work.
pub(super) fn so_far(task: &Task) -> Outcome {
    match &task.work {
        Work::Start(work) => work.targets.outcome(),
        Work::Stop(work) => work.targets.outcome(),
        Work::Restart(work) => work.targets.outcome(),
        Work::Drain(work) => work.targets.outcome(),
        _ => Outcome::default(),
    }
}

/// What an agent could not be asked, or failed to do: the code follows from the reason.
fn failed(outcome: &mut Outcome, of: &str, why: &str) {
    let code = if why == "unreachable" {
        "unreachable"
    } else {
        "failed"
    };
    outcome.status = Status::Failed;
    outcome.errors.push(trouble(of, code, why));
}

/// One thing that failed, with its code.
pub(super) fn trouble(node: &str, code: &str, text: impl Into<String>) -> Trouble {
    Trouble {
        node: node.to_owned(),
        code: code.to_owned(),
        text: text.into(),
    }
}

//! `upgrade`: agents become the binary of a release, one machine after the other. Their nodes do not
//! notice. One that fails ends it.

use std::collections::VecDeque;

use serde_json::json;
use welkin_fleet_model::wire::agent::{Ask, Reply};
use welkin_fleet_model::wire::client::Outcome;

use super::{Asker, Poll, failed};
use crate::core::tables::row;
use crate::core::{CallId, Fleet};

/// How long an agent may take to come back as another.
const BACK_MS: u64 = 90_000;
/// How long a release may take to reach a machine.
const FETCH_MS: u64 = 600_000;

/// The new binary started and said what it knows, but could not be the agent.
const OLD_ONE: &str = "the old binary came back; the agent's log on that machine says why";
/// Nobody starts the agent again there, or its machine is away.
const NOBODY: &str = "the agent did not come back; nodes go on. Start it again on that machine: its folder's link `welkin` is the old binary";

/// See the file.
pub(in crate::core) struct Upgrade {
    pub machines: VecDeque<String>,
    /// Full digest.
    pub release: String,
    at_work: Option<Work>,
    rows: Vec<(String, Result<String, String>, String)>,
}

struct Work {
    machine: String,
    step: Step,
    since_ms: u64,
    connections: u64,
    answer: Option<Result<Reply, String>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Fetch,
    Become,
}

impl Upgrade {
    pub fn new(machines: Vec<String>, release: String) -> Self {
        Self {
            machines: machines.into(),
            release,
            at_work: None,
            rows: Vec::new(),
        }
    }

    pub(super) fn answered(&mut self, what: &str, reply: Result<Reply, String>) {
        if let Some(work) = &mut self.at_work
            && (what == "fetch") == (work.step == Step::Fetch)
        {
            work.answer = Some(reply);
        }
    }

    pub(super) fn poll(&mut self, fleet: &mut Fleet, task: u64, call: Option<CallId>) -> Poll {
        loop {
            let Some(work) = &mut self.at_work else {
                let Some(machine) = self.machines.pop_front() else {
                    return Poll::Done(self.outcome());
                };
                if runs(fleet, &machine, &self.release) {
                    self.end_machine(fleet, call, machine, Ok("unchanged".to_owned()));
                } else {
                    self.begin_machine(fleet, task, machine);
                }
                continue;
            };
            let machine = work.machine.clone();
            let result = match work.step {
                Step::Fetch => match work.answer.take() {
                    Some(Ok(_)) => {
                        work.step = Step::Become;
                        work.since_ms = fleet.now.mono_ms;
                        let asker = Asker {
                            task,
                            what: "become".to_owned(),
                        };
                        let digest = self.release.clone();
                        fleet.ask(&machine, asker, Ask::Upgrade { digest }, None);
                        return Poll::Pending;
                    }
                    Some(Err(why)) => Err(why),
                    None if fleet.is_late(work.since_ms, FETCH_MS) => {
                        Err("the release did not arrive".to_owned())
                    }
                    None => return Poll::Pending,
                },
                Step::Become => {
                    let is_back = connections(fleet, &machine) > work.connections;
                    match work.answer.take() {
                        // It goes away by becoming another; what counts is who comes back.
                        Some(Err(why)) if fleet.session(&machine).is_some() => Err(why),
                        _ if is_back && runs(fleet, &machine, &self.release) => {
                            Ok("upgraded".to_owned())
                        }
                        _ if is_back => Err(OLD_ONE.to_owned()),
                        _ if fleet.is_late(work.since_ms, BACK_MS) => Err(NOBODY.to_owned()),
                        _ => return Poll::Pending,
                    }
                }
            };
            self.end_machine(fleet, call, machine, result);
        }
    }

    fn begin_machine(&mut self, fleet: &mut Fleet, task: u64, machine: String) {
        let connections = connections(fleet, &machine);
        let mut work = Work {
            machine: machine.clone(),
            step: Step::Fetch,
            since_ms: fleet.now.mono_ms,
            connections,
            answer: None,
        };
        let asker = Asker {
            task,
            what: "fetch".to_owned(),
        };
        let asked = match fleet.fetch(&self.release) {
            Some(ask) => fleet.ask(&machine, asker, ask, None).ok_or("unreachable"),
            None => Err("the release is no longer on the master"),
        };
        if let Err(why) = asked {
            work.answer = Some(Err(why.to_owned()));
        }
        self.at_work = Some(work);
    }

    fn end_machine(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        machine: String,
        result: Result<String, String>,
    ) {
        let version = fleet.durable.machine(&machine).agent;
        let text = result.as_ref().unwrap_or_else(|why| why);
        fleet.progress(call, format!("{machine}: {text}"));
        let failed = result.is_err();
        let why = format!("not upgraded: {machine} failed");
        self.rows.push((machine, result, version));
        if failed {
            for left in std::mem::take(&mut self.machines) {
                let version = fleet.durable.machine(&left).agent;
                self.rows.push((left, Err(why.clone()), version));
            }
        }
        self.at_work = None;
    }

    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome {
            columns: ["machine", "result", "version"].map(str::to_owned).to_vec(),
            ..Outcome::default()
        };
        for (machine, result, version) in &self.rows {
            let text = match result {
                Ok(text) => text.clone(),
                Err(why) => format!("failed: {why}"),
            };
            outcome.rows.push(row([
                ("machine", json!(machine)),
                ("result", json!(text)),
                ("version", json!(version)),
            ]));
            if let Err(why) = result {
                failed(&mut outcome, machine, why);
            }
        }
        outcome
    }
}

/// Connections of the machine's agent so far.
fn connections(fleet: &Fleet, machine: &str) -> u64 {
    fleet.machines.get(machine).map_or(0, |m| m.connections)
}

/// The agent that is there is the release's binary.
fn runs(fleet: &Fleet, machine: &str, release: &str) -> bool {
    let known = fleet.machines.get(machine);
    known.is_some_and(|m| m.session.is_some() && m.program.as_deref() == Some(release))
}

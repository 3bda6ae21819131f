//! `logs` and `exec`: a question to the node's agent, whose answer goes to the client as it is. It holds
//! no node: looking is never in anybody's way.

use serde_json::json;
use welkin_fleet_model::wire::agent::{Ask, Reply};
use welkin_fleet_model::wire::client::{Outcome, Status};

use super::{Asker, Poll, Work, failed, trouble};
use crate::core::tables::row;
use crate::core::{CallId, Fleet};

/// See the file.
pub(in crate::core) struct Pass {
    pub machine: String,
    pub node: String,
    pub ask: Option<Ask>,
    /// Its output is the answer itself, not a stream.
    pub console: bool,
    pub id: Option<u64>,
    pub answer: Option<Result<Reply, String>>,
}

impl Pass {
    pub fn new(machine: String, node: String, ask: Ask) -> Self {
        let console = matches!(ask, Ask::Exec { .. });
        Self {
            machine,
            node,
            ask: Some(ask),
            console,
            id: None,
            answer: None,
        }
    }

    pub(super) fn begin(&mut self, fleet: &mut Fleet, task: u64, call: Option<CallId>) {
        let Some(ask) = self.ask.take() else { return };
        let asker = Asker {
            task,
            what: "pass".to_owned(),
        };
        self.id = fleet.ask(&self.machine, asker, ask, call);
        if self.id.is_none() {
            self.answer = Some(Err("unreachable".to_owned()));
        }
    }

    pub(super) fn answered(&mut self, reply: Result<Reply, String>) {
        self.answer = Some(reply);
    }

    pub(super) fn poll(&mut self) -> Poll {
        let mut outcome = Outcome::default();
        match self.answer.take() {
            None => return Poll::Pending,
            Some(Ok(reply)) if self.console => {
                outcome.rows.push(row([
                    ("node", json!(self.node)),
                    ("output", json!(reply.output)),
                    ("status", json!(reply.status)),
                ]));
                if reply.status != 0 {
                    outcome.status = Status::Failed;
                    outcome.errors.push(trouble(
                        &self.node,
                        "failed",
                        "the console answered with an error",
                    ));
                }
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => {
                failed(&mut outcome, &self.node, &why);
            }
        }
        Poll::Done(outcome)
    }
}

impl Fleet {
    /// Nobody reads what that call asked for any more: its agent need not go on sending.
    pub(in crate::core) fn forget_streams(&mut self, call: CallId) {
        let passing = self.tasks.iter().find_map(|task| match &task.work {
            Work::Pass(pass) if task.call == Some(call) => Some((pass.machine.clone(), pass.id?)),
            _ => None,
        });
        if let Some((machine, id)) = passing {
            let asker = Asker {
                task: 0,
                what: "cancel".to_owned(),
            };
            self.ask(&machine, asker, Ask::Cancel { id }, None);
        }
    }
}

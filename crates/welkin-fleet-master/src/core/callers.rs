//! Who waits for a command: each hears its end, its deadline, or that nothing could be written.

use serde_json::json;
use welkin_fleet_model::table::row;
use welkin_fleet_model::wire::client::{Outcome, Status};

use super::calls::failed;
use super::tasks::{self, trouble};
use super::{Batch, CallId, Effect, Fleet};

/// A client that waits.
pub(super) struct Caller {
    /// When it gives up (monotonic).
    pub deadline_ms: Option<u64>,
}

impl Fleet {
    /// The end of a call.
    pub(super) fn done(&mut self, call: CallId, mut outcome: Outcome) {
        if let Some(busy) = self.busy_answers.remove(&call) {
            for trouble in busy {
                outcome.rows.push(row([
                    ("node", json!(trouble.node)),
                    ("result", json!(trouble.text)),
                ]));
                outcome.errors.push(trouble);
            }
            outcome.status = Status::Failed;
        }
        if self.callers.remove(&call).is_some() {
            self.effect(Effect::Done {
                call,
                outcome: Box::new(outcome),
            });
        }
    }

    /// Clients that have waited long enough hear how far it is; the work goes on.
    pub(super) fn look_for_deadlines(&mut self) {
        let now = self.now.mono_ms;
        let late = self
            .callers
            .iter()
            .filter(|(_, c)| c.deadline_ms.is_some_and(|at| at <= now));
        for call in late.map(|(call, _)| *call).collect::<Vec<_>>() {
            self.forget_streams(call);
            let task = self.tasks.iter_mut().find(|task| task.call == Some(call));
            let mut outcome = task.map_or_else(Outcome::default, |task| {
                task.call = None;
                tasks::so_far(task)
            });
            outcome.status = Status::TimedOut;
            outcome
                .tail
                .push("timed out; the work goes on: status shows it".to_owned());
            self.done(call, outcome);
        }
    }

    /// What goes out though the batch could not be written; see [`Fleet::refuse`].
    pub(super) fn refuse_effects(&mut self, batch: Batch, why: &str) -> Vec<Effect> {
        let mut kept = Vec::new();
        let mut refused: Vec<CallId> = Vec::new();
        for task in std::mem::take(&mut self.tasks) {
            match self.fresh.contains(&task.id) {
                true => refused.extend(task.call),
                false => self.tasks.push(task),
            }
        }
        for effect in batch.effects {
            match effect {
                Effect::Ask { session, id, .. } => self.unasked(session, id, why),
                Effect::Done { call, .. } if self.fresh_calls.contains(&call) => refused.push(call),
                Effect::Orders { .. } | Effect::Webhook { .. } | Effect::Prune { .. } => {}
                other => kept.push(other),
            }
        }
        for call in refused {
            self.callers.remove(&call);
            self.busy_answers.remove(&call);
            let outcome = Box::new(failed(vec![trouble("", "refused", why)]));
            kept.push(Effect::Done { call, outcome });
        }
        kept
    }

    /// What was to be asked of an agent has not been asked.
    fn unasked(&mut self, session: u64, id: u64, why: &str) {
        let found = self
            .machines
            .iter_mut()
            .find(|(_, machine)| machine.session == Some(session));
        let Some((name, machine)) = found else { return };
        let name = name.clone();
        if let Some(asker) = machine.asks.remove(&id) {
            self.answered(&name, asker, Err(why.to_owned()));
        }
    }
}

//! `drain`: no new players, until `--off`; the node goes on.

use serde_json::json;
use welkin_fleet_model::state::State;

use super::Poll;
use super::targets::Targets;
use crate::core::{CallId, Fleet};

/// An agent that has not said it for this long will not.
const PATIENCE_MS: u64 = 30_000;

/// See the file.
pub(in crate::core) struct Drain {
    pub targets: Targets,
    pub on: bool,
    pub now_or_never: bool,
}

impl Drain {
    pub(super) fn begin(&mut self, fleet: &mut Fleet) {
        let (now, on) = (fleet.now.mono_ms, self.on);
        for name in self.targets.pending() {
            self.targets.touch(&name, now);
            let node = fleet.nodes.get(&name);
            let away = node.is_none_or(|node| fleet.is_away(node, self.now_or_never));
            if !(away && self.now_or_never) {
                fleet.want(&name, |w| w.drain = on);
            }
            if away {
                self.targets
                    .fail(fleet, None, &name, "unreachable", "unreachable");
            }
        }
    }

    pub(super) fn poll(&mut self, fleet: &mut Fleet, call: Option<CallId>) -> Poll {
        let said = if self.on { "draining" } else { "open" };
        for name in self.targets.pending() {
            let Some(node) = fleet.nodes.get(&name) else {
                continue;
            };
            let (state, report) = (fleet.state(node), node.report.clone());
            if state == State::Unknown {
                self.targets
                    .fail(fleet, call, &name, "unreachable", "unreachable");
            } else if !report.state.is_running() {
                self.targets
                    .succeed(fleet, call, &name, format!("{said} from its next start"));
            } else if report.drained == self.on && report.orders >= node.ordered {
                self.targets.succeed(fleet, call, &name, said);
            } else if let Some(why) = fleet.unwritten(node) {
                self.targets.fail(fleet, call, &name, "unwritten", why);
            } else if fleet.is_late(self.targets.since_ms(&name), PATIENCE_MS) {
                self.targets.fail(
                    fleet,
                    call,
                    &name,
                    "failed",
                    "failed: the node has not answered",
                );
            }
        }
        if !self.targets.pending().is_empty() {
            return Poll::Pending;
        }
        let mut outcome = self.targets.outcome();
        outcome.columns = ["node", "result", "online"].map(str::to_owned).to_vec();
        for row in &mut outcome.rows {
            let name = row["node"].as_str().unwrap_or_default();
            let online = fleet.nodes.get(name).and_then(|node| fleet.players(node));
            row.insert("online".to_owned(), json!(online));
        }
        Poll::Done(outcome)
    }
}

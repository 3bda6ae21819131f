//! `restart`: one node after the other, or `at_once` of them; the next when the last is ready. A node
//! that does not come back ends it, so that a fault does not go through the whole fleet.

use std::collections::VecDeque;

use super::Poll;
use super::start::Progress;
use super::targets::Targets;
use crate::core::{CallId, Fleet};

/// See the file.
pub(in crate::core) struct Restart {
    pub targets: Targets,
    pub at_once: usize,
    pub now_or_never: bool,
    /// Not begun yet, in the order of the groups.
    pub queue: VecDeque<String>,
    /// With the life that each must reach.
    pub at_work: Vec<(String, u64)>,
    /// The first that failed.
    pub failed: Option<String>,
}

impl Restart {
    pub fn new(order: Vec<String>, at_once: u32, now_or_never: bool) -> Self {
        Self {
            targets: Targets::new(order.iter().cloned()),
            at_once: usize::try_from(at_once.max(1)).unwrap_or(1),
            now_or_never,
            queue: order.into(),
            at_work: Vec::new(),
            failed: None,
        }
    }

    pub(super) fn poll(&mut self, fleet: &mut Fleet, call: Option<CallId>) -> Poll {
        loop {
            self.look(fleet, call);
            if let Some(first) = &self.failed {
                for name in std::mem::take(&mut self.queue) {
                    let text = format!("not restarted: {first} failed");
                    self.targets.fail(fleet, call, &name, "failed", text);
                }
            }
            if self.at_work.len() >= self.at_once {
                break;
            }
            let Some(next) = self.queue.pop_front() else {
                break;
            };
            self.begin_node(fleet, call, next);
        }
        match self.at_work.is_empty() && self.queue.is_empty() {
            true => Poll::Done(self.targets.outcome()),
            false => Poll::Pending,
        }
    }

    fn begin_node(&mut self, fleet: &mut Fleet, call: Option<CallId>, name: String) {
        self.targets.touch(&name, fleet.now.mono_ms);
        let Some(node) = fleet.nodes.get(&name) else {
            return self.targets.fail(
                fleet,
                call,
                &name,
                "failed",
                "failed: it is no longer in the fleet file",
            );
        };
        if let Some(missing) = fleet.missing_secret(&name) {
            let text = format!("failed: secret {missing} is not set");
            return self.targets.fail(fleet, call, &name, "failed", text);
        }
        let unknown = fleet.is_away(node, self.now_or_never);
        let life = fleet.durable.wanted(&name).life.max(node.report.life) + 1;
        if !(unknown && self.now_or_never) {
            fleet.want(&name, |w| (w.running, w.life) = (true, life));
        }
        match unknown {
            true => self
                .targets
                .fail(fleet, call, &name, "unreachable", "unreachable"),
            false => self.at_work.push((name, life)),
        }
    }

    fn look(&mut self, fleet: &mut Fleet, call: Option<CallId>) {
        for (name, life) in std::mem::take(&mut self.at_work) {
            // A write that failed has taken the order back.
            if fleet.durable.wanted(&name).life < life {
                fleet.want(&name, |w| (w.running, w.life) = (true, life));
            }
            match fleet.start_progress(&name, self.targets.since_ms(&name)) {
                Progress::Coming => self.at_work.push((name, life)),
                Progress::Ready => self.targets.succeed(fleet, call, &name, "restarted"),
                Progress::Failed(why) => {
                    self.targets
                        .fail(fleet, call, &name, "failed", format!("failed: {why}"));
                    self.failed.get_or_insert(name);
                }
                Progress::Unreachable => {
                    self.targets
                        .fail(fleet, call, &name, "unreachable", "unreachable");
                    self.failed.get_or_insert(name);
                }
            }
        }
    }
}

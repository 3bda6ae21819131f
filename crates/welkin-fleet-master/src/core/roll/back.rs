//! The way back: every node that was switched, or failed at it, goes to the release it had, last first.
//! One that fails at that too is left as it is, and the rest goes on.

use super::turn::Reached;
use super::{Driver, Phase, Roll, RollNode};
use crate::core::{CallId, Fleet};

impl Driver {
    /// `true`: the roll is over.
    pub(super) fn back(&mut self, fleet: &mut Fleet, call: Option<CallId>, roll: &Roll) -> bool {
        let at_once = usize::try_from(fleet.plan.fleet.update.at_once.max(1)).unwrap_or(1);
        let mut at_work = 0;
        let mut open = false;
        for (at, node) in roll.nodes.iter().enumerate().rev() {
            match node.phase {
                Phase::Waiting | Phase::Returned | Phase::Stuck => continue,
                Phase::Returning => at_work += usize::from(self.returning(fleet, call, at, node)),
                _ if at_work < at_once => {
                    at_work += usize::from(self.send_back(fleet, call, at, node))
                }
                _ => {}
            }
            open = true;
        }
        if open && at_work == 0 {
            let now = fleet.durable.roll().unwrap_or_default();
            return self.back(fleet, call, &now);
        }
        !open
    }

    /// `false`: it does not run, it is back.
    fn send_back(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        at: usize,
        node: &RollNode,
    ) -> bool {
        let life = self.order(fleet, &node.node, &node.from, node.from_before.clone());
        let phase = if life.is_some() {
            Phase::Returning
        } else {
            Phase::Returned
        };
        fleet.record_node(at, |record| {
            record.phase = phase;
            record.life = life.unwrap_or(0);
        });
        fleet.progress(call, format!("{}: going back", node.node));
        life.is_some()
    }

    /// `false`: it has come to an end with it.
    fn returning(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        at: usize,
        node: &RollNode,
    ) -> bool {
        match self.reached(fleet, &node.node, &node.from, node.life) {
            Reached::NotYet => return true,
            Reached::Yes => {
                fleet.record_node(at, |record| record.phase = Phase::Returned);
                fleet.progress(call, format!("{}: rolled back", node.node));
            }
            Reached::No(why) => {
                fleet.progress(call, format!("{}: rollback failed: {why}", node.node));
                fleet.log(format!("node {}: rollback failed: {why}", node.node));
                fleet.record_node(at, |record| {
                    record.phase = Phase::Stuck;
                    record.reason = why;
                });
            }
        }
        false
    }
}

//! After a reboot: nodes wait for the master's word, which is a new life; an agent that has no master for
//! [`PATIENCE_MS`] starts them itself, group by group.

use std::fs;

use welkin_fleet_keeper::start;
use welkin_fleet_model::state::State;

use super::Agent;
use crate::folders::Folders;
use crate::say;
use crate::supervise::Now;

/// How long an agent waits for its master.
const PATIENCE_MS: u64 = 60_000;
/// Between looks at the groups.
const LOOK_MS: u64 = 500;
/// The kernel's boot id when the agent last began.
const BOOT: &str = "boot";

/// A reboot that nodes wait behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reboot {
    /// The agent starts its nodes itself.
    alone: bool,
    due: u64,
}

/// Whether the machine was started since the last agent began; from now on it was not.
pub(super) fn is_rebooted(folders: &Folders) -> Result<bool, String> {
    let path = folders.dir().join(BOOT);
    let boot = start::boot_id().map_err(|error| format!("boot id: {error}"))?;
    let before = fs::read_to_string(&path).unwrap_or_default();
    if before.trim() == boot {
        return Ok(false);
    }
    fs::write(&path, format!("{boot}\n")).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(!before.is_empty())
}

impl Agent {
    pub(super) fn begin_reboot(&mut self) {
        let now = self.now();
        say(
            "the machine was rebooted: nodes start on the master's word, or without it in a minute",
        );
        self.reboot = Some(Reboot {
            alone: false,
            due: now.ms + PATIENCE_MS,
        });
        for node in self.nodes.values_mut() {
            node.supervisor.hold(true);
        }
    }

    fn release(&mut self, name: &str, now: Now) {
        self.supervise(name, |supervisor| {
            supervisor.hold(false);
            supervisor.tick(now)
        });
    }

    pub(super) fn reboot_due(&self) -> Option<u64> {
        self.reboot.map(|reboot| reboot.due)
    }

    pub(super) fn see_to_reboot(&mut self, now: Now) {
        let Some(mut reboot) = self.reboot.filter(|reboot| reboot.due <= now.ms) else {
            return;
        };
        if !reboot.alone {
            if self.link.is_some() || now.ms < self.link_since + PATIENCE_MS {
                reboot.due = match self.link {
                    Some(_) => now.ms + PATIENCE_MS,
                    None => self.link_since + PATIENCE_MS,
                };
                self.reboot = Some(reboot);
                return;
            }
            reboot.alone = true;
            self.note("the master is away: nodes start in the agent's own order");
        }
        reboot.due = now.ms + LOOK_MS;
        self.reboot = Some(reboot);
        let nodes: Vec<(String, usize, State)> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.supervisor.wanted().is_some_and(|order| order.running))
            .map(|(name, node)| (name.clone(), self.rank(name), node.supervisor.state()))
            .collect();
        let turn = turn(nodes.iter().map(|(_, rank, state)| (*rank, *state)));
        for (name, ..) in nodes
            .iter()
            .filter(|(_, rank, _)| turn.is_none_or(|turn| *rank <= turn))
        {
            self.release(name, now);
        }
        if turn.is_none() {
            self.reboot = None;
            let names: Vec<String> = self.nodes.keys().cloned().collect();
            for name in names {
                self.release(&name, now);
            }
        }
    }

    /// Where its group stands in the start order; nodes without one come first.
    fn rank(&self, name: &str) -> usize {
        let group = self
            .order_of(name)
            .and_then(|order| order.entry.group.as_deref());
        let at = |group| self.orders.groups.iter().position(|own| own == group);
        group.and_then(at).map_or(0, |at| at + 1)
    }
}

/// The rank whose turn it is: the lowest that is not through. `None`: all are.
fn turn(nodes: impl Iterator<Item = (usize, State)>) -> Option<usize> {
    let through = |state: &State| {
        matches!(
            state,
            State::Ready | State::Draining | State::Failed | State::BackingOff | State::NotReady
        )
    };
    let waiting = nodes.filter(|(_, state)| !through(state));
    waiting.map(|(rank, _)| rank).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_waits_until_those_before_it_are_ready_or_failed() {
        let login = (1, State::Ready);
        assert_eq!(turn([login, (2, State::Stopped)].into_iter()), Some(2));
        let starts = [(1, State::Starting), (2, State::Stopped)];
        assert_eq!(turn(starts.into_iter()), Some(1));
        let failed = [(1, State::Failed), (2, State::Ready)];
        assert_eq!(turn(failed.into_iter()), None);
    }
}

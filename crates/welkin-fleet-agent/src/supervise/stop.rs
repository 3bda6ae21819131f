//! Ending a process: it drains, is sent SIGTERM, is killed, each for as long as its entry says.

use super::{Action, Now, Phase, Supervisor};

/// SIGKILL is repeated that often: it can miss what is being born.
const KILL_AGAIN_MS: u64 = 2_000;

/// An end under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ending {
    step: Step,
    began: u64,
    until: u64,
    /// Why, if nobody asked for it: then it is started again by the rules.
    because: Option<String>,
    /// When it was killed.
    killed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Drain,
    Terminate,
    Kill,
}

impl Ending {
    pub(super) fn until(&self) -> u64 {
        self.until
    }

    pub(super) fn because(&self) -> Option<&str> {
        self.because.as_deref()
    }

    pub(super) fn killed_after_s(&self, now: Now) -> Option<u64> {
        let took = now.ms.saturating_sub(self.began);
        self.killed.then(|| took.div_ceil(1_000))
    }
}

impl Supervisor {
    /// `because`: nobody asked for it, it is not well.
    pub(super) fn begin_ending(&mut self, now: Now, because: Option<String>) {
        let Some(run) = &self.run else { return };
        let stop = run.entry.stop;
        // One that is not well is not waited for so long.
        let drain = match (&because, &run.entry.drain_command) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(Action::DrainCommand),
            (None, None) if run.control => Some(Action::AskEnd),
            (None, None) => None,
        };
        let (step, action, lasts) = match drain {
            Some(action) => (Step::Drain, action, stop.drain_ms),
            None => (Step::Terminate, Action::Terminate, stop.kill_ms),
        };
        self.phase = Phase::Ending(Ending {
            step,
            began: now.ms,
            until: now.ms + lasts,
            because,
            killed: false,
        });
        self.actions.push(action);
    }

    pub(super) fn go_on_ending(&mut self, now: Now) {
        let (asked, kill_ms) = match &self.run {
            Some(run) => (self.is_to_end(), run.entry.stop.kill_ms),
            None => return,
        };
        let Phase::Ending(ending) = &mut self.phase else {
            return;
        };
        if asked {
            // It was to be started again; now it is not, or at once.
            ending.because = None;
        }
        if now.ms < ending.until {
            return;
        }
        match ending.step {
            Step::Drain => {
                ending.step = Step::Terminate;
                ending.until = now.ms + kill_ms;
                self.actions.push(Action::Terminate);
            }
            Step::Terminate | Step::Kill => {
                ending.step = Step::Kill;
                ending.killed = true;
                ending.until = now.ms + KILL_AGAIN_MS;
                self.actions.push(Action::Kill);
            }
        }
    }

    /// Draining came to nothing, so there is no sense in waiting for it.
    pub(super) fn drain_failed(&mut self, now: Now, text: String) {
        self.reason = text;
        if let Phase::Ending(ending) = &mut self.phase
            && ending.step == Step::Drain
        {
            ending.until = now.ms;
        }
    }

    /// Tells a node that is ready what is wanted of it.
    pub(super) fn see_to_drain(&mut self) {
        let drained = self.is_drained();
        if self.phase != Phase::Up {
            return;
        }
        let Some(run) = &mut self.run else { return };
        if drained == run.drain_told {
            return;
        }
        let action = match (&run.entry.drain_command, run.control) {
            (Some(_), _) if drained => Action::DrainCommand,
            (None, true) => Action::Drain { off: !drained },
            // Nobody to tell: that it is drained is known to the fleet only.
            _ => {
                if run.entry.drain_command.is_some() {
                    run.drain_told = drained;
                }
                return;
            }
        };
        run.drain_told = drained;
        self.actions.push(action);
    }

    pub(super) fn connected(&mut self, now: Now, connected: bool) {
        let Some(run) = &mut self.run else { return };
        let before = std::mem::replace(&mut run.control, connected);
        if connected && !before {
            // A connection that is new may be to a process that was told nothing yet.
            run.drain_told &= self.phase == Phase::Up;
            self.health.soon(now);
        }
    }
}

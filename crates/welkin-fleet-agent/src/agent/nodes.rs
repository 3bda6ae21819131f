//! Doing what supervision decides, and telling it what came of that.

use welkin_codec::control::Ask;
use welkin_fleet_keeper::start;
use welkin_fleet_model::wire::agent::FromAgent;

use super::Agent;
use crate::node::keeper::{News, Tell};
use crate::node::{MEMORY, Node};
use crate::say;
use crate::supervise::{Action, Event, Supervisor};

impl Agent {
    /// Asks a node's supervisor, does what it says, writes down and reports what is new.
    pub(super) fn supervise(
        &mut self,
        name: &str,
        ask: impl FnOnce(&mut Supervisor) -> Vec<Action>,
    ) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        let mut actions = ask(&mut node.supervisor);
        while !actions.is_empty() {
            let mut more = Vec::new();
            for action in std::mem::take(&mut actions) {
                more.extend(self.act(name, &action));
            }
            actions = more;
        }
        self.tell_changes(name);
    }

    pub(super) fn event(&mut self, name: &str, attempt: u64, event: Event) {
        let now = self.now();
        let over = matches!(event, Event::Ended(_) | Event::StartFailed(_));
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        if over && node.supervisor.attempt() == attempt {
            node.run_ended();
        }
        self.supervise(name, |supervisor| supervisor.event(now, attempt, event));
    }

    /// To disk what must survive, to the master what it wants to know.
    pub(super) fn tell_changes(&mut self, name: &str) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        let memory = node.supervisor.memory(node.key.as_deref());
        if node.written.as_ref() != Some(&memory) {
            let run = self.settings.folders.run(name);
            match start::write(&run, MEMORY, &memory) {
                Ok(()) => node.written = Some(memory),
                // A node that never ran has no folder, and nothing to be remembered.
                Err(_) if !run.exists() => {}
                Err(error) => say(&format!("{}: {error}", run.join(MEMORY).display())),
            }
        }
        let report = node.report();
        if node.reported.as_ref() != Some(&report) {
            if node
                .reported
                .as_ref()
                .is_none_or(|old| old.state != report.state)
            {
                let reason = match report.reason.as_str() {
                    "" => String::new(),
                    reason => format!(": {reason}"),
                };
                say(&format!("{name} is {}{reason}", report.state.word()));
            }
            node.reported = Some(report.clone());
            self.send(&FromAgent::Node(report));
        }
    }

    /// Does one thing; further actions follow where the answer is known at once.
    fn act(&mut self, name: &str, action: &Action) -> Vec<Action> {
        let now = self.now();
        match action {
            Action::Start => return self.start(name),
            Action::Probe => self.probe(name),
            Action::Drain { off } => self.drain(name, *off),
            Action::DrainCommand => self.drain_command(name),
            Action::AskEnd => {
                let asked = self.nodes.get(name).and_then(|node| node.client.clone());
                if !asked.is_some_and(|client| client.say(Ask::Stop)) {
                    let text = "the control connection is gone".to_owned();
                    let event = Event::DrainFailed(text);
                    if let Some(node) = self.nodes.get_mut(name) {
                        let attempt = node.supervisor.attempt();
                        return node.supervisor.event(now, attempt, event);
                    }
                }
            }
            Action::Terminate => self.tell_process(name, Tell::Terminate),
            Action::Kill => self.tell_process(name, Tell::Kill),
            Action::Forget => self.forget(name),
        }
        Vec::new()
    }

    fn tell_process(&mut self, name: &str, tell: Tell) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        if let Some(keeper) = &node.keeper {
            keeper.tell(tell);
        } else if let Some(hand) = &node.hand {
            hand.tell(&tell);
        }
    }

    pub(super) fn keeper_news(&mut self, name: &str, attempt: u64, news: News) {
        match news {
            News::Ended(end) => self.event(name, attempt, Event::Ended(end)),
            News::Process(pid) => {
                self.supervise(name, |supervisor| supervisor.moved(attempt, pid));
            }
            News::Note(text) => self.note(&format!("{name}: {text}")),
        }
    }

    fn forget(&mut self, name: &str) {
        self.tell_changes(name);
        self.nodes.remove(name);
        let run = self.settings.folders.run(name);
        // At once: a node of the same name may be wanted next.
        if let Err(error) = std::fs::remove_dir_all(&run)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            say(&format!("{}: {error}", run.display()));
        }
    }
}

impl Node {
    /// Whether its memory is for the agent to watch.
    pub(super) fn watched_memory(&self) -> Option<u64> {
        let run = self.supervisor.run()?;
        let limit = run.entry.limits.memory?;
        (self.keeper.is_some() && !self.confined.memory).then_some(limit)
    }
}

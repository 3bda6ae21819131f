//! What agents say: that they are there, how their nodes are, and what came of what they were asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use welkin_fleet_model::state::{NodeReport, State};
use welkin_fleet_model::wire::agent::{Beat, FromAgent, MachineReport, Reply};

use super::{Change, Effect, Fleet, Machine, Session, Step, Who};

/// How an agent's reason begins that says the machine has been started anew.
const REBOOTED: &str = "machine rebooted";

impl Fleet {
    pub(super) fn agent_up(
        &mut self,
        name: &str,
        session: Session,
        from: String,
        version: String,
        clock_unix_ms: u64,
        mut report: MachineReport,
    ) {
        self.part_from_older(name, &from);
        report
            .orders
            .nodes
            .sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
        let mut record = self.durable.machine(name);
        record.addresses.clone_from(&report.addresses);
        record.agent = version;
        record.seen_unix_ms = self.now.unix_ms;
        self.put(Change::Machine(name.to_owned(), record));
        self.place_nodes();
        let now = self.now.mono_ms;
        let has = Arc::new(std::mem::take(&mut report.orders));
        let machine = self.machine_mut(name);
        machine.session = Some(session);
        machine.heard_ms = Some(now);
        machine.from = from;
        machine.releases = std::mem::take(&mut report.releases).into_iter().collect();
        machine.coming.clear();
        machine.scripts = std::mem::take(&mut report.scripts);
        machine.program = report.program.take();
        machine.connections += 1;
        machine.sent = Some(has.clone());
        machine.confirmed = Some(has);
        self.adopt_if_newer(name);
        self.set_clock_offset(name, clock_unix_ms);
        self.mark_lost(name, false);
        self.take_reports(name, report.nodes);
        self.revive(name);
        self.send_secrets(name);
        self.stirred = true;
    }

    fn machine_mut(&mut self, name: &str) -> &mut Machine {
        self.machines.entry(name.to_owned()).or_default()
    }

    /// A machine has one agent: who comes last is believed, as the older connection may be dead.
    fn part_from_older(&mut self, name: &str, from: &str) {
        let Some(older) = self.machines.get(name).and_then(|m| m.session) else {
            return;
        };
        let was = self.machines[name].from.clone();
        self.agent_down(name, older);
        let why = format!("agent {name} has connected again, from {from} (before: {was})");
        self.log(why.clone());
        self.effect(Effect::Close {
            session: older,
            why,
        });
    }

    /// Every node of the machine that the agent names is as it says; the others never ran there.
    fn take_reports(&mut self, machine: &str, reports: Vec<NodeReport>) {
        let named: BTreeSet<String> = reports.iter().map(|r| r.node.clone()).collect();
        for report in reports {
            self.node_report(machine, report);
        }
        for name in self.nodes_of(machine) {
            let absent = NodeReport {
                node: name.clone(),
                ..NodeReport::default()
            };
            if !named.contains(&name) {
                self.node_report(machine, absent);
            }
        }
        // Those that have moved away, or are dropped, and of which this one does not know any more.
        for name in self.durable.held_by(machine) {
            let here = self
                .nodes
                .get(&name)
                .is_some_and(|node| node.entry.machine == machine);
            if !named.contains(&name) && !here {
                self.release_hold(machine, &name);
            }
        }
    }

    /// Names of the nodes of a machine.
    pub(super) fn nodes_of(&self, machine: &str) -> Vec<String> {
        let of = self
            .nodes
            .iter()
            .filter(|(_, node)| node.entry.machine == machine);
        of.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn agent_says(&mut self, name: &str, session: Session, said: FromAgent) {
        if self.session(name) != Some(session) {
            return;
        }
        let now = self.now.mono_ms;
        self.machine_mut(name).heard_ms = Some(now);
        self.mark_lost(name, false);
        match said {
            FromAgent::Node(report) => self.node_report(name, report),
            FromAgent::Beat(beat) => self.beat(name, *beat),
            FromAgent::Reply { id, reply } => self.reply(name, id, reply),
            FromAgent::Note(text) => {
                self.log(format!("agent {name}: {text}"));
                let who = Who {
                    name: name.to_owned(),
                    from: "agent".to_owned(),
                };
                self.audit(&who, "note", name, &text);
            }
            // The first message is handled when the agent comes, renewals by the authority.
            FromAgent::Machine(_) | FromAgent::Renew(_) => {}
        }
    }

    fn beat(&mut self, name: &str, beat: Beat) {
        let now = self.now.mono_ms;
        self.set_clock_offset(name, beat.unix_ms);
        self.machine_mut(name).figures = Some((now, beat.machine));
        for figures in beat.nodes {
            if let Some(node) = self.nodes.get_mut(&figures.node)
                && node.entry.machine == name
            {
                node.figures = Some((now, figures));
            }
        }
    }

    fn set_clock_offset(&mut self, name: &str, unix_ms: u64) {
        let ours = self.now.unix_ms.cast_signed();
        self.machine_mut(name).clock_offset_ms = unix_ms.cast_signed().saturating_sub(ours);
    }

    fn reply(&mut self, name: &str, id: u64, reply: Result<Reply, String>) {
        if let Some(asker) = self.machine_mut(name).asks.remove(&id) {
            self.answered(name, asker, reply);
        }
    }

    pub(super) fn agent_down(&mut self, name: &str, session: Session) {
        let now = self.now.unix_ms;
        let Some(machine) = self
            .machines
            .get_mut(name)
            .filter(|m| m.session == Some(session))
        else {
            return;
        };
        machine.session = None;
        let asks = std::mem::take(&mut machine.asks);
        for asker in asks.into_values() {
            let why = format!("agent of {name} has gone away");
            self.answered(name, asker, Err(why));
        }
        let mut record = self.durable.machine(name);
        record.seen_unix_ms = now;
        self.put(Change::Machine(name.to_owned(), record));
        self.stirred = true;
    }

    /// Writes down that machines fell silent, and closes connections that say nothing any more.
    pub(super) fn look_for_silence(&mut self) {
        let silent: Vec<String> = self
            .machines
            .iter()
            .filter(|(name, machine)| machine.heard_ms.is_some() && !self.is_reachable(name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in silent {
            self.mark_lost(&name, true);
        }
    }

    fn mark_lost(&mut self, name: &str, lost: bool) {
        let machine = self.machine_mut(name);
        if machine.lost == lost {
            return;
        }
        machine.lost = lost;
        self.stirred = true;
        if lost && let Some(session) = self.session(name) {
            self.agent_down(name, session);
            let why = format!(
                "agent {name} said nothing for {} s",
                super::SILENCE_MS / 1000
            );
            self.effect(Effect::Close { session, why });
        }
        let unix_ms = self.now.unix_ms;
        for node in self.nodes_of(name) {
            let state = self.nodes[&node].report.state;
            let (from, to, reason) = if lost {
                (
                    state,
                    State::Unknown,
                    format!("agent of {name} not connected"),
                )
            } else {
                (State::Unknown, state, format!("agent of {name} is back"))
            };
            let step = Step {
                unix_ms,
                from,
                to,
                reason,
            };
            self.put(Change::Step(node, step));
        }
        self.log(match lost {
            true => format!("agent {name} is away: its nodes are unknown"),
            false => format!("agent {name} is back"),
        });
    }

    /// Takes note of how a node is.
    fn node_report(&mut self, machine: &str, report: NodeReport) {
        let name = report.node.clone();
        if self
            .nodes
            .get(&name)
            .is_none_or(|node| node.entry.machine != machine)
        {
            // It is not ours to run there any more, or never was.
            if !report.state.is_running() && report.state != State::BackingOff {
                self.release_hold(machine, &name);
            }
            return;
        }
        let node = self.nodes.get_mut(&name).expect("looked for above");
        let before = std::mem::replace(&mut node.report, report.clone());
        node.heard = true;
        if !report.state.is_running() {
            node.figures = None;
            node.players = None;
        }
        if before.state != report.state || before.reason != report.reason {
            self.node_changed(&before, &report);
        }
        if before != report {
            self.stirred = true;
        }
        let known = before.adopted && before.state.is_running() && before.pid == report.pid;
        self.follow_report(machine, &report, known);
    }

    fn node_changed(&mut self, before: &NodeReport, report: &NodeReport) {
        self.put(Change::Last(report.clone()));
        if before.state == report.state {
            return;
        }
        let step = Step {
            unix_ms: self.now.unix_ms,
            from: before.state,
            to: report.state,
            reason: report.reason.clone(),
        };
        self.put(Change::Step(report.node.clone(), step));
        if report.state == State::Failed {
            self.log(format!("node {} failed: {}", report.node, report.reason));
            let reason = report.reason.clone();
            self.webhook("node-failed", &report.node, reason);
        }
    }

    /// What a report changes in what is wanted. `known`: it was started by hand, and that is not new.
    fn follow_report(&mut self, machine: &str, report: &NodeReport, known: bool) {
        let name = &report.node;
        let wanted = self.durable.wanted(name);
        let up_to_date = report.orders >= self.nodes[name].ordered;
        if report.life > wanted.life {
            self.want(name, |w| w.life = report.life);
        }
        // Started by hand after the last stop: who did it wants it to run.
        let by_hand = report.adopted && !known && report.state != State::Stopping;
        if by_hand && report.state.is_running() && !wanted.running && up_to_date {
            let holder = Some(machine.to_owned());
            self.want(name, |w| {
                w.running = true;
                w.holder = holder;
            });
        }
        let down = report.state == State::Stopped;
        if down
            && wanted.running
            && wanted.life == report.life
            && report.reason.starts_with(REBOOTED)
        {
            self.want(name, |w| w.life += 1);
        }
        if down && !wanted.running && up_to_date {
            self.release_hold(machine, name);
        }
    }

    /// The machine says that it does not run the node: it may run elsewhere.
    fn release_hold(&mut self, machine: &str, name: &str) {
        let held = self
            .durable
            .wanted_ref(name)
            .is_some_and(|w| w.holder.as_deref() == Some(machine));
        if !held {
            return;
        }
        if self.nodes.contains_key(name) {
            self.want(name, |w| w.holder = None);
        } else {
            // Dropped from the file, and now gone.
            self.put(Change::Wanted(name.to_owned(), None));
        }
    }

    /// What was to be started while the agent was away, and does not run, gets a new life.
    fn revive(&mut self, machine: &str) {
        for name in self.nodes_of(machine) {
            if !self.durable.wanted_ref(&name).is_some_and(|w| w.revive) {
                continue;
            }
            let runs = self.nodes[&name].report.state.is_running();
            self.want(&name, |w| {
                w.revive = false;
                w.life += u64::from(w.running && !runs);
            });
        }
    }
}

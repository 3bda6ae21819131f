//! The world around the core: time, links with delays, agents, a disk, and people who give commands.

use std::collections::BTreeMap;

use welkin_fleet_master::core::{
    Batch, CallId, Effect, Fleet, Input, Now, ReleaseInfo, Session, Who,
};
use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::agent::{FromAgent, ToAgent};
use welkin_fleet_model::wire::client::{Command, Options, Outcome};

use crate::agent::Agent;
use crate::store::Disk;

/// How far time goes in one step.
const STEP: u64 = 20;
/// When it is, on the calendar.
const DAY: u64 = 1_800_000_000_000;

/// Numbers from a seed.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }
}

enum Message {
    Up(Session),
    Said(Session, FromAgent),
    Down(Session),
    Told(Session, ToAgent),
}

/// See the file.
pub struct World {
    pub now: u64,
    pub random: Random,
    pub fleet: Option<Fleet>,
    pub disk: Disk,
    pub agents: BTreeMap<String, Agent>,
    /// On their way, by time and number, each with the agent's name. Links keep the order.
    wire: BTreeMap<(u64, u64), (String, Message)>,
    latest: BTreeMap<(String, bool), u64>,
    sent: u64,
    next: u64,
    pub done: BTreeMap<CallId, Outcome>,
    pub progress: Vec<String>,
    pub logs: Vec<String>,
    pub webhooks: Vec<serde_json::Value>,
    /// Longest delay of a message.
    pub delay: u64,
    /// What the clock of the calendar has beyond the other.
    pub skew: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            now: 1000,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            fleet: None,
            disk: Disk::default(),
            agents: BTreeMap::new(),
            wire: BTreeMap::new(),
            latest: BTreeMap::new(),
            sent: 0,
            next: 1,
            done: BTreeMap::new(),
            progress: Vec::new(),
            logs: Vec::new(),
            webhooks: Vec::new(),
            delay: 60,
            skew: 0,
        };
        world.start_master();
        world
    }

    /// A world with that fleet file and an agent for each machine that it names.
    pub fn of(seed: u64, file: &str) -> Self {
        let mut world = Self::new(seed);
        let outcome = world.run(Command::Apply {
            file: file.into(),
            cluster: None,
            dry_run: false,
            restart: false,
        });
        assert_eq!(outcome.errors, [], "{outcome:?}");
        let machines: Vec<String> = world.disk.plan().fleet.machines.keys().cloned().collect();
        for machine in machines {
            world.add_agent(&machine);
        }
        world.pass(1000);
        world
    }

    pub fn add_agent(&mut self, name: &str) {
        let agent = Agent {
            name: name.into(),
            connects_at: Some(self.now + self.random.below(200)),
            version: "1".into(),
            ..Agent::default()
        };
        self.agents.insert(name.into(), agent);
    }

    pub fn time(&self) -> Now {
        Now {
            mono_ms: self.now,
            unix_ms: DAY + self.now + self.skew,
        }
    }

    pub fn start_master(&mut self) {
        let mut fleet = Fleet::new(self.time(), self.disk.plan(), self.disk.loaded.clone());
        let now = self.time();
        for digest in ["good", "better", "bad", "faulty"] {
            fleet.handle(now, Input::Release(release(digest)));
        }
        self.fleet = Some(fleet);
        for agent in self.agents.values_mut() {
            agent.connects_at = Some(self.now + 200 + self.random.below(1500));
        }
    }

    /// kill -9: what is on its way is lost.
    pub fn kill_master(&mut self) {
        self.fleet = None;
        self.wire.clear();
        for agent in self.agents.values_mut() {
            agent.session = None;
            agent.connects_at = None;
        }
    }

    /// The link of an agent breaks; it comes again after a while, or not.
    pub fn cut(&mut self, name: &str, back: Option<u64>) {
        let now = self.now;
        let agent = self.agents.get_mut(name).expect("an agent");
        agent.connects_at = back.map(|ms| now + ms);
        if let Some(session) = agent.session.take() {
            self.wire.retain(|_, (to, message)| {
                to != name || matches!(message, Message::Said(..) | Message::Up(_))
            });
            self.send(name, true, Message::Down(session));
        }
    }

    pub fn call(&mut self, command: Command) -> CallId {
        self.call_with(command, Options::default())
    }

    pub fn call_with(&mut self, command: Command, options: Options) -> CallId {
        let call = self.next;
        self.next += 1;
        let who = Who {
            name: "anna".into(),
            from: "local".into(),
        };
        let now = self.time();
        let input = Input::Call {
            call,
            who,
            command: Box::new(command),
            options,
        };
        self.fleet.as_mut().expect("a master").handle(now, input);
        self.settle();
        call
    }

    /// A command to its end.
    pub fn run(&mut self, command: Command) -> Outcome {
        let call = self.call(command);
        self.wait(call)
    }

    pub fn wait(&mut self, call: CallId) -> Outcome {
        for _ in 0..60_000 {
            if let Some(outcome) = self.done.remove(&call) {
                return outcome;
            }
            self.step();
        }
        panic!("call {call} has no end; logs: {:#?}", self.logs);
    }

    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(STEP) {
            self.step();
        }
    }

    pub fn until(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        for _ in 0..60_000 {
            if holds(self) {
                return;
            }
            self.step();
        }
        panic!("never: {what}; logs: {:#?}", self.logs);
    }

    fn send(&mut self, agent: &str, to_master: bool, message: Message) {
        let latest = self
            .latest
            .entry((agent.to_owned(), to_master))
            .or_default();
        let at = (self.now + 1 + self.random.below(self.delay)).max(*latest);
        *latest = at;
        self.sent += 1;
        self.wire
            .insert((at, self.sent), (agent.to_owned(), message));
    }

    pub fn step(&mut self) {
        self.now += STEP;
        self.connect();
        self.deliver();
        self.let_agents_act();
        let now = self.time();
        if let Some(fleet) = &mut self.fleet {
            fleet.handle(now, Input::Tick);
        }
        self.settle();
        self.check();
    }

    fn connect(&mut self) {
        if self.fleet.is_none() {
            return;
        }
        let due: Vec<String> = self
            .agents
            .values()
            .filter(|agent| {
                agent.session.is_none() && agent.connects_at.is_some_and(|at| at <= self.now)
            })
            .map(|agent| agent.name.clone())
            .collect();
        for name in due {
            let session = self.next;
            self.next += 1;
            let agent = self.agents.get_mut(&name).unwrap();
            agent.session = Some(session);
            agent.next_beat = self.now;
            self.send(&name, true, Message::Up(session));
        }
    }

    fn deliver(&mut self) {
        let mut later = self.wire.split_off(&(self.now + 1, 0));
        std::mem::swap(&mut later, &mut self.wire);
        let now = self.time();
        for (name, message) in later.into_values() {
            let Some(agent) = self.agents.get_mut(&name) else {
                continue;
            };
            let fleet = self.fleet.as_mut();
            match (message, fleet) {
                (Message::Up(session), Some(fleet)) => {
                    let input = Input::AgentUp {
                        machine: name,
                        session,
                        from: "10.0.0.9:5".into(),
                        version: agent.version.clone(),
                        clock_unix_ms: now.unix_ms,
                        report: Box::new(agent.report()),
                    };
                    fleet.handle(now, input);
                }
                (Message::Said(session, said), Some(fleet)) => {
                    fleet.handle(
                        now,
                        Input::AgentSays {
                            machine: name,
                            session,
                            said,
                        },
                    );
                }
                (Message::Down(session), Some(fleet)) => {
                    fleet.handle(
                        now,
                        Input::AgentDown {
                            machine: name,
                            session,
                        },
                    );
                }
                (Message::Told(session, told), _) if agent.session == Some(session) => {
                    for said in agent.hear(self.now, told, &mut self.random) {
                        self.send(&name, true, Message::Said(session, said));
                    }
                }
                _ => {}
            }
        }
    }

    fn let_agents_act(&mut self) {
        let unix_ms = self.time().unix_ms;
        let mut all = Vec::new();
        for agent in self.agents.values_mut() {
            let mut said = agent.step(self.now, &mut self.random);
            if let Some(session) = agent.session {
                said.extend(agent.beat(self.now, unix_ms));
                all.extend(
                    said.into_iter()
                        .map(|said| (agent.name.clone(), session, said)),
                );
            }
        }
        for (name, session, said) in all {
            self.send(&name, true, Message::Said(session, said));
        }
    }

    fn settle(&mut self) {
        let now = self.time();
        let Some(fleet) = &mut self.fleet else { return };
        fleet.settle(now);
        let Batch { changes, effects } = fleet.take();
        let effects = match self.disk.write(changes) {
            Ok(()) => {
                fleet.written();
                effects
            }
            Err(why) => fleet.refuse(
                Batch {
                    changes: Vec::new(),
                    effects,
                },
                &why,
            ),
        };
        for effect in effects {
            self.let_out(effect);
        }
    }

    fn let_out(&mut self, effect: Effect) {
        match effect {
            Effect::Orders { session, orders } => {
                self.tell(session, ToAgent::Orders((*orders).clone()));
            }
            Effect::Ask {
                session, id, ask, ..
            } => self.tell(session, ToAgent::Ask { id, ask }),
            Effect::Done { call, outcome } => drop(self.done.insert(call, *outcome)),
            Effect::Progress { text, .. } => self.progress.push(text),
            Effect::Log(line) => self.logs.push(line),
            Effect::Webhook { event, .. } => self.webhooks.push(event),
            Effect::Close { session, .. } => {
                let of = self
                    .agents
                    .values()
                    .find(|agent| agent.session == Some(session));
                if let Some(name) = of.map(|agent| agent.name.clone()) {
                    self.cut(&name, Some(500));
                }
            }
            Effect::Secret { .. } | Effect::Prune { .. } => {}
        }
    }

    fn tell(&mut self, session: Session, told: ToAgent) {
        let to = self
            .agents
            .values()
            .find(|agent| agent.session == Some(session));
        if let Some(name) = to.map(|agent| agent.name.clone()) {
            self.send(&name, false, Message::Told(session, told));
        }
    }

    /// What must hold at every moment: no node runs, or is to run, on two machines.
    fn check(&self) {
        let mut at: BTreeMap<&str, &str> = BTreeMap::new();
        for agent in self.agents.values() {
            let ordered = agent.orders.nodes.iter().filter(|order| order.running);
            let running = agent
                .nodes
                .values()
                .filter(|node| node.report.state.is_running());
            let names: std::collections::BTreeSet<&str> = ordered
                .map(|order| order.entry.name.as_str())
                .chain(running.map(|node| node.report.node.as_str()))
                .collect();
            for name in names {
                let other = at.insert(name, &agent.name);
                assert!(
                    other.is_none(),
                    "{name} is on {} and on {other:?}",
                    agent.name
                );
            }
        }
    }

    /// How a node really is.
    pub fn node(&self, name: &str) -> Option<&crate::agent::Node> {
        self.agents.values().find_map(|agent| agent.nodes.get(name))
    }

    pub fn state(&self, name: &str) -> State {
        self.node(name)
            .map_or(State::Stopped, |node| node.report.state)
    }

    /// What the master says of it.
    pub fn shown(&mut self, name: &str) -> serde_json::Map<String, serde_json::Value> {
        let outcome = self.run(Command::Status {
            sel: vec![name.into()],
        });
        outcome.rows.into_iter().next().expect("a row")
    }
}

pub fn release(digest: &str) -> ReleaseInfo {
    ReleaseInfo {
        digest: digest.into(),
        archive: 10,
        unpacked: 20,
        ..ReleaseInfo::default()
    }
}

/// Results by node.
pub fn results(outcome: &Outcome) -> BTreeMap<String, String> {
    let text = |row: &serde_json::Map<String, serde_json::Value>, key: &str| {
        row.get(key)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    outcome
        .rows
        .iter()
        .map(|row| (text(row, "node"), text(row, "result")))
        .collect()
}

pub fn all() -> Vec<String> {
    vec!["all".into()]
}

pub fn start(sel: Vec<String>) -> Command {
    Command::Start {
        sel,
        no_wait: false,
        force: false,
    }
}

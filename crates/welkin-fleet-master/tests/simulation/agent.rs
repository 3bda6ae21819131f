//! A simulated agent: it writes down orders, carries them out, and reports.

use std::collections::{BTreeMap, BTreeSet};

use welkin_fleet_master::core::Session;
use welkin_fleet_model::figures::{MachineFigures, NodeFigures};
use welkin_fleet_model::state::{NodeReport, State, Unwritten};
use welkin_fleet_model::wire::agent::{
    Ask, Beat, FromAgent, MachineReport, Order, Orders, Reply, ToAgent,
};

use crate::world::Random;

/// One node of a machine: its report is what it is.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub report: NodeReport,
    /// When it goes on to its next state.
    pub until: u64,
    /// Started again after it has stopped.
    pub again: bool,
    /// Taken from the orders: forgotten after it has stopped.
    pub dropped: bool,
    /// It does not end by itself.
    pub stubborn: bool,
}

/// One machine.
#[derive(Debug, Default)]
pub struct Agent {
    pub name: String,
    pub session: Option<Session>,
    /// When it tries to connect (again); none: never.
    pub connects_at: Option<u64>,
    pub orders: Orders,
    pub nodes: BTreeMap<String, Node>,
    pub releases: BTreeSet<String>,
    pub addresses: Vec<String>,
    /// Releases that do not come up, or that do not stay up.
    pub bad: BTreeSet<String>,
    /// A release whose check fails.
    pub faulty: BTreeSet<String>,
    pub next_beat: u64,
    /// What was asked: for the tests.
    pub asked: Vec<Ask>,
    pub version: String,
    /// The release whose binary it is.
    pub program: Option<String>,
    pub script: String,
    /// Starts so far, by node.
    pub starts: BTreeMap<String, u32>,
    /// It does not take fetches.
    pub deaf: bool,
    /// It cannot write down orders, and has these to try again.
    pub full: bool,
    pub unwritten: Option<Orders>,
}

impl Agent {
    pub fn report(&self) -> MachineReport {
        MachineReport {
            boot_id: "boot".into(),
            addresses: self.addresses.clone(),
            orders: self.orders.clone(),
            nodes: self
                .nodes
                .values()
                .map(|node| node.report.clone())
                .collect(),
            releases: self.releases.iter().cloned().collect(),
            scripts: Vec::new(),
            program: self.program.clone(),
        }
    }

    /// Takes a message; what it answers.
    pub fn hear(&mut self, now: u64, said: ToAgent, random: &mut Random) -> Vec<FromAgent> {
        match said {
            ToAgent::Orders(orders) => self.take_orders(now, orders, random),
            ToAgent::Ask { id, ask } => {
                self.asked.push(ask.clone());
                let reply = match ask {
                    Ask::Fetch { .. } if self.deaf => Err("digest differs".to_owned()),
                    Ask::Fetch { digest, .. } => {
                        let have = !self.releases.insert(digest);
                        Ok(Reply {
                            have,
                            ..Reply::default()
                        })
                    }
                    Ask::Check { digest, nodes } => {
                        let fault = digest.is_some_and(|digest| self.faulty.contains(&digest));
                        let faults = nodes.iter().filter(|_| fault);
                        let faults =
                            faults.map(|node| (node.name.clone(), "no such file".to_owned()));
                        Ok(Reply {
                            faults: faults.collect(),
                            ..Reply::default()
                        })
                    }
                    Ask::Script { .. } => Ok(Reply {
                        output: self.script.clone(),
                        ..Reply::default()
                    }),
                    Ask::Exec { line, .. } => Ok(Reply {
                        output: format!("did {line}"),
                        ..Reply::default()
                    }),
                    _ => Ok(Reply::default()),
                };
                vec![FromAgent::Reply { id, reply }]
            }
            ToAgent::Renewed { .. } => Vec::new(),
        }
    }

    fn take_orders(&mut self, now: u64, orders: Orders, random: &mut Random) -> Vec<FromAgent> {
        if orders.version <= self.orders.version {
            return Vec::new();
        }
        let version = orders.version;
        if self.full {
            for order in &orders.nodes {
                let name = order.entry.name.clone();
                let node = self.nodes.entry(name.clone()).or_default();
                node.report.node = name;
                node.report.unwritten = Some(Unwritten {
                    orders: version,
                    why: "orders.json: no room".to_owned(),
                });
            }
            self.unwritten = Some(orders);
            return self.said();
        }
        let old: Vec<String> = self.nodes.keys().cloned().collect();
        for name in old {
            if !orders.nodes.iter().any(|order| order.entry.name == name) {
                let node = self.nodes.get_mut(&name).unwrap();
                node.dropped = true;
                node.report.orders = version;
                stop(node, now, random);
            }
        }
        for order in &orders.nodes {
            let node = self.nodes.entry(order.entry.name.clone()).or_default();
            node.report.node = order.entry.name.clone();
            node.report.orders = version;
            node.report.unwritten = None;
            node.dropped = false;
            obey(node, order, now, random);
        }
        self.orders = orders;
        self.said()
    }

    /// Reports of all nodes; those that are gone are forgotten afterwards.
    fn said(&mut self) -> Vec<FromAgent> {
        let said = self
            .nodes
            .values()
            .map(|node| FromAgent::Node(node.report.clone()))
            .collect();
        self.nodes
            .retain(|_, node| !(node.dropped && node.report.state == State::Stopped));
        said
    }

    /// Lets its nodes go on.
    pub fn step(&mut self, now: u64, random: &mut Random) -> Vec<FromAgent> {
        let again = self.unwritten.take_if(|_| !self.full);
        let mut said = again.map_or_else(Vec::new, |orders| self.take_orders(now, orders, random));
        let (bad, orders) = (self.bad.clone(), &self.orders);
        for (name, node) in &mut self.nodes {
            if node.until == 0 || now < node.until {
                continue;
            }
            node.until = 0;
            match node.report.state {
                State::Starting => {
                    let fails = node
                        .report
                        .release
                        .as_ref()
                        .is_some_and(|r| bad.contains(r));
                    let state = if fails { State::Failed } else { State::Ready };
                    let drained = node.report.drained && !fails;
                    node.report.state = if drained { State::Draining } else { state };
                    node.report.reason = if fails {
                        "exit status 1".into()
                    } else {
                        String::new()
                    };
                }
                State::Stopping => {
                    node.report.state = State::Stopped;
                    if node.again {
                        let order = orders.nodes.iter().find(|o| o.entry.name == *name);
                        if let Some(order) = order {
                            start(node, order, now, random);
                            *self.starts.entry(name.clone()).or_default() += 1;
                        }
                    }
                }
                _ => {}
            }
            said.push(FromAgent::Node(node.report.clone()));
        }
        self.nodes
            .retain(|_, node| !(node.dropped && node.report.state == State::Stopped));
        said
    }

    pub fn beat(&mut self, now: u64, unix_ms: u64) -> Option<FromAgent> {
        if now < self.next_beat {
            return None;
        }
        self.next_beat = now + 2000;
        let nodes = self
            .nodes
            .values()
            .filter(|node| node.report.state.is_running());
        let figures = |node: &Node| NodeFigures {
            node: node.report.node.clone(),
            cpu: Some(1.5),
            memory: Some(64 << 20),
            online: Some(7),
            ..NodeFigures::default()
        };
        let machine = MachineFigures {
            cores: Some(4),
            cpu: Some(3.0),
            ..MachineFigures::default()
        };
        Some(FromAgent::Beat(Box::new(Beat {
            unix_ms,
            machine,
            nodes: nodes.map(figures).collect(),
        })))
    }
}

fn obey(node: &mut Node, order: &Order, now: u64, random: &mut Random) {
    let state = node.report.state;
    node.report.drained = order.drain;
    if state == State::Ready && order.drain {
        node.report.state = State::Draining;
    } else if state == State::Draining && !order.drain {
        node.report.state = State::Ready;
    }
    if !order.running {
        if state == State::Failed {
            node.report.state = State::Stopped;
        }
        return stop(node, now, random);
    }
    if order.life > node.report.life {
        match state {
            State::Stopped | State::Failed | State::BackingOff => start(node, order, now, random),
            _ => {
                stop(node, now, random);
                node.again = true;
            }
        }
    } else if state == State::Stopping && order.life >= node.report.life {
        // Wanted again in the life that it is leaving: nothing but another life brings it back.
    }
}

fn start(node: &mut Node, order: &Order, now: u64, random: &mut Random) {
    node.report.state = State::Starting;
    node.report.life = order.life;
    node.report.release.clone_from(&order.release);
    node.report.killed_after_s = None;
    node.report.pid = Some(1);
    node.again = false;
    node.until = now + 100 + random.below(900);
}

fn stop(node: &mut Node, now: u64, random: &mut Random) {
    node.again = false;
    if node.report.state.is_running() && node.report.state != State::Stopping {
        node.report.state = State::Stopping;
        node.until = now + 50 + random.below(300);
        node.report.killed_after_s = node.stubborn.then_some(40);
    }
}

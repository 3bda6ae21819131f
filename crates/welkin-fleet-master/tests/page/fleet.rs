//! A fleet that is only shown: three machines of a small game in the middle of an update.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::watch;
use welkin_fleet_master::core::{MachineView, NodeView, RollView, View};
use welkin_fleet_master::http::{Audit, AuditLine, Source};
use welkin_fleet_model::figures::{Disk, MachineFigures, Memory, NodeFigures};
use welkin_fleet_model::state::State;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// What the page is shown; its figures move on their own.
pub struct Fleet {
    view: Mutex<View>,
    changed: watch::Sender<u64>,
}

impl Fleet {
    pub fn new() -> Self {
        let now = now();
        let roll = RollView {
            label: "2024-11 harvest".into(),
            by: "anna".into(),
            step: "roll".into(),
            done: 4,
            all: 9,
            release: Some("9c41e07ad5b2".repeat(5)),
            ..RollView::default()
        };
        let view = View {
            fleet: "Harvest Moonlight".into(),
            unix_ms: now,
            machines: [("m1", 8, 0.42), ("m2", 16, 0.63), ("m3", 16, 0.18)]
                .map(|(name, cores, load)| machine(name, cores, load))
                .into(),
            nodes: nodes(now),
            roll: Some(roll),
        };
        Self {
            view: Mutex::new(view),
            changed: watch::Sender::new(0),
        }
    }

    /// A thousand nodes on a hundred machines, all of them well.
    pub fn large() -> Self {
        let fleet = Self::new();
        fleet.change(|view| {
            let now = view.unix_ms;
            let machines = (0..100).map(|at| machine(&format!("m{at:03}"), 16, 0.4));
            view.machines = machines.collect();
            let node = view.nodes[3].clone();
            let nodes = (0..1000).map(|at| NodeView {
                name: format!("scene_{at:04}"),
                machine: format!("m{:03}", at / 10),
                group: Some(format!("group_{}", at % 7)),
                since_unix_ms: Some(now - at * 1000),
                ..node.clone()
            });
            view.nodes = nodes.collect();
        });
        fleet
    }

    pub fn set(&self, node: &str, state: State, reason: &str) {
        self.change(|view| {
            let node = view.nodes.iter_mut().find(|it| it.name == node).unwrap();
            node.state = state;
            node.reason = reason.to_owned();
            node.since_unix_ms = Some(now());
        });
    }

    pub fn end_roll(&self) {
        self.change(|view| view.roll = None);
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Source for Fleet {
    /// Each look sees other figures, so that the lines have something to show.
    async fn view(&self) -> Arc<View> {
        let mut view = self.view.lock().unwrap().clone();
        view.unix_ms = now();
        let beat = (view.unix_ms / 50) as f64;
        for (at, machine) in view.machines.iter_mut().enumerate() {
            let figures = machine.figures.as_mut().unwrap();
            figures.cpu = figures.cpu.map(|cpu| cpu * wave(beat, at));
        }
        for (at, node) in view.nodes.iter_mut().enumerate() {
            if let Some(figures) = node.figures.as_mut() {
                figures.cpu = figures.cpu.map(|cpu| cpu * wave(beat, at + 3));
                let memory =
                    |bytes: u64| (bytes as f64 * (0.9 + wave(beat / 3.0, at) / 10.0)) as u64;
                figures.memory = figures.memory.map(memory);
            }
            let players = |count: u64| (count as f64 * wave(beat / 4.0, at / 3)) as u64;
            node.online = node.online.map(players);
        }
        Arc::new(view)
    }

    async fn status(&self) -> Value {
        json!({"ok": true, "results": [], "errors": []})
    }

    async fn audit(&self) -> Audit {
        let started = self.view.lock().unwrap().unix_ms;
        let line =
            |(ago_s, who, from, command, target, result): &(u64, &str, &str, &str, &str, &str)| {
                AuditLine {
                    unix_ms: started - ago_s * 1000,
                    who: (*who).into(),
                    from: (*from).into(),
                    command: (*command).into(),
                    target: (*target).into(),
                    result: (*result).into(),
                }
            };
        Audit {
            lines: AUDIT.iter().map(line).collect(),
            total: 1284,
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

const AUDIT: [(u64, &str, &str, &str, &str, &str); 7] = [
    (
        8_100,
        "anna",
        "10.0.4.7:51022",
        "token m3 --role agent",
        "m3",
        "done",
    ),
    (7_900, "m3", "10.0.0.3:40112", "enrol", "m3", "done"),
    (
        4_020,
        "uid:1000",
        "uid 1000, pid 4113",
        "drain",
        "scene_2",
        "done",
    ),
    (
        3_980,
        "bert",
        "10.0.4.9:40918",
        "revoke old-laptop",
        "old-laptop",
        "refused: not permitted, bert is operate",
    ),
    (
        1_260,
        "anna",
        "10.0.4.7:51022",
        "apply",
        "fleet.toml",
        "done: +1 node, ~2 nodes",
    ),
    (
        640,
        "bert",
        "10.0.4.9:41044",
        "restart",
        "chat_1",
        "done in 4.1 s",
    ),
    (
        31,
        "anna",
        "10.0.4.7:51022",
        "update --release 9c41e07ad5b2",
        "group:scene",
        "under way",
    ),
];

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn wave(beat: f64, at: usize) -> f64 {
    let turn = (beat / 37.0 + at as f64).sin() * 0.18 + (beat / 7.0 + at as f64 * 2.0).sin() * 0.08;
    1.0 + turn
}

fn machine(name: &str, cores: u32, load: f64) -> MachineView {
    let total = u64::from(cores) * 4 * GIB;
    let used = (total as f64 * (0.3 + load / 2.0)) as u64;
    let figures = MachineFigures {
        cores: Some(cores),
        cpu: Some(load * 100.0),
        load: Some(load * f64::from(cores)),
        memory: Some(Memory {
            total,
            used,
            ..Memory::default()
        }),
        disks: vec![Disk {
            mount: "/".into(),
            kind: "ext4".into(),
            total: 200 * GIB,
            used: 81 * GIB,
            free: 119 * GIB,
        }],
        rx: Some(load * 9e6),
        tx: Some(load * 2.2e7),
        ..MachineFigures::default()
    };
    MachineView {
        name: name.into(),
        connected: true,
        version: "0.1.0".into(),
        clock_offset_ms: 3,
        figures: Some(figures),
    }
}

fn nodes(now: u64) -> Vec<NodeView> {
    let node = |(name, machine, state, online, cpu, mib, age_s): (
        &str,
        &str,
        State,
        Option<u64>,
        f64,
        u64,
        u64,
    )| {
        let figures = NodeFigures {
            cpu: Some(cpu),
            memory: Some(mib * MIB),
            ..NodeFigures::default()
        };
        NodeView {
            name: name.into(),
            machine: machine.into(),
            group: Some(name.split('_').next().unwrap_or_default().into()),
            state,
            last: state,
            since_unix_ms: Some(now - age_s * 1000),
            wanted: true,
            release: Some("9c41e07ad5b2".repeat(5)),
            online,
            figures: Some(figures),
            ..NodeView::default()
        }
    };
    use State::{BackingOff, Draining, Ready, Starting};
    let mut nodes: Vec<NodeView> = [
        ("chat_1", "m1", Ready, None, 12.0, 210, 640),
        ("db_1", "m1", Ready, None, 38.0, 1450, 86_400 * 3),
        ("login_1", "m1", Ready, Some(84), 21.0, 320, 9_200),
        ("scene_1", "m2", Ready, Some(912), 164.0, 2210, 28),
        ("scene_2", "m2", Draining, Some(377), 96.0, 1980, 4_020),
        ("scene_3", "m2", Ready, Some(1033), 181.0, 2304, 50_000),
        ("scene_4", "m3", Starting, None, 44.0, 380, 3),
        ("scene_5", "m3", Ready, Some(640), 122.0, 1750, 50_000),
        ("mail_1", "m3", BackingOff, None, 0.0, 0, 12),
    ]
    .map(node)
    .into();
    let mail = nodes.last_mut().unwrap();
    mail.figures = None;
    mail.restarts = 3;
    mail.reason =
        "exit status 1: mail.lua:88: connection refused (10.0.0.9:6379); next try in 8 s".into();
    nodes
}

//! Figures for Prometheus, in its text format. Names and labels are `fleet.md`'s.

use std::fmt::Write;

use welkin_fleet_model::figures::MachineFigures;
use welkin_fleet_model::state::State;

use crate::core::{MachineView, NodeView, View};

/// All of them. A figure that nobody can tell is left out.
pub(super) fn text(view: &View, audit_records: u64) -> String {
    let mut text = Text::default();
    nodes(&mut text, &view.nodes);
    machines(&mut text, &view.machines);
    text.family("update_in_progress", "gauge", "An update is under way.");
    text.sample(
        "update_in_progress",
        &[],
        f64::from(u8::from(view.roll.is_some())),
    );
    text.family(
        "audit_records_total",
        "counter",
        "Records of the audit log.",
    );
    text.sample("audit_records_total", &[], audit_records as f64);
    text.0
}

fn nodes(text: &mut Text, nodes: &[NodeView]) {
    text.family(
        "node_state",
        "gauge",
        "1 for the state that a node is in, 0 for the others.",
    );
    for node in nodes {
        for state in State::ALL {
            let mut labels = labels(node).to_vec();
            labels.push(("state", state.word()));
            text.sample(
                "node_state",
                &labels,
                f64::from(u8::from(node.state == state)),
            );
        }
    }
    type Read = fn(&NodeView) -> Option<f64>;
    let families: [(&str, &str, &str, Read); 5] = [
        (
            "node_ready",
            "gauge",
            "1 while the node is ready.",
            |node| Some(f64::from(u8::from(node.state == State::Ready))),
        ),
        ("node_cpu_ratio", "gauge", "CPU; 1 is one core.", |node| {
            present(node)?.cpu.map(|percent| percent / 100.0)
        }),
        ("node_memory_bytes", "gauge", "Resident memory.", |node| {
            present(node)?.memory.map(|bytes| bytes as f64)
        }),
        ("node_online", "gauge", "Players.", |node| {
            node.online.map(|players| players as f64)
        }),
        (
            "node_restarts_total",
            "counter",
            "Starts after an end that nobody asked for, since the last start that was asked for.",
            |node| Some(f64::from(node.restarts)),
        ),
    ];
    for (name, kind, help, read) in families {
        text.family(name, kind, help);
        for node in nodes {
            if let Some(value) = read(node) {
                text.sample(name, &labels(node), value);
            }
        }
    }
}

/// The figures, unless the agent is away.
fn present(node: &NodeView) -> Option<&welkin_fleet_model::figures::NodeFigures> {
    node.figures
        .as_ref()
        .filter(|_| node.state != State::Unknown)
}

fn labels(node: &NodeView) -> [(&'static str, &str); 3] {
    [
        ("node", &node.name),
        ("machine", &node.machine),
        ("group", node.group.as_deref().unwrap_or_default()),
    ]
}

fn machines(text: &mut Text, machines: &[MachineView]) {
    text.family(
        "agent_connected",
        "gauge",
        "1 while the machine's agent is connected.",
    );
    for machine in machines {
        let connected = f64::from(u8::from(machine.connected));
        text.sample("agent_connected", &[("machine", &machine.name)], connected);
    }
    type Read = fn(&MachineFigures) -> Option<f64>;
    let families: [(&str, &str, Read); 9] = [
        ("machine_cores", "Cores.", |figures| {
            figures.cores.map(f64::from)
        }),
        ("machine_cpu_ratio", "CPU; 1 is all cores.", |figures| {
            figures.cpu.map(|percent| percent / 100.0)
        }),
        ("machine_load", "Load average of one minute.", |figures| {
            figures.load
        }),
        ("machine_memory_bytes", "Memory.", |figures| {
            figures.memory.map(|it| it.total as f64)
        }),
        ("machine_memory_used_bytes", "Memory in use.", |figures| {
            figures.memory.map(|it| it.used as f64)
        }),
        (
            "machine_memory_available_bytes",
            "Memory that programs can have.",
            |figures| figures.memory.map(|it| it.available as f64),
        ),
        ("machine_swap_used_bytes", "Swap in use.", |figures| {
            figures.memory.map(|it| it.swap_used as f64)
        }),
        ("machine_receive_bytes_per_second", "Received.", |figures| {
            figures.rx
        }),
        ("machine_transmit_bytes_per_second", "Sent.", |figures| {
            figures.tx
        }),
    ];
    let present = |machine: &'_ &MachineView| machine.connected;
    for (name, help, read) in families {
        text.family(name, "gauge", help);
        for machine in machines.iter().filter(present) {
            if let Some(value) = machine.figures.as_ref().and_then(read) {
                text.sample(name, &[("machine", &machine.name)], value);
            }
        }
    }
    for (name, help, used) in [
        ("machine_disk_bytes", "Size of a file system.", false),
        ("machine_disk_used_bytes", "Used of a file system.", true),
    ] {
        text.family(name, "gauge", help);
        for machine in machines.iter().filter(present) {
            for disk in machine.figures.iter().flat_map(|figures| &figures.disks) {
                let labels = [("machine", machine.name.as_str()), ("mount", &disk.mount)];
                let bytes = if used { disk.used } else { disk.total };
                text.sample(name, &labels, bytes as f64);
            }
        }
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP welkin_fleet_{name} {help}");
        let _ = writeln!(self.0, "# TYPE welkin_fleet_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.0, "welkin_fleet_{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{}\"", escaped(text));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_in_one_state_and_its_labels_are_escaped() {
        let view = View {
            nodes: vec![NodeView {
                name: "a\"b\\c\n".into(),
                machine: "m".into(),
                state: State::Ready,
                online: Some(7),
                restarts: 2,
                ..Default::default()
            }],
            ..Default::default()
        };
        let text = text(&view, 3);
        let labels = r#"{node="a\"b\\c\n",machine="m",group=""}"#;
        assert!(
            text.contains(&format!("welkin_fleet_node_online{labels} 7\n")),
            "{text}"
        );
        assert!(text.contains(&format!("welkin_fleet_node_restarts_total{labels} 2\n")));
        assert!(text.contains("welkin_fleet_audit_records_total 3\n"));
        assert!(text.contains("welkin_fleet_update_in_progress 0\n"));
        assert!(!text.contains("welkin_fleet_node_cpu_ratio{"));
        let states: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("welkin_fleet_node_state{"))
            .collect();
        assert_eq!(states.len(), State::ALL.len());
        let set: Vec<_> = states.iter().filter(|line| line.ends_with(" 1")).collect();
        assert!(set.len() == 1 && set[0].contains("state=\"ready\""));
    }
}

//! Ten minutes of figures, for the lines on the page: a point each five seconds, kept in memory alone.
//!
//! One row for each machine and node, all of the same length; a point nobody could tell is a gap.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::document;
use crate::core::View;

/// Points of a line.
pub(super) const POINTS: usize = 120;

/// Two figures of one moment.
type Point = [Option<f32>; 2];

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// CPU in percent of the machine, memory in percent.
    machines: BTreeMap<String, VecDeque<Point>>,
    /// CPU in percent of a core, memory in bytes.
    nodes: BTreeMap<String, VecDeque<Point>>,
    /// Players of the fleet.
    online: VecDeque<Option<u64>>,
    /// Points that were taken in all.
    pub(super) count: u64,
}

impl Lines {
    /// Takes a point of everything.
    pub(super) fn take(&mut self, view: &View) {
        let before = self.online.len();
        let machines = view.machines.iter().map(|machine| {
            let figures = machine.figures.as_ref().filter(|_| machine.connected);
            let memory = figures
                .and_then(|figures| figures.memory)
                .map(document::percent);
            (
                machine.name.as_str(),
                [
                    figures.and_then(|figures| figures.cpu).map(cut),
                    memory.map(cut),
                ],
            )
        });
        advance(&mut self.machines, before, machines);
        let nodes = view.nodes.iter().map(|node| {
            let figures = node.figures.as_ref().filter(|_| node.age_ms.is_none());
            let cpu = figures.and_then(|figures| figures.cpu).map(cut);
            // Bytes lose nothing that a line could show.
            let memory = figures
                .and_then(|figures| figures.memory)
                .map(|bytes| bytes as f32);
            (node.name.as_str(), [cpu, memory])
        });
        advance(&mut self.nodes, before, nodes);
        push(&mut self.online, document::online(view));
        self.count += 1;
    }

    /// All of it, for a page that was just opened.
    pub(super) fn all(&self) -> Value {
        let rows = |lines: &BTreeMap<String, VecDeque<Point>>| -> Value {
            let row = |(name, line): (&String, &VecDeque<Point>)| {
                let one = |at: usize| line.iter().map(|point| json!(point[at])).collect::<Value>();
                (name.clone(), json!([one(0), one(1)]))
            };
            Value::Object(lines.iter().map(row).collect())
        };
        json!({
            "points": POINTS,
            "machines": rows(&self.machines),
            "nodes": rows(&self.nodes),
            "online": self.online,
        })
    }

    /// The newest point alone.
    pub(super) fn last(&self) -> Value {
        let rows = |lines: &BTreeMap<String, VecDeque<Point>>| -> Value {
            let row =
                |(name, line): (&String, &VecDeque<Point>)| (name.clone(), json!(line.back()));
            Value::Object(lines.iter().map(row).collect())
        };
        json!({
            "machines": rows(&self.machines),
            "nodes": rows(&self.nodes),
            "online": self.online.back(),
        })
    }
}

/// A point for each that is there; those that are not any more lose their line, new ones begin with gaps.
fn advance<'a>(
    lines: &mut BTreeMap<String, VecDeque<Point>>,
    before: usize,
    now: impl Iterator<Item = (&'a str, Point)>,
) {
    let mut next = BTreeMap::new();
    for (name, point) in now {
        let (name, mut line) = lines
            .remove_entry(name)
            .unwrap_or_else(|| (name.to_owned(), VecDeque::from(vec![[None; 2]; before])));
        push(&mut line, point);
        next.insert(name, line);
    }
    *lines = next;
}

fn push<T>(line: &mut VecDeque<T>, point: T) {
    if line.len() >= POINTS {
        line.pop_front();
    }
    line.push_back(point);
}

/// One digit behind the point is more than a line shows.
fn cut(figure: f64) -> f32 {
    ((figure * 10.0).round() / 10.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{MachineView, NodeView};
    use welkin_fleet_model::figures::{MachineFigures, NodeFigures};

    fn view(cpu: f64, nodes: &[&str]) -> View {
        let figures = MachineFigures {
            cpu: Some(cpu),
            ..Default::default()
        };
        let node = |name: &&str| NodeView {
            name: (*name).to_owned(),
            online: Some(2),
            figures: Some(NodeFigures {
                cpu: Some(cpu),
                ..Default::default()
            }),
            ..Default::default()
        };
        View {
            machines: vec![MachineView {
                name: "m".into(),
                connected: true,
                figures: Some(figures),
                ..Default::default()
            }],
            nodes: nodes.iter().map(node).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn lines_have_ten_minutes_and_a_newcomer_begins_with_a_gap() {
        let mut lines = Lines::default();
        lines.take(&view(1.0, &["a"]));
        lines.take(&view(2.04, &["a", "b"]));
        assert_eq!(
            lines.all()["nodes"],
            json!({"a": [[1.0, 2.0], [null, null]], "b": [[null, 2.0], [null, null]]})
        );
        assert_eq!(lines.last()["online"], 4);
        for _ in 0..200 {
            lines.take(&view(3.0, &["b"]));
        }
        let all = lines.all();
        assert_eq!(all["machines"]["m"][0].as_array().unwrap().len(), POINTS);
        assert!(all["nodes"].get("a").is_none());
        assert_eq!(all["online"].as_array().unwrap().len(), POINTS);
    }
}

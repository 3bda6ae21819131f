//! Which nodes a command means, and in which order or on which machines they are.

use std::collections::BTreeMap;

use welkin_fleet_model::entry::NodeEntry;
use welkin_fleet_model::select::select;
use welkin_fleet_model::wire::client::{Outcome, Sel};

use super::calls::failed;
use super::{Fleet, Who};

impl Fleet {
    /// The nodes that are meant by words; none: all of them.
    pub(super) fn pick(&self, sel: &Sel) -> Result<Vec<String>, Box<Outcome>> {
        let entries: Vec<&NodeEntry> = self.nodes.values().map(|node| &*node.entry).collect();
        select(sel, entries, self.plan.own.as_deref()).map_err(|errors| Box::new(failed(errors)))
    }

    /// The same for a command that changes something: none is `all`, and the master's node is refused.
    pub(super) fn pick_all(
        &mut self,
        word: &str,
        who: &Who,
        sel: &Sel,
    ) -> Result<Vec<String>, Box<Outcome>> {
        let all = vec!["all".to_owned()];
        let picked = self.pick(if sel.is_empty() { &all } else { sel });
        let nodes = picked.inspect_err(|outcome| {
            let why = outcome
                .errors
                .first()
                .map_or("", |e| e.text.as_str())
                .to_owned();
            self.audit(who, word, &sel.join(" "), &format!("refused: {why}"));
        })?;
        match self.plan.own.clone() {
            Some(own) if nodes.contains(&own) => {
                Err(self.refused(who, word, &own, "refused: master"))
            }
            _ => Ok(nodes),
        }
    }

    /// For scripts: of every machine, the master's too.
    pub(super) fn pick_machines(
        &mut self,
        who: &Who,
        sel: &Sel,
    ) -> Result<Vec<String>, Box<Outcome>> {
        let every = Sel::new();
        let nodes = self.pick(if sel.iter().any(|word| word == "all") {
            &every
        } else {
            sel
        });
        let nodes = nodes
            .inspect_err(|_| self.audit(who, "update", &sel.join(" "), "refused: unknown node"))?;
        let own = self.plan.own.clone();
        let of_a_machine = |name: &String| {
            !self.nodes[name].entry.machine.is_empty() || own.as_ref() != Some(name)
        };
        Ok(nodes.into_iter().filter(of_a_machine).collect())
    }

    pub(super) fn in_order(&self, nodes: &[String]) -> Vec<String> {
        let order = self.plan.fleet.start_order();
        let mut nodes = nodes.to_vec();
        nodes.sort_by_key(|name| {
            let group = self
                .nodes
                .get(name)
                .and_then(|node| node.entry.group.as_ref());
            group
                .and_then(|group| order.iter().position(|g| g == group))
                .unwrap_or(usize::MAX)
        });
        nodes
    }

    pub(super) fn by_machine(&self, nodes: &[String]) -> BTreeMap<String, Vec<String>> {
        let mut machines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in nodes {
            let machine = self
                .nodes
                .get(name)
                .map_or_else(String::new, |n| n.entry.machine.clone());
            machines.entry(machine).or_default().push(name.clone());
        }
        machines
    }
}

//! `apply` and its like: another fleet file, the nodes of the note's cluster config, and what a node's
//! program says of its players.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use welkin_fleet_model::file::{Fleet as File, difference};
use welkin_fleet_model::wire::client::{Outcome, Status};

use super::calls::failed;
use super::tables::row;
use super::tasks::{Restart, Work, trouble};
use super::{CallId, Change, Classic, FileText, Fleet, Plan, Who};

impl Fleet {
    pub(super) fn apply(
        &mut self,
        call: CallId,
        who: &Who,
        text: String,
        cluster: Option<String>,
        dry_run: bool,
        restart: bool,
    ) -> Result<(), Box<Outcome>> {
        let file = FileText {
            text,
            cluster,
            by: who.name.clone(),
            unix_ms: self.now.unix_ms,
        };
        let plan = Plan::read(file, self.plan.classic.clone()).map_err(|faults| {
            let lines = faults.to_string();
            let mut outcome = failed(
                lines
                    .lines()
                    .map(|line| trouble("", "usage", line))
                    .collect(),
            );
            outcome.status = Status::Usage;
            self.audit(who, "apply", "", "refused: the fleet file is wrong");
            Box::new(outcome)
        })?;
        let (mut outcome, changed) = self.compare(&plan.fleet);
        if dry_run {
            outcome
                .tail
                .push("nothing was changed (--dry-run)".to_owned());
            return Err(Box::new(outcome));
        }
        let count = outcome.head.len();
        self.take_plan(plan);
        self.audit(
            who,
            "apply",
            &changed.join(" "),
            &format!("done: {count} differences"),
        );
        self.fresh_calls.push(call);
        let again: Vec<String> = changed.into_iter().filter(|name| self.runs(name)).collect();
        if !restart || again.is_empty() {
            return Err(Box::new(outcome));
        }
        let order = self.in_order(&again);
        let holds = again.into_iter().collect();
        self.add_task(
            Some(call),
            who.clone(),
            "restart",
            holds,
            Work::Restart(Restart::new(order, 1, false)),
        );
        Ok(())
    }

    /// The difference as lines, and the nodes whose entry is another.
    fn compare(&self, new: &File) -> (Outcome, Vec<String>) {
        let old = (!self.plan.file.text.is_empty()).then_some(&self.plan.fleet);
        let changes = difference(old, new);
        let mut outcome = Outcome {
            columns: ["node", "result"].map(str::to_owned).to_vec(),
            head: changes.iter().map(ToString::to_string).collect(),
            ..Outcome::default()
        };
        if outcome.head.is_empty() {
            outcome.tail.push("no difference".to_owned());
        }
        let mut results: BTreeMap<&String, &str> = BTreeMap::new();
        let mut changed = BTreeSet::new();
        for change in &changes {
            let Some(node) = &change.node else { continue };
            let result = match change.sign {
                '+' => "new",
                '-' => "gone: it is stopped",
                _ => {
                    changed.insert(node.clone());
                    "changed: from its next start"
                }
            };
            results.entry(node).or_insert(result);
        }
        for foreign in self
            .nodes
            .iter()
            .filter(|(name, node)| node.foreign && !new.nodes.contains_key(*name))
        {
            outcome
                .head
                .push(format!("- node.{} (not in these records)", foreign.0));
        }
        for (node, result) in results {
            outcome
                .rows
                .push(row([("node", json!(node)), ("result", json!(result))]));
        }
        for node in new.nodes.values() {
            for secret in node
                .secrets
                .iter()
                .filter(|secret| !self.secrets.contains(*secret))
            {
                outcome
                    .tail
                    .push(format!("secret {secret} of node {} is not set", node.name));
            }
        }
        (outcome, changed.into_iter().collect())
    }

    fn runs(&self, name: &str) -> bool {
        self.nodes
            .get(name)
            .is_some_and(|node| node.report.state.is_running())
            && self
                .durable
                .wanted_ref(name)
                .is_some_and(|wanted| wanted.running)
    }

    /// Puts another plan in the place of the present one.
    fn take_plan(&mut self, plan: Plan) {
        self.put(Change::File(Box::new(plan.file.clone())));
        let old = std::mem::replace(&mut self.plan, Arc::new(plan));
        self.plan_before.get_or_insert(old);
        // What an agent ran beside our older records was shown until now; now the file decides.
        let foreign: Vec<String> = self
            .durable
            .machines()
            .iter()
            .filter(|(_, m)| !m.foreign.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        for name in foreign {
            let mut record = self.durable.machine(&name);
            record.foreign.clear();
            self.put(Change::Machine(name, record));
        }
        for machine in self.machines.values_mut() {
            machine.differences.clear();
        }
        self.forget_dropped();
        self.place_nodes();
        self.rebuild_nodes();
        let connected: Vec<String> = self.machines.keys().cloned().collect();
        for machine in connected {
            self.send_secrets(&machine);
        }
    }

    /// What was wanted of nodes that are gone. One that may still run is remembered until its machine
    /// says that it has ended: the same name elsewhere must wait for it.
    fn forget_dropped(&mut self) {
        for name in self.durable.wanted_names() {
            if self.plan.nodes.contains_key(&name) {
                continue;
            }
            if self.durable.wanted(&name).holder.is_none() {
                self.put(Change::Wanted(name, None));
            } else {
                self.want(&name, |w| (w.running, w.revive) = (false, false));
            }
        }
    }

    /// The nodes of the cluster config of the master's own node.
    pub(super) fn classic(
        &mut self,
        who: &Who,
        master: String,
        nodes: BTreeMap<String, String>,
    ) -> Outcome {
        let classic = Classic { master, nodes };
        if classic == self.plan.classic {
            return Outcome::default();
        }
        match Plan::read(self.plan.file.clone(), classic.clone()) {
            Ok(plan) => {
                let old = std::mem::replace(&mut self.plan, Arc::new(plan));
                self.plan_before.get_or_insert(old);
                self.put(Change::Classic(Box::new(classic)));
                self.audit(
                    who,
                    "cluster config",
                    &self.plan.classic.master.clone(),
                    "done",
                );
                self.forget_dropped();
                self.place_nodes();
                self.rebuild_nodes();
                Outcome::default()
            }
            Err(faults) => failed(vec![trouble("", "failed", faults.to_string())]),
        }
    }

    pub(super) fn export(&self) -> Outcome {
        let file = &self.plan.file;
        Outcome {
            rows: vec![row([
                ("file", json!(file.text)),
                ("cluster", json!(file.cluster)),
            ])],
            ..Outcome::default()
        }
    }

    pub(super) fn set_online(&mut self, name: &str, players: Option<u64>) -> Outcome {
        match self.nodes.get_mut(name) {
            Some(node) => {
                node.players = players;
                Outcome::default()
            }
            None => failed(vec![trouble(
                name,
                "unknown-node",
                format!("unknown node {name}"),
            )]),
        }
    }

    /// A secret was set or dropped.
    pub(super) fn secret(&mut self, name: &str, there: bool) {
        match there {
            true => self.secrets.insert(name.to_owned()),
            false => self.secrets.remove(name),
        };
        for machine in self.users_of(name) {
            self.send_secret(&machine, name, there);
        }
    }

    fn users_of(&self, secret: &str) -> BTreeSet<String> {
        let uses = self
            .nodes
            .values()
            .filter(|n| n.entry.secrets.iter().any(|s| s == secret));
        uses.map(|node| node.entry.machine.clone()).collect()
    }

    /// Everything secret that the machine's nodes name.
    pub(super) fn send_secrets(&mut self, machine: &str) {
        let of = self
            .nodes
            .values()
            .filter(|node| node.entry.machine == machine);
        let names: BTreeSet<String> = of
            .flat_map(|node| node.entry.secrets.iter().cloned())
            .collect();
        for name in names
            .intersection(&self.secrets)
            .cloned()
            .collect::<Vec<_>>()
        {
            self.send_secret(machine, &name, true);
        }
    }

    fn send_secret(&mut self, machine: &str, name: &str, there: bool) {
        if let Some(session) = self.session(machine) {
            let id = self.next_ask;
            self.next_ask += 1;
            self.effect(super::Effect::Secret {
                session,
                id,
                name: name.to_owned(),
                there,
            });
        }
    }

    /// Tells the webhook, if the file names one.
    pub(super) fn webhook(&mut self, event: &str, node: &str, reason: String) {
        let Some(url) = self.plan.fleet.webhook.clone() else {
            return;
        };
        let event = json!({
            "fleet": self.plan.fleet.name,
            "event": event,
            "node": node,
            "reason": reason,
            "time": welkin_fleet_model::units::rfc3339(self.now.unix_ms),
        });
        self.effect(super::Effect::Webhook { url, event });
    }
}

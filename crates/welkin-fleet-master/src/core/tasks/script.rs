//! `update` without a release: `update.sh` once on each machine, all at the same time; then, if asked
//! for, a restart of the nodes.
//!
//! What the script made of the folder is read from its output: the revision that svn or git names, else
//! the last line.

use std::collections::BTreeMap;

use serde_json::json;
use welkin_fleet_model::wire::agent::{Ask, Reply, Script};
use welkin_fleet_model::wire::client::{Outcome, Status};

use super::restart::Restart;
use super::{Asker, Poll, failed};
use crate::core::tables::row;
use crate::core::{CallId, Change, Fleet};

/// See the file.
pub(in crate::core) struct ScriptTask {
    /// Machines with the nodes that were selected there.
    pub machines: BTreeMap<String, Vec<String>>,
    /// What to do when all have succeeded.
    pub restart: Option<Restart>,
    pub answers: BTreeMap<String, Result<Reply, String>>,
    pub texts: BTreeMap<String, Result<String, String>>,
}

impl ScriptTask {
    pub fn new(machines: BTreeMap<String, Vec<String>>, restart: Option<Restart>) -> Self {
        Self {
            machines,
            restart,
            answers: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    pub(super) fn begin(&mut self, fleet: &mut Fleet, task: u64) {
        for machine in self.machines.keys() {
            let asker = Asker {
                task,
                what: machine.clone(),
            };
            let ask = Ask::Script {
                script: Script::Update,
                node: None,
            };
            if fleet.ask(machine, asker, ask, None).is_none() {
                self.texts
                    .insert(machine.clone(), Err("unreachable".to_owned()));
            }
        }
    }

    pub(super) fn answered(&mut self, machine: &str, reply: Result<Reply, String>) {
        self.answers.insert(machine.to_owned(), reply);
    }

    pub(super) fn poll(&mut self, fleet: &mut Fleet, call: Option<CallId>) -> Poll {
        for (machine, reply) in std::mem::take(&mut self.answers) {
            let text = said(fleet, &machine, reply);
            let shown = text.as_ref().unwrap_or_else(|why| why);
            fleet.progress(call, format!("{machine}: {shown}"));
            self.texts.insert(machine, text);
        }
        if self.texts.len() < self.machines.len() {
            return Poll::Pending;
        }
        let mut outcome = self.outcome();
        if outcome.status == Status::Done
            && let Some(restart) = &mut self.restart
        {
            let Poll::Done(restarted) = restart.poll(fleet, call) else {
                return Poll::Pending;
            };
            outcome.status = restarted.status;
            outcome.errors = restarted.errors;
            for mut row in restarted.rows {
                row.insert("step".to_owned(), json!("restart"));
                outcome.rows.push(row);
            }
        }
        Poll::Done(outcome)
    }

    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome {
            columns: ["step", "node", "result"].map(str::to_owned).to_vec(),
            ..Outcome::default()
        };
        for (machine, text) in &self.texts {
            let nodes = &self.machines[machine];
            let result = text.as_ref().unwrap_or_else(|why| why);
            for node in nodes {
                outcome.rows.push(row([
                    ("step", json!("script")),
                    ("node", json!(node)),
                    ("machine", json!(machine)),
                    ("result", json!(result)),
                ]));
            }
            if let Err(why) = text {
                failed(&mut outcome, machine, why);
            }
        }
        outcome
    }
}

fn said(fleet: &mut Fleet, machine: &str, reply: Result<Reply, String>) -> Result<String, String> {
    let reply = reply.map_err(|why| format!("failed: {why}"))?;
    let last = last_line(&reply.output);
    if reply.status != 0 {
        let why = if last.is_empty() {
            format!("exit status {}", reply.status)
        } else {
            last
        };
        return Err(format!("failed: {why}"));
    }
    let revision = revision(&reply.output).unwrap_or(last);
    let mut record = fleet.durable.machine(machine);
    let before = record.revision.replace(revision.clone());
    let text = match before {
        Some(before) if before == revision => format!("unchanged {revision}"),
        before => format!(
            "updated {} -> {revision}",
            before.unwrap_or_else(|| "-".to_owned())
        ),
    };
    fleet.put(Change::Machine(machine.to_owned(), record));
    Ok(text)
}

fn last_line(output: &str) -> String {
    let line = output
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty());
    line.unwrap_or_default().chars().take(200).collect()
}

/// The revision that a line of svn or git names, the last of them.
fn revision(output: &str) -> Option<String> {
    let of = |line: &str| {
        let line = line.trim();
        let svn = ["Updated to revision ", "At revision "]
            .iter()
            .find_map(|p| line.strip_prefix(p));
        let git = line
            .strip_prefix("Updating ")
            .and_then(|range| range.split_once(".."))
            .map(|(_, to)| to);
        let word = svn.or(git)?.trim_end_matches('.').trim();
        (!word.is_empty()).then(|| word.to_owned())
    };
    output.lines().rev().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_what_the_tools_say_it_is() {
        assert_eq!(
            revision("U  a.lua\nUpdated to revision 42.\n").as_deref(),
            Some("42")
        );
        assert_eq!(revision("At revision 7.").as_deref(), Some("7"));
        assert_eq!(
            revision("Updating 1a2b..3c4d\nFast-forward").as_deref(),
            Some("3c4d")
        );
        assert_eq!(revision("all well"), None);
        assert_eq!(last_line("a\n b \n\n"), "b");
    }
}

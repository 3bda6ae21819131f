//! The nodes of one command, each with what came of it: the rows `node, result, seconds`.

use std::collections::BTreeMap;

use serde_json::json;
use welkin_fleet_model::wire::client::{Outcome, Status};

use super::trouble;
use crate::core::tables::row;
use crate::core::{CallId, Fleet};

/// What a command is doing to its nodes.
#[derive(Debug, Default)]
pub(in crate::core) struct Targets {
    nodes: BTreeMap<String, Target>,
    began_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Target {
    /// Since when it is worked on (monotonic).
    since_ms: u64,
    result: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    text: String,
    /// The word for programs, of what failed.
    code: Option<&'static str>,
    seconds: f64,
}

impl Targets {
    pub fn new(nodes: impl IntoIterator<Item = String>) -> Self {
        Self {
            nodes: nodes
                .into_iter()
                .map(|name| (name, Target::default()))
                .collect(),
            began_ms: None,
        }
    }

    /// The work on a node begins.
    pub fn touch(&mut self, node: &str, now_ms: u64) {
        self.began_ms.get_or_insert(now_ms);
        if let Some(target) = self.nodes.get_mut(node) {
            target.since_ms = now_ms;
        }
    }

    pub fn since_ms(&self, node: &str) -> u64 {
        self.nodes.get(node).map_or(0, |target| target.since_ms)
    }

    /// Nodes of which nothing came yet.
    pub fn pending(&self) -> Vec<String> {
        let pending = self
            .nodes
            .iter()
            .filter(|(_, target)| target.result.is_none());
        pending.map(|(name, _)| name.clone()).collect()
    }

    pub fn succeed(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        node: &str,
        text: impl Into<String>,
    ) {
        self.answer(fleet, call, node, text.into(), None);
    }

    pub fn fail(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        node: &str,
        code: &'static str,
        text: impl Into<String>,
    ) {
        self.answer(fleet, call, node, text.into(), Some(code));
    }

    fn answer(
        &mut self,
        fleet: &mut Fleet,
        call: Option<CallId>,
        node: &str,
        text: String,
        code: Option<&'static str>,
    ) {
        let several = self.nodes.len() > 1;
        let Some(target) = self.nodes.get_mut(node).filter(|t| t.result.is_none()) else {
            return;
        };
        let waited = fleet
            .now
            .mono_ms
            .saturating_sub(target.since_ms.max(self.began_ms.unwrap_or(0)));
        let seconds = match target.since_ms {
            0 => 0.0,
            // Whole milliseconds, far below what a float holds exactly.
            _ => waited as f64 / 1000.0,
        };
        if several {
            fleet.progress(call, format!("{node}: {text}"));
        }
        target.result = Some(Answer {
            text,
            code,
            seconds,
        });
    }

    /// The table. Status 1 when any failed.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome {
            columns: ["node", "result", "seconds"].map(str::to_owned).to_vec(),
            ..Outcome::default()
        };
        for (name, target) in &self.nodes {
            let (text, seconds) = match &target.result {
                Some(answer) => (answer.text.as_str(), json!(answer.seconds)),
                None => ("still at work", json!(null)),
            };
            outcome.rows.push(row([
                ("node", json!(name)),
                ("result", json!(text)),
                ("seconds", seconds),
            ]));
            if let Some(Answer {
                code: Some(code),
                text,
                ..
            }) = &target.result
            {
                outcome.status = Status::Failed;
                outcome.errors.push(trouble(name, code, text));
            }
        }
        outcome
    }
}

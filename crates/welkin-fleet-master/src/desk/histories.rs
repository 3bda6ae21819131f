//! `audit` and `history`.

use serde_json::json;
use welkin_fleet_model::units::rfc3339;
use welkin_fleet_model::wire::client::{Outcome, Status, Trouble};
use welkin_fleet_store::View;
use welkin_fleet_store::records::AuditHead;

use super::{Answer, Desk, row, words};
use crate::log;

/// Records that one answer holds.
const RECORDS: usize = 10_000;

impl Desk {
    pub(super) fn audit_log(
        &self,
        since: Option<u64>,
        node: Option<&str>,
        verify: bool,
        logged: &[String],
    ) -> Answer {
        if verify || !logged.is_empty() {
            return self.verify(logged);
        }
        let records = self
            .store
            .look(|look| look.audit_records(since.unwrap_or(0), node, RECORDS));
        let rows = records.map_err(words)?.into_iter().map(|record| {
            row([
                ("number", json!(record.number)),
                ("time", json!(rfc3339(record.unix_ms))),
                ("who", json!(record.who)),
                ("from", json!(record.from)),
                ("command", json!(record.command)),
                ("target", json!(record.targets.join(" "))),
                ("result", json!(record.result)),
            ])
        });
        Ok(Outcome {
            rows: rows.collect(),
            ..Outcome::default()
        })
    }

    fn verify(&self, logged: &[String]) -> Answer {
        let heads = AuditHead::from_log(&logged.join("\n"));
        let check = self.store.verify_audit(&heads).map_err(words)?;
        if check.records > 0 {
            // What was looked at now is what a later look compares with.
            log::line(&format!("audit {}", check.head));
        }
        let mut outcome = Outcome::default();
        outcome.tail.push(format!(
            "{} records, the newest {}",
            check.records, check.head
        ));
        if !logged.is_empty() {
            outcome
                .tail
                .push(format!("{} lines of the log compared", heads.len()));
        }
        for fault in check.faults {
            outcome.status = Status::Failed;
            outcome.errors.push(Trouble {
                node: String::new(),
                code: "failed".to_owned(),
                text: fault,
            });
        }
        if outcome.status == Status::Done {
            outcome.tail.push("the chain is whole".to_owned());
        }
        Ok(outcome)
    }

    pub(super) fn history(&self, node: &str) -> Answer {
        let records = self.store.look(|look| look.history(node)).map_err(words)?;
        let rows = records.into_iter().map(|record| {
            row([
                ("time", json!(rfc3339(record.unix_ms))),
                ("from", json!(record.from)),
                ("to", json!(record.to)),
                ("reason", json!(record.reason)),
            ])
        });
        Ok(Outcome {
            rows: rows.collect(),
            ..Outcome::default()
        })
    }
}

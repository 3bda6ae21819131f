//! `secret set | list | drop`. A content is never shown again, and never in the audit log.

use serde_json::json;
use welkin_fleet_model::file::is_name;
use welkin_fleet_model::units::rfc3339;
use welkin_fleet_model::wire::client::Outcome;
use welkin_fleet_store::{StoreError, View};

use super::{Answer, Desk, asked, base64, row, words};
use crate::core::{FileText, Input, Plan, Who};
use crate::log;
use crate::serve::persist;

/// Bytes of a secret.
const SECRET_MAX: usize = 256 << 10;

impl Desk {
    pub(super) fn secret_set(&self, who: &Who, name: &str, content: &str) -> Answer {
        if !is_name(name) {
            return Err(format!(
                "{name:?} cannot be a secret's name: it becomes a file name"
            ));
        }
        let content = base64::decode(content)?;
        if content.len() > SECRET_MAX {
            return Err(format!(
                "a secret may have {SECRET_MAX} bytes, this has {}",
                content.len()
            ));
        }
        let audit = persist::audit(&asked(who, "secret set", name, "done"));
        let written = self.store.change(|to| {
            to.set_secret(name, &content, &who.name, log::unix_ms())?;
            to.audit(audit).map(drop)
        });
        written.map_err(words)?;
        self.tell_blocking(Input::Secret(name.to_owned(), true));
        self.secrets(Some(name))
    }

    pub(super) fn secret_list(&self) -> Answer {
        self.secrets(None)
    }

    fn secrets(&self, only: Option<&str>) -> Answer {
        let (secrets, file) = self
            .store
            .look(|look| Ok::<_, StoreError>((look.secrets()?, look.fleet_file()?)))
            .map_err(words)?;
        let file = file.map(|file| FileText {
            text: file.text,
            cluster: file.cluster,
            ..FileText::default()
        });
        let plan = Plan::read(file.unwrap_or_default(), Default::default()).unwrap_or_default();
        let rows = secrets
            .iter()
            .filter(|secret| only.is_none_or(|name| name == secret.name))
            .map(|secret| {
                let users: Vec<&str> = plan
                    .fleet
                    .users_of(&secret.name)
                    .map(|node| node.name.as_str())
                    .collect();
                row([
                    ("name", json!(secret.name)),
                    ("set", json!(rfc3339(secret.unix_ms))),
                    ("by", json!(secret.by)),
                    ("used_by", json!(users)),
                ])
            });
        Ok(Outcome {
            rows: rows.collect(),
            ..Outcome::default()
        })
    }

    pub(super) fn secret_drop(&self, who: &Who, name: &str) -> Answer {
        let audit = persist::audit(&asked(who, "secret drop", name, "done"));
        let there = self.store.change(|to| {
            let there = to.drop_secret(name)?;
            if there {
                to.audit(audit)?;
            }
            Ok::<bool, StoreError>(there)
        });
        if !there.map_err(words)? {
            return Err(format!("there is no secret {name}"));
        }
        self.tell_blocking(Input::Secret(name.to_owned(), false));
        Ok(Outcome::default())
    }
}

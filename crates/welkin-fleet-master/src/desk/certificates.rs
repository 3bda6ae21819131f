//! `token`, `certs`, `revoke`.

use std::time::Duration;

use serde_json::json;
use welkin_fleet_model::units::rfc3339;
use welkin_fleet_model::wire::client::Outcome;
use welkin_fleet_trust::Role;

use super::{Answer, Desk, row};
use crate::core::Who;
use crate::log;

impl Desk {
    pub(super) fn token(
        &self,
        who: &Who,
        name: &str,
        role: &str,
        ttl_ms: u64,
        replace: bool,
    ) -> Answer {
        let granted: Role = role.parse()?;
        let token = self
            .authority
            .token(name, granted, Duration::from_millis(ttl_ms), replace)?;
        let text = format!(
            "done: role {granted}{}",
            if replace { ", replaces" } else { "" }
        );
        self.write_audit(who, "token", name, &text)?;
        let until = log::unix_ms().saturating_add(ttl_ms);
        Ok(Outcome {
            rows: vec![row([
                ("token", json!(token.to_string())),
                ("name", json!(name)),
                ("role", json!(granted.word())),
                ("until", json!(rfc3339(until))),
            ])],
            ..Outcome::default()
        })
    }

    pub(super) fn certificates(&self, who: &Who, rotate: bool) -> Answer {
        let mut tail = Vec::new();
        if rotate {
            let fingerprint = self.authority.rotate()?;
            self.write_audit(
                who,
                "certs --rotate-ca",
                "",
                &format!("done: {fingerprint}"),
            )?;
            // They come again at once, and hear then that they are to renew.
            self.office.part_from_agents();
            tail.push(
                "a second authority is there; the old one goes when everybody has renewed"
                    .to_owned(),
            );
        }
        // Who asks wants to know how it is, not how it was a minute ago.
        if !rotate && self.authority.settle()? {
            tail.push("everybody has renewed: the old authority has gone".to_owned());
        }
        let newest = self.authority.newest();
        let seen = |ms: u64| (ms > 0).then(|| rfc3339(ms));
        let mut certificates = self.authority.certificates();
        certificates.sort_by(|a, b| a.name.cmp(&b.name));
        let rows = certificates.iter().map(|certificate| {
            let authority = if certificate.shown.is_empty() {
                &certificate.authority
            } else {
                &certificate.shown
            };
            row([
                ("name", json!(certificate.name)),
                ("role", json!(certificate.role.word())),
                ("until", json!(rfc3339(certificate.until_unix_ms))),
                ("last_seen", json!(seen(certificate.seen_unix_ms))),
                ("CA", json!(authority.chars().take(12).collect::<String>())),
                ("renewed", json!(*authority == newest)),
            ])
        });
        Ok(Outcome {
            rows: rows.collect(),
            tail,
            ..Outcome::default()
        })
    }

    pub(super) fn revoke(&self, who: &Who, name: &str) -> Answer {
        self.authority.revoke(name)?;
        self.write_audit(who, "revoke", name, "done")?;
        Ok(Outcome {
            tail: vec![format!(
                "{name} is revoked; its connections end, and the name is free"
            )],
            ..Outcome::default()
        })
    }
}

//! The authority's records in the store: a document for each name, open token and revoked enrolment.

use std::sync::Arc;

use welkin_fleet_store::{Store, StoreError, View};
use welkin_fleet_trust::{Change, Kept, Records};

const CERTIFICATE: &str = "trust/certificate/";
const TOKEN: &str = "trust/token/";
const REVOKED: &str = "trust/revoked/";

/// See the file.
pub(crate) struct Certificates(pub Arc<Store>);

impl Records for Certificates {
    fn load(&self) -> Result<Kept, String> {
        let values = |list: Vec<(String, _)>| list.into_iter().map(|(_, value)| value).collect();
        let kept = self.0.look(|look| {
            Ok::<Kept, StoreError>(Kept {
                certificates: values(look.memos(CERTIFICATE)?),
                tokens: look
                    .memos(TOKEN)?
                    .into_iter()
                    .map(|(_, value)| value)
                    .collect(),
                revoked: look
                    .memos(REVOKED)?
                    .into_iter()
                    .map(|(_, value)| value)
                    .collect(),
            })
        });
        kept.map_err(|error| error.to_string())
    }

    fn commit(&self, changes: &[Change]) -> Result<(), String> {
        let written = self.0.change(|to| {
            for change in changes {
                match change {
                    Change::PutCertificate(r) => {
                        to.set_memo(&format!("{CERTIFICATE}{}", r.name), r)?
                    }
                    Change::DropCertificate(name) => {
                        to.drop_memo(&format!("{CERTIFICATE}{name}"))?
                    }
                    Change::PutToken(r) => to.set_memo(&format!("{TOKEN}{}", r.hash), r)?,
                    Change::DropToken(hash) => to.drop_memo(&format!("{TOKEN}{hash}"))?,
                    Change::PutRevoked(r) => {
                        to.set_memo(&format!("{REVOKED}{}", r.enrolment), r)?
                    }
                    Change::DropRevoked(enrolment) => {
                        to.drop_memo(&format!("{REVOKED}{enrolment}"))?
                    }
                }
            }
            Ok::<(), StoreError>(())
        });
        written.map_err(|error| error.to_string())
    }
}

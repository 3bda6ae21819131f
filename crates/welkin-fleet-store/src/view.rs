//! Looking at the state: what both a look and a change can read.

use serde::de::DeserializeOwned;

use crate::audit;
use crate::error::StoreError;
use crate::look::Raw;
use crate::records::{
    AuditHead, AuditRecord, CertificateRecord, FleetFile, HistoryRecord, ReleaseRecord, Restored,
    SecretRecord, TokenRecord,
};
use crate::tables::{self, Documents};

type Result<T> = std::result::Result<T, StoreError>;

/// Reading. [`crate::Look`] sees what was acknowledged when it began, [`crate::Change`] its own writes too.
pub trait View: Raw {
    /// The fleet file in force.
    fn fleet_file(&self) -> Result<Option<FleetFile>> {
        let mut found = None;
        self.backwards(tables::FLEET_FILES, tables::ALL, &mut |_, bytes| {
            found = Some(tables::decode("fleet files", bytes)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// What is wanted of a node: what was given to [`crate::Change::set_wanted`].
    fn wanted<T: DeserializeOwned>(&self, node: &str) -> Result<Option<T>> {
        document(self, tables::WANTED, node)
    }

    /// Of all nodes, by name.
    fn all_wanted<T: DeserializeOwned>(&self) -> Result<Vec<(String, T)>> {
        documents(self, tables::WANTED)
    }

    /// Version of the last orders of a machine; 0: none yet.
    fn orders_version(&self, machine: &str) -> Result<u64> {
        Ok(document(self, tables::ORDERS, machine)?.unwrap_or(0))
    }

    /// A release by its full digest.
    fn release(&self, digest: &str) -> Result<Option<ReleaseRecord>> {
        document(self, tables::RELEASES, digest)
    }

    /// All releases, the newest first.
    fn releases(&self) -> Result<Vec<ReleaseRecord>> {
        let mut all = values::<Self, ReleaseRecord>(self, tables::RELEASES)?;
        all.sort_by_key(|release| std::cmp::Reverse(release.uploaded_unix_ms));
        Ok(all)
    }

    /// A certificate by its serial number.
    fn certificate(&self, serial: &str) -> Result<Option<CertificateRecord>> {
        document(self, tables::CERTIFICATES, serial)
    }

    /// All certificates, by serial number.
    fn certificates(&self) -> Result<Vec<CertificateRecord>> {
        values(self, tables::CERTIFICATES)
    }

    /// A token by its id.
    fn token(&self, id: &str) -> Result<Option<TokenRecord>> {
        document(self, tables::TOKENS, id)
    }

    /// All tokens.
    fn tokens(&self) -> Result<Vec<TokenRecord>> {
        values(self, tables::TOKENS)
    }

    /// Content of a secret.
    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.get(tables::SECRET_CONTENTS, name)
    }

    /// What is shown of all secrets, by name.
    fn secrets(&self) -> Result<Vec<SecretRecord>> {
        values(self, tables::SECRETS)
    }

    /// Progress of the update under way, or of the last: what was given to [`crate::Change::set_update`].
    fn update<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        document(self, tables::META, tables::UPDATE_KEY)
    }

    /// A document by name, for what has no table of its own.
    fn memo<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        document(self, tables::MEMOS, name)
    }

    /// The documents whose names begin with `prefix`, by name.
    fn memos<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>> {
        let mut found = Vec::new();
        self.all(tables::MEMOS, &mut |key, bytes| {
            if key.starts_with(prefix) {
                found.push((key.to_owned(), tables::decode("memos", bytes)?));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The newest audit record's number and hash.
    fn audit_head(&self) -> Result<AuditHead> {
        let mut head = AuditHead::default();
        self.backwards(tables::AUDIT, tables::ALL, &mut |number, bytes| {
            head = audit::head_of(number, bytes)?;
            Ok(false)
        })?;
        Ok(head)
    }

    /// Audit records from `since_unix_ms` on, oldest first, at most the newest `most`; `node`: only those
    /// that name it among their targets.
    fn audit_records(
        &self,
        since_unix_ms: u64,
        node: Option<&str>,
        most: usize,
    ) -> Result<Vec<AuditRecord>> {
        let mut found: Vec<AuditRecord> = Vec::new();
        self.backwards(tables::AUDIT, tables::ALL, &mut |_, bytes| {
            let record = audit::record_of(bytes)?;
            // A clock that was set back may have left older times behind newer ones: all are looked at.
            if record.unix_ms >= since_unix_ms
                && node.is_none_or(|node| record.targets.iter().any(|target| target == node))
            {
                found.push(record);
            }
            Ok(found.len() < most)
        })?;
        found.truncate(most);
        found.reverse();
        Ok(found)
    }

    /// Changes of a node's state, oldest first (last 1000).
    fn history(&self, node: &str) -> Result<Vec<HistoryRecord>> {
        let mut found = Vec::new();
        self.forwards(tables::HISTORY, node, &mut |_, bytes| {
            found.push(tables::decode("history", bytes)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Set after a restore until [`crate::Change::forget_restored`].
    fn restored(&self) -> Result<Option<Restored>> {
        document(self, tables::META, tables::RESTORED_KEY)
    }
}

impl View for crate::Look {}
impl View for crate::Change {}

fn document<V: Raw + ?Sized, T: DeserializeOwned>(
    view: &V,
    table: Documents,
    key: &str,
) -> Result<Option<T>> {
    use redb::TableHandle;
    let bytes = view.get(table, key)?;
    bytes
        .map(|bytes| tables::decode(table.name(), &bytes))
        .transpose()
}

fn documents<V: Raw + ?Sized, T: DeserializeOwned>(
    view: &V,
    table: Documents,
) -> Result<Vec<(String, T)>> {
    use redb::TableHandle;
    let mut found = Vec::new();
    view.all(table, &mut |key, bytes| {
        found.push((key.to_owned(), tables::decode(table.name(), bytes)?));
        Ok(())
    })?;
    Ok(found)
}

fn values<V: Raw + ?Sized, T: DeserializeOwned>(view: &V, table: Documents) -> Result<Vec<T>> {
    Ok(documents(view, table)?
        .into_iter()
        .map(|(_, value)| value)
        .collect())
}

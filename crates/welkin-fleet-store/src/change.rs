//! What can be changed. A change is one transaction: all of it comes to the disk, or nothing.

use redb::{ReadableTable, TableHandle, WriteTransaction};
use serde::Serialize;

use crate::audit;
use crate::error::StoreError;
use crate::records::{
    AuditHead, AuditRecord, CertificateRecord, FleetFile, HistoryRecord, ReleaseRecord,
    SecretRecord, TokenRecord,
};
use crate::tables::{self, Documents, Log};
use crate::view::View;

type Result<T> = std::result::Result<T, StoreError>;

/// State changes of a node that are kept.
pub const HISTORY_MAX: u64 = 1000;
/// Versions of the fleet file that are kept.
pub const FLEET_FILES_MAX: u64 = 100;

/// A change under way. Reads (see [`View`]) see what it wrote.
pub struct Change {
    pub(crate) txn: WriteTransaction,
}

impl Change {
    /// Puts a fleet file in force; its version.
    pub fn put_fleet_file(
        &mut self,
        text: &str,
        cluster: Option<&str>,
        by: &str,
        unix_ms: u64,
    ) -> Result<u64> {
        let version = self.fleet_file()?.map_or(0, |file| file.version) + 1;
        let file = FleetFile {
            version,
            text: text.to_owned(),
            cluster: cluster.map(str::to_owned),
            by: by.to_owned(),
            unix_ms,
        };
        let bytes = tables::encode(&file)?;
        self.append(tables::FLEET_FILES, tables::ALL, version, &bytes)?;
        self.forget_before(tables::FLEET_FILES, tables::ALL, version, FLEET_FILES_MAX)?;
        Ok(version)
    }

    /// Says what is wanted of a node.
    pub fn set_wanted<T: Serialize>(&mut self, node: &str, wanted: &T) -> Result<()> {
        self.put(tables::WANTED, node, wanted)
    }

    /// Nothing is wanted of that node any more.
    pub fn drop_wanted(&mut self, node: &str) -> Result<()> {
        self.remove(tables::WANTED, node).map(drop)
    }

    /// Version for the next orders of a machine.
    pub fn next_orders_version(&mut self, machine: &str) -> Result<u64> {
        let version = self.orders_version(machine)? + 1;
        self.put(tables::ORDERS, machine, &version)?;
        Ok(version)
    }

    /// The machine has orders of `at_least` that version (its master was restored): later ones are higher.
    pub fn raise_orders_version(&mut self, machine: &str, at_least: u64) -> Result<()> {
        if self.orders_version(machine)? < at_least {
            self.put(tables::ORDERS, machine, &at_least)?;
        }
        Ok(())
    }

    /// Notes a release.
    pub fn put_release(&mut self, release: &ReleaseRecord) -> Result<()> {
        self.put(tables::RELEASES, &release.digest, release)
    }

    /// Forgets a release, by its full digest.
    pub fn drop_release(&mut self, digest: &str) -> Result<()> {
        self.remove(tables::RELEASES, digest).map(drop)
    }

    /// Notes a certificate, or a change of what is known of it.
    pub fn put_certificate(&mut self, certificate: &CertificateRecord) -> Result<()> {
        self.put(tables::CERTIFICATES, &certificate.serial, certificate)
    }

    /// Forgets a certificate (long expired), by its serial number.
    pub fn drop_certificate(&mut self, serial: &str) -> Result<()> {
        self.remove(tables::CERTIFICATES, serial).map(drop)
    }

    /// Notes a token.
    pub fn put_token(&mut self, token: &TokenRecord) -> Result<()> {
        self.put(tables::TOKENS, &token.id, token)
    }

    /// Uses a token up: it is given once.
    pub fn take_token(&mut self, id: &str) -> Result<Option<TokenRecord>> {
        self.remove(tables::TOKENS, id)?
            .map(|bytes| tables::decode("tokens", &bytes))
            .transpose()
    }

    /// Forgets a token (expired).
    pub fn drop_token(&mut self, id: &str) -> Result<()> {
        self.remove(tables::TOKENS, id).map(drop)
    }

    /// Sets a secret.
    pub fn set_secret(&mut self, name: &str, content: &[u8], by: &str, unix_ms: u64) -> Result<()> {
        let record = SecretRecord {
            name: name.to_owned(),
            unix_ms,
            by: by.to_owned(),
        };
        self.put(tables::SECRETS, name, &record)?;
        self.put_bytes(tables::SECRET_CONTENTS, name, content)
    }

    /// Removes a secret; whether there was one.
    pub fn drop_secret(&mut self, name: &str) -> Result<bool> {
        self.remove(tables::SECRET_CONTENTS, name)?;
        Ok(self.remove(tables::SECRETS, name)?.is_some())
    }

    /// Writes down how far the update is.
    pub fn set_update<T: Serialize>(&mut self, progress: &T) -> Result<()> {
        self.put(tables::META, tables::UPDATE_KEY, progress)
    }

    /// There is no update to go on with.
    pub fn clear_update(&mut self) -> Result<()> {
        self.remove(tables::META, tables::UPDATE_KEY).map(drop)
    }

    /// Sets a document that has no table of its own.
    pub fn set_memo<T: Serialize>(&mut self, name: &str, document: &T) -> Result<()> {
        self.put(tables::MEMOS, name, document)
    }

    /// Removes such a document.
    pub fn drop_memo(&mut self, name: &str) -> Result<()> {
        self.remove(tables::MEMOS, name).map(drop)
    }

    /// Appends to the audit log. `number` and `before` of the record are filled in here.
    pub fn audit(&mut self, record: AuditRecord) -> Result<AuditHead> {
        let (head, bytes) = audit::append_to(&self.audit_head()?, record)?;
        self.append(tables::AUDIT, tables::ALL, head.number, &bytes)?;
        Ok(head)
    }

    /// Appends to a node's history; the oldest beyond [`HISTORY_MAX`] go.
    pub fn add_history(&mut self, node: &str, record: &HistoryRecord) -> Result<()> {
        let bytes = tables::encode(record)?;
        fits(tables::HISTORY.name(), node, &bytes)?;
        // Opening a table costs more than what is done in it: once, as histories come by the thousand.
        let mut table = self.txn.open_table(tables::HISTORY)?;
        let newest = table.range((node, 0)..=(node, u64::MAX))?.next_back();
        let number = newest.transpose()?.map_or(0, |(key, _)| key.value().1) + 1;
        table.insert((node, number), bytes.as_slice())?;
        if let Some(old) = number.checked_sub(HISTORY_MAX) {
            table.remove((node, old))?;
        }
        Ok(())
    }

    /// Removes a node's history.
    pub fn forget_history(&mut self, node: &str) -> Result<()> {
        self.forget_before(tables::HISTORY, node, u64::MAX, 0)
    }

    /// The restore was taken note of.
    pub fn forget_restored(&mut self) -> Result<()> {
        self.remove(tables::META, tables::RESTORED_KEY).map(drop)
    }

    pub(crate) fn put(
        &mut self,
        table: Documents,
        key: &str,
        value: &impl Serialize,
    ) -> Result<()> {
        self.put_bytes(table, key, &tables::encode(value)?)
    }

    pub(crate) fn put_bytes(&mut self, table: Documents, key: &str, bytes: &[u8]) -> Result<()> {
        fits(table.name(), key, bytes)?;
        self.txn.open_table(table)?.insert(key, bytes)?;
        Ok(())
    }

    pub(crate) fn append(
        &mut self,
        table: Log,
        subject: &str,
        number: u64,
        bytes: &[u8],
    ) -> Result<()> {
        fits(table.name(), subject, bytes)?;
        self.txn
            .open_table(table)?
            .insert((subject, number), bytes)?;
        Ok(())
    }

    fn remove(&mut self, table: Documents, key: &str) -> Result<Option<Vec<u8>>> {
        let mut table = self.txn.open_table(table)?;
        let before = table.remove(key)?.map(|value| value.value().to_vec());
        Ok(before)
    }

    /// Leaves the last `keep` records up to `newest`.
    fn forget_before(&mut self, table: Log, subject: &str, newest: u64, keep: u64) -> Result<()> {
        let Some(last) = newest.checked_sub(keep) else {
            return Ok(());
        };
        let mut table = self.txn.open_table(table)?;
        let old = table
            .range((subject, 0)..=(subject, last))?
            .map(|row| row.map(|(key, _)| key.value().1))
            .collect::<std::result::Result<Vec<u64>, _>>()?;
        for number in old {
            table.remove((subject, number))?;
        }
        Ok(())
    }
}

fn fits(table: &str, key: &str, bytes: &[u8]) -> Result<()> {
    if key.len() > tables::KEY_MAX {
        return Err(StoreError::Unfit(format!(
            "a name of {} bytes in {table}; at most {} are allowed",
            key.len(),
            tables::KEY_MAX
        )));
    }
    if bytes.len() > tables::VALUE_MAX {
        return Err(StoreError::Unfit(format!(
            "{} bytes in {table}; at most {} are allowed",
            bytes.len(),
            tables::VALUE_MAX
        )));
    }
    Ok(())
}

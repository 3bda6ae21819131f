//! The tables: names on disk, and how a record becomes bytes.
//!
//! Two shapes. A *document* has a text for a key; a *log* counts its records for each subject. Values are
//! JSON, but for secrets' contents (as they are) and audit records (their hash in front).

use redb::{TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// Text to bytes.
pub(crate) type Documents = TableDefinition<'static, &'static str, &'static [u8]>;
/// Subject and number to bytes.
pub(crate) type Log = TableDefinition<'static, (&'static str, u64), &'static [u8]>;

pub(crate) const WANTED: Documents = TableDefinition::new("wanted");
pub(crate) const ORDERS: Documents = TableDefinition::new("orders");
pub(crate) const RELEASES: Documents = TableDefinition::new("releases");
pub(crate) const CERTIFICATES: Documents = TableDefinition::new("certificates");
pub(crate) const TOKENS: Documents = TableDefinition::new("tokens");
pub(crate) const SECRETS: Documents = TableDefinition::new("secrets");
pub(crate) const SECRET_CONTENTS: Documents = TableDefinition::new("secret_contents");
pub(crate) const MEMOS: Documents = TableDefinition::new("memos");
pub(crate) const META: Documents = TableDefinition::new("meta");
pub(crate) const FLEET_FILES: Log = TableDefinition::new("fleet_files");
pub(crate) const AUDIT: Log = TableDefinition::new("audit");
pub(crate) const HISTORY: Log = TableDefinition::new("history");

/// All tables of documents.
pub(crate) const DOCUMENTS: [Documents; 9] = [
    WANTED,
    ORDERS,
    RELEASES,
    CERTIFICATES,
    TOKENS,
    SECRETS,
    SECRET_CONTENTS,
    MEMOS,
    META,
];
/// All logs.
pub(crate) const LOGS: [Log; 3] = [FLEET_FILES, AUDIT, HISTORY];

/// Version of the tables, in [`META`] under [`FORMAT_KEY`]. A file of a later one is refused.
pub(crate) const FORMAT: u64 = 1;
/// Key of [`FORMAT`].
pub(crate) const FORMAT_KEY: &str = "format";
/// Key in [`META`] of what the update said last.
pub(crate) const UPDATE_KEY: &str = "update";
/// Key in [`META`] of the restore nobody has taken note of.
pub(crate) const RESTORED_KEY: &str = "restored";

/// Subject of logs that have one alone.
pub(crate) const ALL: &str = "";

/// Longest value: beyond it something else than state is being stored.
pub(crate) const VALUE_MAX: usize = 16 << 20;
/// Longest key. Names of nodes, machines, secrets.
pub(crate) const KEY_MAX: usize = 512;

/// Makes the tables that are not there.
pub(crate) fn create(txn: &WriteTransaction) -> Result<(), redb::TableError> {
    for table in DOCUMENTS {
        txn.open_table(table)?;
    }
    for table in LOGS {
        txn.open_table(table)?;
    }
    Ok(())
}

pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Unfit(error.to_string()))
}

pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes)
        .map_err(|error| StoreError::Damaged(format!("a record of {what} cannot be read: {error}")))
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Io(error) => Self::Refused(error.to_string()),
            redb::StorageError::Corrupted(what) => Self::Damaged(what),
            redb::StorageError::ValueTooLarge(len) => Self::Unfit(format!("{len} bytes")),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<redb::TableError> for StoreError {
    fn from(error: redb::TableError) -> Self {
        match error {
            redb::TableError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for StoreError {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for StoreError {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<redb::DatabaseError> for StoreError {
    fn from(error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::Storage(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}

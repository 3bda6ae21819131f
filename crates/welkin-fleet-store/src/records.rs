//! What lies in the state, one type a table. All of it is JSON on disk; fields are only ever added, with
//! a default. Times are Unix milliseconds, sizes bytes.

use serde::{Deserialize, Serialize};

/// A version of the fleet file, as it was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FleetFile {
    /// Counts from 1.
    pub version: u64,
    /// Its text.
    pub text: String,
    /// Text of the cluster config it names.
    pub cluster: Option<String>,
    /// Who applied it.
    pub by: String,
    /// When.
    pub unix_ms: u64,
}

/// A release that lies in `DIR/releases/<digest>.tar.gz`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseRecord {
    /// Full digest.
    pub digest: String,
    /// What the operator calls it.
    pub label: String,
    /// Bytes of the archive.
    pub archive: u64,
    /// Bytes unpacked.
    pub unpacked: u64,
    /// Files and links in it.
    pub files: u64,
    /// When it came.
    pub uploaded_unix_ms: u64,
    /// Who brought it.
    pub by: String,
    /// minisign signature of its manifest.
    pub signature: Option<String>,
}

/// A certificate that the master has signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateRecord {
    /// Serial number, hex; the key of the table.
    pub serial: String,
    /// Who.
    pub name: String,
    /// In which role.
    pub role: String,
    /// Of which authority (its fingerprint).
    pub authority: String,
    /// From.
    pub from_unix_ms: u64,
    /// Until.
    pub until_unix_ms: u64,
    /// SHA-256 of the public key, hex.
    pub key: String,
    /// Last seen with it.
    pub seen_unix_ms: u64,
    /// When it was revoked; none: it holds.
    pub revoked_unix_ms: Option<u64>,
}

/// A token that was given out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenRecord {
    /// SHA-256 of its secret part, hex; the key of the table. The token itself is never stored.
    pub id: String,
    /// For whom.
    pub name: String,
    /// For which role.
    pub role: String,
    /// Until.
    pub until_unix_ms: u64,
    /// A name that is enrolled may be taken by it.
    pub replace: bool,
    /// Who asked for it.
    pub by: String,
}

/// What is shown of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretRecord {
    /// Its name.
    pub name: String,
    /// When it was set.
    pub unix_ms: u64,
    /// By whom.
    pub by: String,
}

/// One change of a node's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryRecord {
    /// When.
    pub unix_ms: u64,
    /// The state's word before.
    pub from: String,
    /// And after.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// One change that was asked for, accepted or refused. No secret's content, ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditRecord {
    /// Counts from 1; given by the store.
    pub number: u64,
    /// When.
    pub unix_ms: u64,
    /// Certificate name or local user.
    pub who: String,
    /// Address, or `local`.
    pub from: String,
    /// The command with its arguments.
    pub command: String,
    /// Nodes, machines or names it was for.
    pub targets: Vec<String>,
    /// What came of it.
    pub result: String,
    /// Hash of the record before, hex; of the first: 64 zeros. Given by the store.
    pub before: String,
}

/// The newest audit record, as it goes to the master's log: `<number> <hash>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// 0: there is none yet.
    pub number: u64,
    /// SHA-256, hex.
    pub hash: String,
}

/// The state came from a backup, and nobody has taken note of it yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restored {
    /// When the backup was made.
    pub backup_unix_ms: u64,
    /// When it was restored.
    pub unix_ms: u64,
}

//! What the authority must remember for good: certificates by name, open tokens, revoked enrolments.
//!
//! The authority holds all of it in memory, reads it once, and hands each change on before it takes
//! effect. So a store needs two functions. [`MemoryRecords`] is for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::role::Role;

/// Where records lie. Called from threads that may wait for a disk.
pub trait Records: Send + Sync + 'static {
    /// All of it.
    fn load(&self) -> Result<Kept, String>;

    /// Makes all of `changes` durable, or none and says why not. They are checked already and come
    /// from one caller at a time.
    fn commit(&self, changes: &[Change]) -> Result<(), String>;
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// One for each name.
    pub certificates: Vec<CertRecord>,
    /// Open tokens.
    pub tokens: Vec<TokenRecord>,
    /// Enrolments that are over.
    pub revoked: Vec<RevokedRecord>,
}

/// One step of a change; a commit may have several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Inserts or replaces by `name`.
    PutCertificate(CertRecord),
    /// Forgets that name.
    DropCertificate(String),
    /// Inserts by `hash`.
    PutToken(TokenRecord),
    /// Forgets the token of that hash.
    DropToken(String),
    /// Inserts by `enrolment`.
    PutRevoked(RevokedRecord),
    /// Forgets that enrolment: its last certificate has expired.
    DropRevoked(String),
}

/// A name that is enrolled, with its last certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertRecord {
    /// Of the machine or person.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Hex, the same through all renewals.
    pub enrolment: String,
    /// SHA-256 (hex) of its public key.
    pub key: String,
    /// Fingerprint of the authority that signed the last certificate.
    pub authority: String,
    /// Fingerprint of the authority of the certificate that it last connected with; empty: never seen.
    #[serde(default)]
    pub shown: String,
    /// When it was enrolled.
    pub since_unix_ms: u64,
    /// When the last certificate ends.
    pub until_unix_ms: u64,
    /// Last connection; 0: none yet.
    #[serde(default)]
    pub seen_unix_ms: u64,
}

/// A token that nobody has used yet. The token itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// SHA-256 (hex) of its secret part.
    pub hash: String,
    /// Whom it enrols.
    pub name: String,
    /// As what.
    pub role: Role,
    /// Until when.
    pub until_unix_ms: u64,
    /// A name that is enrolled may be replaced.
    pub replace: bool,
}

/// An enrolment that is over though a certificate of it may not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedRecord {
    /// Hex.
    pub enrolment: String,
    /// Whose it was.
    pub name: String,
    /// SHA-256 (hex) of its public key; the fleet's secret does not let it in again.
    pub key: String,
    /// Since when.
    pub since_unix_ms: u64,
    /// End of the last certificate; afterwards the record is dropped.
    pub until_unix_ms: u64,
}

impl Kept {
    /// Carries out a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutCertificate(record) => {
                self.certificates.retain(|old| old.name != record.name);
                self.certificates.push(record.clone());
            }
            Change::DropCertificate(name) => self.certificates.retain(|old| old.name != *name),
            Change::PutToken(record) => {
                self.tokens.retain(|old| old.hash != record.hash);
                self.tokens.push(record.clone());
            }
            Change::DropToken(hash) => self.tokens.retain(|old| old.hash != *hash),
            Change::PutRevoked(record) => {
                self.revoked.retain(|old| old.enrolment != record.enrolment);
                self.revoked.push(record.clone());
            }
            Change::DropRevoked(enrolment) => {
                self.revoked.retain(|old| old.enrolment != *enrolment);
            }
        }
    }

    pub(crate) fn certificate(&self, name: &str) -> Option<&CertRecord> {
        self.certificates.iter().find(|record| record.name == name)
    }

    pub(crate) fn revoked_untils(&self) -> BTreeMap<String, u64> {
        let pair = |record: &RevokedRecord| (record.enrolment.clone(), record.until_unix_ms);
        self.revoked.iter().map(pair).collect()
    }
}

/// Records that end with the process.
#[derive(Debug, Default)]
pub struct MemoryRecords(Mutex<Kept>);

impl Records for MemoryRecords {
    fn load(&self) -> Result<Kept, String> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }

    fn commit(&self, changes: &[Change]) -> Result<(), String> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            kept.apply(change);
        }
        Ok(())
    }
}

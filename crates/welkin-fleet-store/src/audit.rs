//! The audit log: append only, each record holding the hash of the one before.
//!
//! A record on disk is 32 bytes of SHA-256 and the JSON they were taken of; the JSON names its number and
//! the hash of the record before. Who changes a record must change all that follow it; who changes them all
//! cannot change what the master wrote to its own log: the number and hash of the newest, hour by hour.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::look::{Look, Raw};
use crate::records::{AuditHead, AuditRecord};
use crate::tables;

type Result<T> = std::result::Result<T, StoreError>;

const HASH: usize = 32;
/// What stands before the first record.
const NOTHING: [u8; HASH] = [0; HASH];
/// Faults that are told one by one; a log that has more is rewritten or lost.
const FAULTS_MAX: usize = 20;

/// What a check of the whole chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditCheck {
    /// Records that are there.
    pub records: u64,
    /// The newest.
    pub head: AuditHead,
    /// What is wrong, for people; empty: nothing.
    pub faults: Vec<String>,
}

impl fmt::Display for AuditHead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.number, self.hash)
    }
}

impl AuditHead {
    /// Finds the heads that a master wrote to its log: in each line the words `audit <number> <hash>`,
    /// wherever they stand in it.
    pub fn from_log(text: &str) -> Vec<AuditHead> {
        text.lines().filter_map(head_in_line).collect()
    }
}

fn head_in_line(line: &str) -> Option<AuditHead> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(3).find_map(|words| {
        let number = words[1].parse().ok()?;
        let hash = words[2];
        let is_hash = hash.len() == 2 * HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        (words[0] == "audit" && is_hash).then(|| AuditHead {
            number,
            hash: hash.to_ascii_lowercase(),
        })
    })
}

/// The next record's head and bytes.
pub(crate) fn append_to(head: &AuditHead, mut record: AuditRecord) -> Result<(AuditHead, Vec<u8>)> {
    record.number = head.number + 1;
    record.before = if head.number == 0 {
        hex(&NOTHING)
    } else {
        head.hash.clone()
    };
    let json = tables::encode(&record)?;
    let hash = Sha256::digest(&json);
    let mut bytes = hash.to_vec();
    bytes.extend_from_slice(&json);
    let head = AuditHead {
        number: record.number,
        hash: hex(&hash),
    };
    Ok((head, bytes))
}

pub(crate) fn record_of(bytes: &[u8]) -> Result<AuditRecord> {
    let json = bytes.get(HASH..).unwrap_or_default();
    tables::decode("the audit log", json)
}

pub(crate) fn head_of(number: u64, bytes: &[u8]) -> Result<AuditHead> {
    let hash = bytes
        .get(..HASH)
        .ok_or_else(|| StoreError::Damaged(format!("audit record {number} has no hash")))?;
    Ok(AuditHead {
        number,
        hash: hex(hash),
    })
}

/// Goes through the whole chain, and compares it with what was logged.
pub(crate) fn verify(look: &Look, logged: &[AuditHead]) -> Result<AuditCheck> {
    let mut check = AuditCheck::default();
    let mut expected: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for head in logged {
        expected.entry(head.number).or_default().push(&head.hash);
    }
    let mut before = hex(&NOTHING);
    look.forwards(tables::AUDIT, tables::ALL, &mut |number, bytes| {
        let due = check.head.number + 1;
        if number != due {
            note(
                &mut check,
                format!("records {due} to {} are missing", number - 1),
            );
        }
        check.records += 1;
        let Ok(head) = head_of(number, bytes) else {
            note(&mut check, format!("record {number} cannot be read"));
            check.head.number = number;
            return Ok(true);
        };
        for fault in faults_of(number, bytes, &head.hash, &before) {
            note(&mut check, fault);
        }
        for hash in expected.remove(&number).unwrap_or_default() {
            if hash != head.hash {
                note(
                    &mut check,
                    format!("record {number} is not the one whose hash was logged"),
                );
            }
        }
        before = head.hash.clone();
        check.head = head;
        Ok(true)
    })?;
    for number in expected.keys().filter(|&&number| number > 0) {
        note(
            &mut check,
            format!("record {number}, whose hash was logged, is missing"),
        );
    }
    Ok(check)
}

fn faults_of(number: u64, bytes: &[u8], hash: &str, before: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if hex(&Sha256::digest(bytes.get(HASH..).unwrap_or_default())) != hash {
        faults.push(format!("record {number} was changed"));
    }
    match record_of(bytes) {
        Ok(record) => {
            if record.number != number {
                faults.push(format!("record {number} says it is {}", record.number));
            }
            if record.before != before {
                faults.push(format!("record {number} does not follow the one before"));
            }
        }
        Err(_) => faults.push(format!("record {number} cannot be read")),
    }
    faults
}

fn note(check: &mut AuditCheck, fault: String) {
    match check.faults.len() {
        len if len < FAULTS_MAX => check.faults.push(fault),
        FAULTS_MAX => check.faults.push("and more".to_owned()),
        _ => {}
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;

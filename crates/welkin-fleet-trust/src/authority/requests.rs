//! Signing requests: who may have which certificate.
//!
//! Of a request only the key counts, which its own signature proves; the names in it are not looked at.

use rcgen::{CertificateSigningRequestParams, PublicKeyData};

use super::{Authority, Issued, new_enrolment, revoked};
use crate::certificate::{LEAF_MS, Subject};
use crate::crypto::{self, now_unix_ms};
use crate::link::Peer;
use crate::name::check_name;
use crate::records::{CertRecord, Change, Kept, TokenRecord};
use crate::role::Role;
use crate::token;

/// By what a newcomer asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Right<'a> {
    /// The secret part of a token, hex.
    Token(&'a str),
    /// It has proved to know the fleet's secret, under this name.
    Secret(&'a str),
}

/// What a right gives.
struct Grant {
    name: String,
    role: Role,
    replace: bool,
    /// The token that is used up.
    token: Option<TokenRecord>,
}

impl Authority {
    /// Enrols a newcomer. On refusal the text says why; a token is used up by success alone.
    pub(crate) fn enrol(&self, right: Right<'_>, request: &str) -> Result<Issued, String> {
        self.enrol_at(right, request, now_unix_ms(), LEAF_MS)
    }

    pub(crate) fn enrol_at(
        &self,
        right: Right<'_>,
        request: &str,
        now: u64,
        life_ms: u64,
    ) -> Result<Issued, String> {
        let key = read_request(request)?;
        let hash = crypto::sha256_hex(&key.subject_public_key_info());
        let mut kept = self.kept();
        let grant = grant(&kept, right, &hash, now)?;
        let mut changes = Vec::new();
        changes.extend(grant.token.map(|token| Change::DropToken(token.hash)));
        let mut enrolment = new_enrolment()?;
        if let Some(record) = kept.certificate(&grant.name) {
            if record.key == hash && record.role == grant.role {
                enrolment.clone_from(&record.enrolment);
            } else if grant.replace {
                changes.push(Change::PutRevoked(revoked(record, now)));
            } else {
                return Err(taken(record));
            }
        }
        let subject = Subject {
            name: grant.name,
            role: grant.role,
            enrolment,
        };
        self.issue(&mut kept, subject, &key, changes, now, life_ms)
    }

    /// The next certificate of a peer that is connected with a good one.
    pub fn renew(&self, peer: &Peer, request: &str) -> Result<Issued, String> {
        let shown = peer
            .shown
            .as_ref()
            .ok_or("a peer of the local socket needs no certificate")?;
        let key = read_request(request)?;
        let mut kept = self.kept();
        let subject = shown.subject.clone();
        if kept
            .revoked
            .iter()
            .any(|record| record.enrolment == subject.enrolment)
        {
            return Err("the certificate was revoked".to_owned());
        }
        // After a restore from a backup the name may be unknown, or be on record with an older enrolment.
        self.issue(&mut kept, subject, &key, Vec::new(), now_unix_ms(), LEAF_MS)
    }

    fn issue(
        &self,
        kept: &mut Kept,
        subject: Subject,
        key: &impl PublicKeyData,
        mut changes: Vec<Change>,
        now: u64,
        life_ms: u64,
    ) -> Result<Issued, String> {
        let keys = self.keys();
        let certificate = keys.newest().issue(&subject, key, now, life_ms)?;
        let before = kept
            .certificate(&subject.name)
            .filter(|record| record.enrolment == subject.enrolment);
        let record = CertRecord {
            key: crypto::sha256_hex(&key.subject_public_key_info()),
            authority: keys.newest().fingerprint.clone(),
            shown: before
                .map(|record| record.shown.clone())
                .unwrap_or_default(),
            since_unix_ms: before.map_or(now, |record| record.since_unix_ms),
            until_unix_ms: now.saturating_add(life_ms),
            seen_unix_ms: before.map_or(0, |record| record.seen_unix_ms),
            name: subject.name,
            role: subject.role,
            enrolment: subject.enrolment,
        };
        changes.push(Change::PutCertificate(record.clone()));
        self.commit(kept, &changes)?;
        Ok(Issued {
            certificate,
            authorities: keys.pem(),
            record,
        })
    }
}

fn grant(kept: &Kept, right: Right<'_>, key: &str, now: u64) -> Result<Grant, String> {
    match right {
        Right::Token(secret) => {
            let hash = token::hash_of(secret);
            let token = kept.tokens.iter().find(|token| token.hash == hash).ok_or(
                "the token is not known here: it was used, it has expired long ago, or it is not ours",
            )?;
            if token.until_unix_ms < now {
                return Err("the token has expired; make a new one: welkin fleet token".to_owned());
            }
            Ok(Grant {
                name: token.name.clone(),
                role: token.role,
                replace: token.replace,
                token: Some(token.clone()),
            })
        }
        Right::Secret(name) => {
            check_name(name)?;
            if kept.revoked.iter().any(|record| record.key == key) {
                return Err(format!(
                    "{name} was revoked; it needs a token: welkin fleet token"
                ));
            }
            Ok(Grant {
                name: name.to_owned(),
                role: Role::Agent,
                replace: false,
                token: None,
            })
        }
    }
}

fn taken(record: &CertRecord) -> String {
    format!(
        "{0} is enrolled as {1} with another key; a token made with --replace takes its place, \
         welkin fleet revoke {0} frees the name",
        record.name, record.role
    )
}

/// The key of a signing request whose signature is right.
fn read_request(request: &str) -> Result<rcgen::PublicKey, String> {
    CertificateSigningRequestParams::from_pem(request)
        .map(|request| request.public_key)
        .map_err(|error| format!("a wrong signing request: {error}"))
}

//! The master's authority: who is enrolled, by what right, and who is not any more.
//!
//! [`Kept`] is under a lock that is held while a change goes to disk; nothing that a handshake needs is
//! behind it. The authorities' keys and the set of revoked enrolments are read by every handshake, and
//! the latter is watched by every open link, so that a revocation ends it at once.
//!
//! A renewal keeps the enrolment, and does not end the certificate before it: the answer may be lost.
//! Revoking ends the enrolment, with all its certificates, and frees the name.

pub(crate) mod keys;
mod requests;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::certificate::Shown;
use crate::crypto::{self, now_unix_ms};
use crate::name::check_name;
use crate::records::{CertRecord, Change, Kept, Records, RevokedRecord, TokenRecord};
use crate::role::Role;
use crate::token::Token;
use keys::Keys;

pub(crate) use requests::Right;

/// Enrolments that are revoked, until when.
pub(crate) type Revoked = Arc<BTreeMap<String, u64>>;

/// The master's certificate authority.
pub struct Authority {
    folder: PathBuf,
    records: Arc<dyn Records>,
    kept: Mutex<Kept>,
    keys: RwLock<Arc<Keys>>,
    revoked: watch::Sender<Revoked>,
    serving: Mutex<Option<Arc<CertifiedKey>>>,
    /// Last connections, written down by [`Self::write_seen`]: when, and by which authority.
    seen: Mutex<HashMap<String, (u64, String)>>,
}

/// A certificate for somebody, and whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// PEM.
    pub certificate: String,
    /// PEM, all of them.
    pub authorities: String,
    /// What is kept of it.
    pub record: CertRecord,
}

impl Authority {
    /// Opens the authority of the master's folder; makes it where there is none. May wait for the disk,
    /// as every function here that changes something.
    pub fn open(folder: &Path, records: Arc<dyn Records>) -> Result<Arc<Self>, String> {
        let now = now_unix_ms();
        let keys = Keys::open(folder, now)?;
        let kept = records.load()?;
        let authority = Self {
            folder: folder.to_owned(),
            records,
            revoked: watch::Sender::new(Arc::new(kept.revoked_untils())),
            kept: Mutex::new(kept),
            keys: RwLock::new(Arc::new(keys)),
            serving: Mutex::new(None),
            seen: Mutex::new(HashMap::new()),
        };
        authority.forget_what_is_over(now)?;
        Ok(Arc::new(authority))
    }

    /// A token for one enrolment within `ttl`. A name that is enrolled needs `replace`.
    pub fn token(
        &self,
        name: &str,
        role: Role,
        ttl: Duration,
        replace: bool,
    ) -> Result<Token, String> {
        check_name(name)?;
        if role == Role::Master {
            return Err("nobody can be enrolled as master".to_owned());
        }
        let now = now_unix_ms();
        let token = Token::new(name, role, &self.keys().oldest().fingerprint)?;
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let record = TokenRecord {
            hash: token.hash(),
            name: name.to_owned(),
            role,
            until_unix_ms: now.saturating_add(ttl_ms),
            replace,
        };
        self.forget_what_is_over(now)?;
        self.commit(&mut self.kept(), &[Change::PutToken(record)])?;
        Ok(token)
    }

    /// Ends the enrolment of `name`: open links of it end at once, and the name is free.
    pub fn revoke(&self, name: &str) -> Result<(), String> {
        let now = now_unix_ms();
        let mut kept = self.kept();
        let record = kept
            .certificate(name)
            .ok_or_else(|| format!("{name} is not enrolled (welkin fleet certs)"))?;
        let changes = [
            Change::PutRevoked(revoked(record, now)),
            Change::DropCertificate(name.to_owned()),
        ];
        self.commit(&mut kept, &changes)
    }

    /// Makes a second authority, which signs from now on; its fingerprint. The first goes when every name
    /// has connected with a certificate of the second ([`Self::settle`]).
    pub fn rotate(&self) -> Result<String, String> {
        let _one_at_a_time = self.kept();
        if self.keys().authorities.len() > 1 {
            return Err(
                "a rotation is under way: some have not renewed yet (welkin fleet certs)"
                    .to_owned(),
            );
        }
        let keys = self.keys().rotated(&self.folder, now_unix_ms())?;
        let fingerprint = keys.newest().fingerprint.clone();
        self.set_keys(keys);
        Ok(fingerprint)
    }

    /// Ends a rotation when nobody needs the old authority any more; whether it did.
    pub fn settle(&self) -> Result<bool, String> {
        self.write_seen()?;
        let kept = self.kept();
        let keys = self.keys();
        let now = now_unix_ms();
        let newest = &keys.newest().fingerprint;
        let late = |record: &CertRecord| record.shown != *newest && record.until_unix_ms > now;
        if keys.authorities.len() < 2 || kept.certificates.iter().any(late) {
            return Ok(false);
        }
        let settled = keys.settled(&self.folder)?;
        self.set_keys(settled);
        Ok(true)
    }

    /// All names that are enrolled, with their last connection, by name.
    pub fn certificates(&self) -> Vec<CertRecord> {
        let mut records = self.kept().certificates.clone();
        let seen = lock(&self.seen);
        for record in &mut records {
            if let Some((at, shown)) = seen.get(&record.name) {
                record.seen_unix_ms = *at;
                record.shown.clone_from(shown);
            }
        }
        records.sort_by(|one, other| one.name.cmp(&other.name));
        records
    }

    /// Fingerprint (hex) of the authority that signs; while a rotation is under way the second.
    pub fn newest(&self) -> String {
        self.keys().newest().fingerprint.clone()
    }

    /// Fingerprints of all authorities that are trusted, oldest first.
    pub fn fingerprints(&self) -> Vec<String> {
        let keys = self.keys();
        keys.authorities
            .iter()
            .map(|ca| ca.fingerprint.clone())
            .collect()
    }

    /// Writes down who was seen when. The gate does so each minute; call it before the end.
    pub fn write_seen(&self) -> Result<(), String> {
        let seen = std::mem::take(&mut *lock(&self.seen));
        let mut kept = self.kept();
        let changes: Vec<Change> = seen
            .into_iter()
            .filter_map(|(name, (at, shown))| {
                let mut record = kept.certificate(&name)?.clone();
                record.seen_unix_ms = at;
                record.shown = shown;
                Some(Change::PutCertificate(record))
            })
            .collect();
        self.commit(&mut kept, &changes)
    }

    /// Somebody has connected.
    pub(crate) fn saw(&self, shown: &Shown) {
        let keys = self.keys();
        let authority = keys.issuer(&shown.issuer).map(|ca| ca.fingerprint.clone());
        let entry = (now_unix_ms(), authority.unwrap_or_default());
        lock(&self.seen).insert(shown.subject.name.clone(), entry);
    }

    /// Whether the holder should renew: it is late, or its authority goes.
    pub(crate) fn wants_renewal(&self, shown: &Shown) -> bool {
        shown.is_due(now_unix_ms()) || self.keys().newest().name != shown.issuer
    }

    pub(crate) fn revoked(&self) -> watch::Receiver<Revoked> {
        self.revoked.subscribe()
    }

    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the master shows on the agents' port; made anew when two thirds of it are over.
    pub(crate) fn serving(&self) -> Result<Arc<CertifiedKey>, String> {
        let now = now_unix_ms();
        let mut serving = lock(&self.serving);
        if let Some(key) = serving.as_ref()
            && Shown::read(&key.cert[0]).is_ok_and(|shown| !shown.is_due(now))
        {
            return Ok(key.clone());
        }
        let key = self.keys().serving(vec![], now)?;
        *serving = Some(key.clone());
        Ok(key)
    }

    fn set_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        *lock(&self.serving) = None;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    /// On disk, then in memory, then to all open links.
    fn commit(&self, kept: &mut Kept, changes: &[Change]) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        self.records.commit(changes)?;
        for change in changes {
            kept.apply(change);
        }
        let untils = kept.revoked_untils();
        self.revoked.send_if_modified(|revoked| {
            let changed = **revoked != untils;
            if changed {
                *revoked = Arc::new(untils);
            }
            changed
        });
        Ok(())
    }

    /// Tokens and revocations that time has ended.
    fn forget_what_is_over(&self, now: u64) -> Result<(), String> {
        let mut kept = self.kept();
        let tokens = kept.tokens.iter().filter(|token| token.until_unix_ms < now);
        let mut changes: Vec<Change> = tokens
            .map(|token| Change::DropToken(token.hash.clone()))
            .collect();
        let revoked = kept
            .revoked
            .iter()
            .filter(|record| record.until_unix_ms < now);
        changes.extend(revoked.map(|record| Change::DropRevoked(record.enrolment.clone())));
        self.commit(&mut kept, &changes)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Authority")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn revoked(record: &CertRecord, now: u64) -> RevokedRecord {
    RevokedRecord {
        enrolment: record.enrolment.clone(),
        name: record.name.clone(),
        key: record.key.clone(),
        since_unix_ms: now,
        // Certificates from before the last renewal end before it.
        until_unix_ms: record.until_unix_ms,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mark for an enrolment.
fn new_enrolment() -> Result<String, String> {
    Ok(crypto::hex(&crypto::random::<8>()?))
}

//! Key and certificate of an agent or a client, on its disk.
//!
//! The folder (0700) has `key.pem`, made by the newcomer itself and never sent, and `identity.pem`: its
//! certificate, then the authorities it trusts. Both are 0600 and written whole or not at all. The key
//! stays through renewals and new enrolments, so that a machine can be told from one that only has its
//! name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::authority::keys::{new_key, read_chain};
use crate::certificate::{Shown, Subject};
use crate::crypto::{self, now_unix_ms};
use crate::files;

/// Somebody who is enrolled.
#[derive(Clone)]
pub struct Identity {
    folder: PathBuf,
    key: Arc<KeyPair>,
    certificate: CertificateDer<'static>,
    shown: Shown,
    roots: Arc<RootCertStore>,
}

/// Somebody who is not enrolled, or has to be again: a key.
pub(crate) struct Newcomer {
    folder: PathBuf,
    key: Arc<KeyPair>,
}

impl Newcomer {
    /// Takes the key of the folder, or makes one.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        files::make_folder(folder)?;
        let path = folder.join("key.pem");
        let key = match files::read_private(&path)? {
            Some(text) => parse_key(&path, &text)?,
            None => {
                let key = new_key()?;
                files::write(&path, key.serialize_pem().as_bytes())?;
                key
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            key: Arc::new(key),
        })
    }

    /// A signing request, PEM. It names nobody: the master would not look.
    pub(crate) fn request(&self) -> Result<String, String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .serialize_request(&*self.key)
            .and_then(|request| request.pem())
            .map_err(|error| error.to_string())
    }

    /// Checks what the master sent, and keeps it.
    pub(crate) fn enrolled(
        &self,
        certificate: &str,
        authorities: &str,
    ) -> Result<Identity, String> {
        let text = format!("{certificate}{authorities}");
        let identity = Identity::parse(&self.folder, self.key.clone(), &text)
            .map_err(|error| format!("the master's answer: {error}"))?;
        files::write(&self.folder.join("identity.pem"), text.as_bytes())?;
        Ok(identity)
    }
}

impl Identity {
    /// Reads the folder. `None`: not enrolled yet.
    pub fn load(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join("identity.pem");
        let Some(text) = files::read_private(&path)? else {
            return Ok(None);
        };
        let key_path = folder.join("key.pem");
        let Some(key) = files::read_private(&key_path)? else {
            return Ok(None);
        };
        let key = parse_key(&key_path, &key)?;
        Self::parse(folder, Arc::new(key), &text)
            .map(Some)
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(folder: &Path, key: Arc<KeyPair>, text: &str) -> Result<Self, String> {
        let mut chain = read_chain(text)?.into_iter();
        let certificate = chain.next().ok_or("no certificate in it")?;
        let shown = Shown::read(&certificate)?;
        if shown.key != crypto::sha256_hex(&key.subject_public_key_info()) {
            return Err("a certificate for another key".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for authority in chain {
            roots.add(authority).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            return Err("no authority in it".to_owned());
        }
        Ok(Self {
            folder: folder.to_owned(),
            key,
            certificate,
            shown,
            roots: Arc::new(roots),
        })
    }

    /// Who this is.
    pub fn subject(&self) -> &Subject {
        &self.shown.subject
    }

    /// End of the certificate.
    pub fn until_unix_ms(&self) -> u64 {
        self.shown.until_unix_ms
    }

    /// Whether two thirds of it are over.
    pub fn renewal_due(&self) -> bool {
        self.shown.is_due(now_unix_ms())
    }

    /// A signing request (PEM) for the certificate's next life, with the same key.
    pub fn request(&self) -> Result<String, String> {
        self.newcomer().request()
    }

    /// Takes the answer to a renewal and keeps it on disk. Connect anew with it: the master ends a
    /// rotation of its authority only when everybody has shown a certificate of the new one.
    pub fn renewed(&self, certificate: &str, authorities: &str) -> Result<Self, String> {
        let next = Self::parse(
            &self.folder,
            self.key.clone(),
            &format!("{certificate}{authorities}"),
        )?;
        if next.shown.subject != self.shown.subject {
            return Err("the renewed certificate is for somebody else".to_owned());
        }
        self.newcomer().enrolled(certificate, authorities)
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }

    /// For TLS.
    pub(crate) fn certified(&self) -> Result<Arc<CertifiedKey>, String> {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let signer = crypto::provider()
            .key_provider
            .load_private_key(key.into())
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(CertifiedKey::new(
            vec![self.certificate.clone()],
            signer,
        )))
    }

    fn newcomer(&self) -> Newcomer {
        Newcomer {
            folder: self.folder.clone(),
            key: self.key.clone(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Identity")
            .field(&self.shown.subject)
            .finish()
    }
}

fn parse_key(path: &Path, text: &str) -> Result<KeyPair, String> {
    KeyPair::from_pem(text).map_err(|error| format!("{}: {error}", path.display()))
}

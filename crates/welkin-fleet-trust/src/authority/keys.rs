//! The authority's own keys: `ca.key` and `ca.pem` in the master's folder, and the certificate that the
//! master shows.
//!
//! Both files list the authorities oldest first; there are two while a rotation is under way. The oldest
//! signs what the master shows, since everybody trusts it; the newest signs what others get. A key
//! without certificate is a rotation that a crash cut short, and is passed over.

use std::path::Path;
use std::sync::Arc;

use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::certificate::{self, Subject, authority_of, new_authority, new_leaf};
use crate::crypto;
use crate::files;
use crate::name::MASTER;
use crate::role::Role;

/// All authorities, oldest first, never none.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) authorities: Vec<Ca>,
    pub(crate) roots: Arc<RootCertStore>,
}

/// One authority.
#[derive(Debug)]
pub(crate) struct Ca {
    pub(crate) certificate: CertificateDer<'static>,
    /// SHA-256 (hex) of the certificate.
    pub(crate) fingerprint: String,
    /// DER of its name, as its certificates give it.
    pub(crate) name: Vec<u8>,
    /// PKCS #8, PEM.
    key: String,
}

impl Ca {
    fn new(certificate: CertificateDer<'static>, key: String) -> Result<Self, String> {
        Ok(Self {
            fingerprint: crypto::sha256_hex(&certificate),
            name: authority_of(&certificate)?.0,
            certificate,
            key,
        })
    }

    fn make(now_unix_ms: u64) -> Result<Self, String> {
        let key = new_key()?;
        let certificate = new_authority(&key, now_unix_ms)?;
        Self::new(certificate.der().clone(), key.serialize_pem())
    }

    /// Signs a certificate; PEM.
    pub(crate) fn issue(
        &self,
        subject: &Subject,
        key: &impl PublicKeyData,
        now_unix_ms: u64,
        life_ms: u64,
    ) -> Result<String, String> {
        let leaf = self.leaf(subject, key, vec![], now_unix_ms, life_ms)?;
        Ok(leaf.pem())
    }

    fn leaf(
        &self,
        subject: &Subject,
        key: &impl PublicKeyData,
        names: Vec<SanType>,
        now_unix_ms: u64,
        life_ms: u64,
    ) -> Result<rcgen::Certificate, String> {
        let own = KeyPair::from_pem(&self.key).map_err(|error| error.to_string())?;
        let issuer =
            Issuer::from_ca_cert_der(&self.certificate, own).map_err(|error| error.to_string())?;
        new_leaf(subject, key, &issuer, names, now_unix_ms, life_ms)
    }
}

impl Keys {
    /// Reads both files, or makes them where neither is.
    pub(crate) fn open(folder: &Path, now_unix_ms: u64) -> Result<Self, String> {
        let (key_path, pem_path) = (folder.join("ca.key"), folder.join("ca.pem"));
        let keys = files::read_private(&key_path)?;
        let Some(pem) = files::read(&pem_path)? else {
            // A key alone: the first start was cut short between the two files.
            files::make_folder(folder)?;
            let keys = Self::of(vec![Ca::make(now_unix_ms)?])?;
            keys.save(folder)?;
            return Ok(keys);
        };
        let keys = keys.ok_or_else(|| {
            format!(
                "{} is missing though {} is there: the fleet's authority is lost; \
                 welkin fleet restore brings it back from a backup",
                key_path.display(),
                pem_path.display()
            )
        })?;
        let wrong = |path: &Path, error: String| format!("{}: {error}", path.display());
        let mut by_key = Vec::new();
        for block in pem_blocks(&keys) {
            let key =
                KeyPair::from_pem(block).map_err(|error| wrong(&key_path, error.to_string()))?;
            by_key.push((
                crypto::sha256_hex(&key.subject_public_key_info()),
                block.to_owned(),
            ));
        }
        let mut authorities = Vec::new();
        for certificate in read_chain(&pem).map_err(|error| wrong(&pem_path, error))? {
            let (_, own) = authority_of(&certificate).map_err(|error| wrong(&pem_path, error))?;
            let key = by_key
                .iter()
                .find(|(hash, _)| *hash == own)
                .ok_or_else(|| wrong(&key_path, "the key of an authority is missing".into()))?;
            authorities.push(Ca::new(certificate, key.1.clone())?);
        }
        Self::of(authorities).map_err(|error| wrong(&pem_path, error))
    }

    fn of(authorities: Vec<Ca>) -> Result<Self, String> {
        if authorities.is_empty() {
            return Err("no certificate in it".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for ca in &authorities {
            roots
                .add(ca.certificate.clone())
                .map_err(|error| error.to_string())?;
        }
        Ok(Self {
            authorities,
            roots: Arc::new(roots),
        })
    }

    /// Keys first: a key without certificate does no harm.
    fn save(&self, folder: &Path) -> Result<(), String> {
        let keys: String = self.authorities.iter().map(|ca| ca.key.as_str()).collect();
        files::write(&folder.join("ca.key"), keys.as_bytes())?;
        files::write(&folder.join("ca.pem"), self.pem().as_bytes())
    }

    /// With one more, on disk.
    pub(crate) fn rotated(&self, folder: &Path, now_unix_ms: u64) -> Result<Self, String> {
        let mut authorities = self.clone_all()?;
        authorities.push(Ca::make(now_unix_ms)?);
        let keys = Self::of(authorities)?;
        keys.save(folder)?;
        Ok(keys)
    }

    /// With the newest alone, on disk.
    pub(crate) fn settled(&self, folder: &Path) -> Result<Self, String> {
        let newest = self.clone_all()?.pop().into_iter().collect();
        let keys = Self::of(newest)?;
        // Certificates first: the other way round a crash would leave a certificate without key.
        files::write(&folder.join("ca.pem"), keys.pem().as_bytes())?;
        keys.save(folder)?;
        Ok(keys)
    }

    fn clone_all(&self) -> Result<Vec<Ca>, String> {
        let copy = |ca: &Ca| Ca::new(ca.certificate.clone(), ca.key.clone());
        self.authorities.iter().map(copy).collect()
    }

    pub(crate) fn oldest(&self) -> &Ca {
        &self.authorities[0]
    }

    pub(crate) fn newest(&self) -> &Ca {
        &self.authorities[self.authorities.len() - 1]
    }

    /// The authority of that name.
    pub(crate) fn issuer(&self, name: &[u8]) -> Option<&Ca> {
        self.authorities.iter().find(|ca| ca.name == name)
    }

    /// All certificates.
    pub(crate) fn pem(&self) -> String {
        let pem = |ca: &Ca| certificate::pem("CERTIFICATE", &ca.certificate);
        self.authorities.iter().map(pem).collect()
    }

    /// A key and a certificate for the master, with its authority behind it for those who know only the
    /// fingerprint. `names`: further names, for browsers.
    pub(crate) fn serving(
        &self,
        names: Vec<SanType>,
        now_unix_ms: u64,
    ) -> Result<Arc<CertifiedKey>, String> {
        let key = new_key()?;
        let subject = Subject {
            name: MASTER.to_owned(),
            role: Role::Master,
            enrolment: crypto::hex(&crypto::random::<8>()?),
        };
        let ca = self.oldest();
        let leaf = ca.leaf(&subject, &key, names, now_unix_ms, certificate::LEAF_MS)?;
        let signer = crypto::provider()
            .key_provider
            .load_private_key(PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .map_err(|error| error.to_string())?;
        let chain = vec![leaf.der().clone(), ca.certificate.clone()];
        Ok(Arc::new(CertifiedKey::new(chain, signer)))
    }
}

/// ECDSA on P-256.
pub(crate) fn new_key() -> Result<KeyPair, String> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())
}

/// All certificates of a text.
pub(crate) fn read_chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// The blocks of a PEM text, one by one.
fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive("-----END PRIVATE KEY-----")
        .map(str::trim)
        .filter(|block| !block.is_empty())
}

//! Certificates: what ours look like, how they are made, and what is read from one.
//!
//! A leaf has one alternative name, `welkin-fleet:ROLE:NAME:ENROLMENT`; nothing else in it says who it is.
//! Its bytes are looked at only after its signature was found to be an authority's.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SigningKey, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::crypto;
use crate::name::{MASTER, check_name};
use crate::role::Role;

/// Life of a certificate. It begins a day back, for machines whose clock is late.
pub(crate) const LEAF_MS: u64 = 90 * DAY_MS;
/// Life of an authority.
const AUTHORITY_MS: u64 = 3653 * DAY_MS;
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
const SCHEME: &str = "welkin-fleet";

/// Who a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Of the machine or person; `master`.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Hex; all certificates from one enrolment on have the same.
    pub enrolment: String,
}

impl Subject {
    pub(crate) fn uri(&self) -> String {
        format!("{SCHEME}:{}:{}:{}", self.role, self.name, self.enrolment)
    }

    fn from_uri(uri: &str) -> Option<Self> {
        let parts: Vec<&str> = uri.split(':').collect();
        let [SCHEME, role, name, enrolment] = parts[..] else {
            return None;
        };
        let role = match role {
            MASTER => Role::Master,
            word => word.parse().ok()?,
        };
        let named = match role {
            Role::Master => name == MASTER,
            _ => check_name(name).is_ok(),
        };
        let hex = enrolment.len() == 16 && enrolment.bytes().all(|byte| byte.is_ascii_hexdigit());
        (named && hex).then(|| Self {
            name: name.to_owned(),
            role,
            enrolment: enrolment.to_owned(),
        })
    }
}

/// What a certificate shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) subject: Subject,
    /// DER of the issuer's name; each authority of ours has another.
    pub(crate) issuer: Vec<u8>,
    pub(crate) since_unix_ms: u64,
    pub(crate) until_unix_ms: u64,
    /// SHA-256 (hex) of the public key.
    pub(crate) key: String,
}

impl Shown {
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        Self::of(certificate, true)
    }

    /// The same of a certificate of our own that has names for browsers behind the one that counts.
    pub(crate) fn read_first(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        Self::of(certificate, false)
    }

    fn of(certificate: &CertificateDer<'_>, alone: bool) -> Result<Self, String> {
        let parsed = parse(certificate)?;
        let names = parsed
            .subject_alternative_name()
            .map_err(|error| error.to_string())?
            .map(|names| &names.value.general_names[..]);
        let uri = match names {
            Some([GeneralName::URI(uri)]) => uri,
            Some([GeneralName::URI(uri), ..]) if !alone => uri,
            _ => return Err("a certificate that names nobody of a fleet".to_owned()),
        };
        let unix_ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
        Ok(Self {
            subject: Subject::from_uri(uri)
                .ok_or_else(|| format!("a certificate for {uri:?}, which is nobody of a fleet"))?,
            issuer: parsed.issuer().as_raw().to_vec(),
            since_unix_ms: unix_ms(parsed.validity().not_before.timestamp()),
            until_unix_ms: unix_ms(parsed.validity().not_after.timestamp()),
            key: crypto::sha256_hex(parsed.public_key().raw),
        })
    }

    /// Whether two thirds of it are over.
    pub(crate) fn is_due(&self, now_unix_ms: u64) -> bool {
        let third = self.until_unix_ms.saturating_sub(self.since_unix_ms) / 3;
        now_unix_ms >= self.until_unix_ms.saturating_sub(third)
    }
}

/// DER of the subject's name, and SHA-256 (hex) of the public key.
pub(crate) fn authority_of(certificate: &CertificateDer<'_>) -> Result<(Vec<u8>, String), String> {
    let parsed = parse(certificate)?;
    let key = crypto::sha256_hex(parsed.public_key().raw);
    Ok((parsed.subject().as_raw().to_vec(), key))
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    x509_parser::parse_x509_certificate(certificate)
        .map(|(_, parsed)| parsed)
        .map_err(|error| format!("not a certificate: {error}"))
}

/// DER as text.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(LINE) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// A new authority: its certificate, signed with `key`.
pub(crate) fn new_authority(key: &KeyPair, now_unix_ms: u64) -> Result<rcgen::Certificate, String> {
    let mut params = CertificateParams::default();
    let mark = crypto::hex(&crypto::random::<8>()?);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("welkin fleet authority {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now_unix_ms, AUTHORITY_MS)?;
    params.self_signed(key).map_err(|error| error.to_string())
}

/// A certificate for `subject` and the key that it holds, valid for `life_ms` from now.
pub(crate) fn new_leaf(
    subject: &Subject,
    key: &impl PublicKeyData,
    issuer: &Issuer<'_, impl SigningKey>,
    extra_names: Vec<SanType>,
    now_unix_ms: u64,
    life_ms: u64,
) -> Result<rcgen::Certificate, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, subject.name.as_str());
    let uri = subject
        .uri()
        .try_into()
        .map_err(|error| format!("{error}"))?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.subject_alt_names.extend(extra_names);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match subject.role {
        Role::Master => ExtendedKeyUsagePurpose::ServerAuth,
        _ => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, now_unix_ms, life_ms)?;
    params
        .signed_by(key, issuer)
        .map_err(|error| error.to_string())
}

fn validity(params: &mut CertificateParams, now_unix_ms: u64, life_ms: u64) -> Result<(), String> {
    let at = |unix_ms: u64| date_time_ymd(1970, 1, 1) + Duration::from_millis(unix_ms);
    params.not_before = at(now_unix_ms.saturating_sub(DAY_MS));
    params.not_after = at(now_unix_ms.saturating_add(life_ms));
    let mut serial = crypto::random::<16>()?;
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_certificate_is_taken_whole_or_not_at_all() {
        let subject = Subject {
            name: "m1".into(),
            role: Role::Agent,
            enrolment: "0123456789abcdef".into(),
        };
        assert_eq!(Subject::from_uri(&subject.uri()), Some(subject));
        for bad in [
            "welkin-fleet:agent:m1",
            "welkin-fleet:agent:m1:0123",
            "welkin-fleet:root:m1:0123456789abcdef",
            "welkin-fleet:agent:master:0123456789abcdef",
            "welkin-fleet:master:m1:0123456789abcdef",
            "welkin-fleet:agent:m1:0123456789abcdef:x",
            "other:agent:m1:0123456789abcdef",
        ] {
            assert_eq!(Subject::from_uri(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_certificate_is_due_when_two_thirds_are_over() {
        let key = KeyPair::generate().unwrap();
        let authority = new_authority(&key, 100 * DAY_MS).unwrap();
        let issuer = Issuer::from_ca_cert_der(authority.der(), &key).unwrap();
        let subject = Subject {
            name: "m1".into(),
            role: Role::Agent,
            enrolment: "0123456789abcdef".into(),
        };
        let leaf = new_leaf(&subject, &key, &issuer, vec![], 100 * DAY_MS, LEAF_MS).unwrap();
        let shown = Shown::read(leaf.der()).unwrap();
        assert_eq!(shown.subject, subject);
        assert_eq!(shown.since_unix_ms, 99 * DAY_MS);
        assert_eq!(shown.until_unix_ms, 190 * DAY_MS);
        assert!(!shown.is_due(159 * DAY_MS));
        assert!(shown.is_due(160 * DAY_MS));
        assert_eq!(authority_of(authority.der()).unwrap().0, shown.issuer);
    }
}

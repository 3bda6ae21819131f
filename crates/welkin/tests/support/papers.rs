//! Certificates for a test's servers, and the authority that issues them.

#![allow(dead_code, reason = "each test program uses its part")]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::support::Folder;

/// Writes `ca.pem`, `stranger.pem` (an authority that has issued nothing), and with their keys
/// (`NAME.key`) `server.pem` for 127.0.0.1 and db.example, `expired.pem` for the same, and `client.pem`.
pub fn write(folder: &Folder) {
    let issuer = authority(folder, "ca.pem");
    authority(folder, "stranger.pem");
    let here = ["127.0.0.1", "db.example"];
    issue(folder, &issuer, "server", &here, false);
    issue(folder, &issuer, "expired", &here, true);
    issue(folder, &issuer, "client", &["client.example"], false);
}

fn authority(folder: &Folder, file: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).expect("no names are good names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, file);
    let key = KeyPair::generate().expect("keys can be made");
    let certificate = params.self_signed(&key).expect("it can sign");
    folder.file(file, &certificate.pem());
    Issuer::new(params, key)
}

fn issue(
    folder: &Folder,
    issuer: &Issuer<'static, KeyPair>,
    file: &str,
    names: &[&str],
    old: bool,
) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("the names are good");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, file);
    if old {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().expect("keys can be made");
    let certificate = params.signed_by(&key, issuer).expect("it can sign");
    folder.file(&format!("{file}.pem"), &certificate.pem());
    folder.file(&format!("{file}.key"), &key.serialize_pem());
}

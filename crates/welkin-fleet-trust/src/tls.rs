//! TLS 1.3 as the fleet uses it: no tickets, no resumption (so that every connection shows a certificate
//! that holds now), no host names.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert,
    WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    RootCertStore, ServerConfig, SignatureScheme,
};

use crate::authority::Revoked;
use crate::certificate::Shown;
use crate::crypto;
use crate::role::Role;

/// How the side that connects knows the master.
#[derive(Debug)]
pub(crate) enum Expect {
    /// By one of these authorities.
    Roots(Arc<RootCertStore>),
    /// By the fingerprint of the authority that it shows.
    Fingerprint(String),
    /// By nothing yet; it proves itself afterwards, on this very connection.
    Proof,
}

/// For the side that connects. `own`: what it shows of itself.
pub(crate) fn client(
    expect: Expect,
    own: Option<Arc<CertifiedKey>>,
) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(MasterVerifier(expect)));
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// For one connection that the master accepts. A certificate is asked for, not demanded: a newcomer has
/// none. One that is shown must be good; `seen` then has it, or what was wrong.
pub(crate) fn server(
    roots: Arc<RootCertStore>,
    revoked: Revoked,
    own: Arc<CertifiedKey>,
    seen: Arc<Seen>,
) -> Result<Arc<ServerConfig>, String> {
    let chain = WebPkiClientVerifier::builder_with_provider(roots, crypto::provider())
        .build()
        .map_err(|error| error.to_string())?;
    let verifier = PeerVerifier {
        chain,
        revoked,
        seen,
    };
    let mut config = ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(Own(own)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// What the verifier saw of the peer's certificate; the error of a handshake cannot carry it.
#[derive(Debug, Default)]
pub(crate) struct Seen(std::sync::Mutex<Option<Shown>>);

impl Seen {
    pub(crate) fn get(&self) -> Option<Shown> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn set(&self, shown: Shown) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(shown);
    }
}

#[derive(Debug)]
struct Own(Arc<CertifiedKey>);

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    crypto::provider().signature_verification_algorithms
}

fn other(text: String) -> Error {
    let text: Box<dyn std::error::Error + Send + Sync> = text.into();
    Error::InvalidCertificate(CertificateError::Other(OtherError(text.into())))
}

#[derive(Debug)]
pub(crate) struct MasterVerifier(pub(crate) Expect);

impl ServerCertVerifier for MasterVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = match &self.0 {
            Expect::Proof => return Ok(ServerCertVerified::assertion()),
            Expect::Roots(roots) => roots.clone(),
            Expect::Fingerprint(fingerprint) => {
                let authority = chain
                    .iter()
                    .find(|shown| crypto::sha256_hex(shown) == *fingerprint)
                    .ok_or_else(|| other("it has not the authority that the token names".into()))?;
                let mut roots = RootCertStore::empty();
                roots.add(authority.clone())?;
                Arc::new(roots)
            }
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = algorithms();
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms.all)?;
        let shown = Shown::read(certificate).map_err(other)?;
        if shown.subject.role != Role::Master {
            let text = format!(
                "its certificate is that of {} {}",
                shown.subject.role, shown.subject.name
            );
            return Err(other(text));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 alone is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

#[derive(Debug)]
struct PeerVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    revoked: Revoked,
    seen: Arc<Seen>,
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Before the chain, for the log: an expired certificate says whose it is.
        let shown = Shown::read(certificate).map_err(other)?;
        self.seen.set(shown.clone());
        let verified = self.chain.verify_client_cert(certificate, chain, now)?;
        if self.revoked.contains_key(&shown.subject.enrolment) {
            return Err(Error::InvalidCertificate(CertificateError::Revoked));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 alone is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

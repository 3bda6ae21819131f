//! What went wrong, in words for whoever runs the node: the cause, and where it can be told, the way out.

use std::fmt;

use rustls::{CertificateError, Error, InvalidMessage};

/// Why there is no TLS session, or no more.
#[derive(Debug)]
pub enum TlsError {
    /// Neither a name of a host nor an address.
    Name(String),
    /// A file of certificates or a key that cannot be used.
    File {
        /// Which.
        path: String,
        /// Why not.
        cause: String,
    },
    /// The system has no list of whom it trusts.
    NoRoots(String),
    /// The certificate and its key cannot be used.
    Identity(Error),
    /// What the peer has sent, or is.
    Peer(Error),
    /// The session is over, nothing can be sent any more.
    Ended,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{name}' is neither a name of a host nor an address"),
            Self::File { path, cause } => write!(f, "{path}: {cause}"),
            Self::NoRoots(cause) => write!(
                f,
                "no certificates of the system are found ({cause}): name a file as ca"
            ),
            Self::Identity(error) => write!(f, "the certificate does not work: {error}"),
            Self::Peer(error) => explain(error, f),
            Self::Ended => f.write_str("the session has ended"),
        }
    }
}

impl std::error::Error for TlsError {}

fn explain(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        // What comes first is read before anything is known of the peer.
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => write!(f, "the peer does not speak TLS ({error})"),
        // A bad signature: it names somebody we trust as its issuer, who has not issued it.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => f.write_str(
            "the certificate comes from somebody who is not trusted: name the file with its issuer as ca",
        ),
        Error::AlertReceived(alert) => write!(f, "the peer has refused: {alert:?}"),
        other => write!(f, "{other}"),
    }
}

//! What can go wrong on a link, in words for both logs.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};
use welkin_fleet_model::wire::frame::FrameError;

/// Why there is no link, or no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// No connection: name, address, or nobody there.
    Unreachable(String),
    /// The other side let us wait too long for its part of the greeting.
    Handshake,
    /// The side that we connected to is not the master of this fleet.
    NotMaster(String),
    /// Our certificate (on the master's side: the peer's) has expired.
    Expired,
    /// It was revoked.
    Revoked,
    /// The other side does not take us, and why.
    Refused(String),
    /// What came is none of our frames or messages.
    Garbage(String),
    /// Nothing was heard for so many milliseconds.
    Silent(u64),
    /// The peer did not take what we wrote.
    Slow,
    /// The queue of what is to be sent is full.
    Full,
    /// The message is too long to be sent; bytes.
    TooLong(usize),
    /// The connection broke.
    Lost(String),
    /// We closed it.
    Closed,
    /// A file or a certificate of our own.
    Local(String),
}

impl fmt::Display for LinkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Local(text) => out.write_str(text),
            Self::Handshake => write!(out, "no answer to the greeting in time"),
            Self::NotMaster(text) => write!(out, "this is not the master of the fleet: {text}"),
            Self::Expired => write!(
                out,
                "the certificate has expired; enrol again with a new token (welkin fleet token)"
            ),
            Self::Revoked => write!(
                out,
                "the certificate was revoked; enrol again with a new token (welkin fleet token)"
            ),
            Self::Refused(text) => write!(out, "refused: {text}"),
            Self::Garbage(text) => write!(out, "not the fleet's protocol: {text}"),
            Self::Silent(ms) => write!(out, "nothing was heard for {} s", ms / 1000),
            Self::Slow => write!(out, "the peer does not take what is sent"),
            Self::Full => write!(out, "too much waits to be sent"),
            Self::TooLong(size) => write!(out, "a message of {size} bytes is too long"),
            Self::Lost(text) => write!(out, "connection lost: {text}"),
            Self::Closed => write!(out, "the link is closed"),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        Self::Garbage(error.to_string())
    }
}

impl LinkError {
    /// What an error of the stream means; TLS hides its reasons in it.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(error) => Self::from_tls(error),
            // What TLS adds is an address of its manual.
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Lost("the other side went without a word".into())
            }
            None => Self::Lost(error.to_string()),
        }
    }

    fn from_tls(error: &rustls::Error) -> Self {
        use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
        match error {
            AlertReceived(AlertDescription::CertificateExpired)
            | InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => Self::Expired,
            AlertReceived(AlertDescription::CertificateRevoked)
            | InvalidCertificate(CertificateError::Revoked) => Self::Revoked,
            AlertReceived(AlertDescription::UnknownCA) => Self::Refused(
                "the other side does not know the authority of our certificate".into(),
            ),
            AlertReceived(alert) => Self::Refused(format!("TLS alert {alert:?}")),
            InvalidCertificate(CertificateError::Other(other)) => Self::Refused(other.to_string()),
            InvalidCertificate(CertificateError::UnknownIssuer) => {
                Self::Refused("a certificate of an unknown authority".into())
            }
            InvalidCertificate(other) => Self::Refused(format!("a wrong certificate: {other}")),
            NoCertificatesPresented => Self::Refused("no certificate was shown".into()),
            other => Self::Garbage(format!("no TLS 1.3: {other}")),
        }
    }
}

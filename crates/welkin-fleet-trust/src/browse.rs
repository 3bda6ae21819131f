//! TLS for browsers and for programs that scrape: the master's http port, where it is not on loopback.
//!
//! The master's certificate there also names the hosts by which it is asked for. A client may show a
//! certificate of the fleet; what it may see is for the http port to say.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::SanType;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::certificate::{Shown, Subject};
use crate::crypto::now_unix_ms;
use crate::error::LinkError;
use crate::link::Limits;
use crate::tls::{self, Seen};

/// Accepts TLS from browsers.
pub struct Browsers {
    authority: Arc<Authority>,
    names: Vec<SanType>,
    limits: Limits,
    serving: Mutex<Option<Arc<CertifiedKey>>>,
}

impl Browsers {
    /// `names`: host names and IP addresses that the certificate is for.
    pub fn new(
        authority: Arc<Authority>,
        names: &[String],
        limits: &Limits,
    ) -> Result<Self, String> {
        let name = |name: &String| match name.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => match name.as_str().try_into() {
                Ok(host) => Ok(SanType::DnsName(host)),
                Err(_) => Err(format!("{name:?} is no host name")),
            },
        };
        Ok(Self {
            authority,
            names: names.iter().map(name).collect::<Result<_, _>>()?,
            limits: limits.clone(),
            serving: Mutex::new(None),
        })
    }

    /// The handshake, under the deadline of a greeting. The subject is that of a good certificate, if one
    /// was shown; a wrong one is an error.
    pub async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<
        (
            impl AsyncRead + AsyncWrite + Send + Unpin + use<>,
            Option<Subject>,
        ),
        LinkError,
    > {
        let seen = Arc::new(Seen::default());
        let own = self.serving().map_err(LinkError::Local)?;
        let revoked = self.authority.revoked().borrow().clone();
        let roots = self.authority.keys().roots.clone();
        let config = tls::server(roots, revoked, own, seen.clone()).map_err(LinkError::Local)?;
        let stream = timeout(
            self.limits.handshake,
            TlsAcceptor::from(config).accept(stream),
        )
        .await
        .map_err(|_| LinkError::Handshake)?
        .map_err(|error| LinkError::from_io(&error))?;
        Ok((stream, seen.get().map(|shown| shown.subject)))
    }

    /// Whether that enrolment was ended meanwhile.
    pub fn is_revoked(&self, subject: &Subject) -> bool {
        self.authority
            .revoked()
            .borrow()
            .contains_key(&subject.enrolment)
    }

    fn serving(&self) -> Result<Arc<CertifiedKey>, String> {
        let now = now_unix_ms();
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.authority.keys();
        if let Some(key) = serving.as_ref()
            && key.cert[1] == keys.oldest().certificate
            && Shown::read_first(&key.cert[0]).is_ok_and(|shown| !shown.is_due(now))
        {
            return Ok(key.clone());
        }
        let key = keys.serving(self.names.clone(), now)?;
        *serving = Some(key.clone());
        Ok(key)
    }
}

impl std::fmt::Debug for Browsers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Browsers")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

//! The side that connects: an agent or a client to its master.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use welkin_fleet_model::wire::{Hello, Purpose};

use super::framed::hello;
use super::{Framed, Limits, Link, Origin, Peer};
use crate::error::LinkError;
use crate::identity::Identity;
use crate::name::MASTER;
use crate::role::Role;
use crate::tls::{self, Expect};

/// Connects to the master at `HOST:PORT`, which must have a certificate of one of the identity's
/// authorities for the role of a master.
pub async fn connect(
    master: &str,
    identity: &Identity,
    purpose: Purpose,
    limits: &Limits,
) -> Result<Link, LinkError> {
    let own = identity.certified().map_err(LinkError::Local)?;
    let config =
        tls::client(Expect::Roots(identity.roots()), Some(own)).map_err(LinkError::Local)?;
    let greeting = async {
        let (stream, origin) = dial(master, config).await?;
        let mut framed = Framed::new(stream);
        let answer = reach(&mut framed, hello(purpose)).await?;
        Ok((framed, origin, answer))
    };
    let (framed, origin, answer) = within(limits, greeting).await?;
    Ok(framed.link(master_peer(origin), answer, limits, None))
}

/// Connects to the local socket of a master on this machine. `name`: what an agent's machine is called.
/// The socket's owner must be our own user or root.
pub async fn connect_local(
    path: &Path,
    purpose: Purpose,
    name: Option<&str>,
    limits: &Limits,
) -> Result<Link, LinkError> {
    let greeting = async {
        let (mut framed, origin) = open_plain(path).await?;
        let own = Hello {
            name: name.map(str::to_owned),
            ..hello(purpose)
        };
        let answer = reach(&mut framed, own).await?;
        Ok((framed, origin, answer))
    };
    let (framed, origin, answer) = within(limits, greeting).await?;
    Ok(framed.link(master_peer(origin), answer, limits, None))
}

/// Under the deadline of a greeting.
pub(crate) async fn within<T>(
    limits: &Limits,
    greeting: impl Future<Output = Result<T, LinkError>>,
) -> Result<T, LinkError> {
    timeout(limits.handshake, greeting)
        .await
        .unwrap_or(Err(LinkError::Handshake))
}

fn master_peer(origin: Origin) -> Peer {
    Peer {
        name: MASTER.to_owned(),
        role: Role::Master,
        origin,
        until_unix_ms: None,
        shown: None,
    }
}

/// TCP and TLS. What the verifier has against the other side is told as [`LinkError::NotMaster`].
pub(crate) async fn dial(
    master: &str,
    config: Arc<ClientConfig>,
) -> Result<(TlsStream<TcpStream>, Origin), LinkError> {
    let unreachable =
        |error: std::io::Error| LinkError::Unreachable(format!("the master at {master}: {error}"));
    let stream = TcpStream::connect(master).await.map_err(unreachable)?;
    let _ = stream.set_nodelay(true);
    let origin = Origin::Network(stream.peer_addr().map_err(unreachable)?);
    // Not sent and not looked at: the master is known by its authority and role.
    let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0])));
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| match LinkError::from_io(&error) {
            _ if is_our_verdict(&error) => LinkError::NotMaster(verdict(&error)),
            other => other,
        })?;
    Ok((stream, origin))
}

/// The local socket; its other side must be our own user's or root's.
pub(crate) async fn open_plain(path: &Path) -> Result<(Framed, Origin), LinkError> {
    let unreachable = |error: std::io::Error| {
        LinkError::Unreachable(format!("the master at {}: {error}", path.display()))
    };
    let stream = UnixStream::connect(path).await.map_err(unreachable)?;
    let peer = stream.peer_cred().map_err(unreachable)?;
    let (uid, pid) = (peer.uid(), peer.pid());
    if !is_trusted_user(uid) {
        let text = format!("{} belongs to user {uid}", path.display());
        return Err(LinkError::NotMaster(text));
    }
    Ok((Framed::new(stream), Origin::Local { uid, pid }))
}

/// Our own user, or root.
pub(crate) fn is_trusted_user(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Says `own` and hears the master's answer.
pub(crate) async fn reach(framed: &mut Framed, own: Hello) -> Result<Hello, LinkError> {
    let purpose = own.purpose;
    // When the master refuses our certificate it closes at once: the write may fail, and its reason
    // still waits to be read.
    let sent = framed.send(&own).await;
    let answer: Hello = match (framed.receive().await, sent) {
        (Ok(answer), _) => answer,
        (Err(LinkError::Lost(_)), Err(first)) => return Err(first),
        (Err(error), _) => return Err(error),
    };
    match answer.refused {
        Some(text) => Err(LinkError::Refused(text)),
        None if answer.purpose != purpose => {
            Err(LinkError::Garbage("an answer to another greeting".into()))
        }
        None => Ok(answer),
    }
}

fn is_our_verdict(error: &std::io::Error) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidCertificate(_)))
}

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn verdict(error: &std::io::Error) -> String {
    use rustls::CertificateError::{Expired, ExpiredContext, Other, UnknownIssuer};
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(UnknownIssuer)) => {
            "its certificate is of an authority that we do not know".to_owned()
        }
        Some(rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. })) => {
            "its certificate has expired, or our clock is wrong".to_owned()
        }
        Some(rustls::Error::InvalidCertificate(Other(other))) => other.to_string(),
        _ => error.to_string(),
    }
}

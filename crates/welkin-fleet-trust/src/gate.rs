//! The master's door: what connects becomes a [`Link`] of somebody known, or is closed.
//!
//! All of the greeting has one deadline, and the number of those who are at it is bounded, all together
//! and for each address. What fails is counted and logged once for each address and minute. Enrolments
//! are served here, and told to the [`Witness`].

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use welkin_fleet_model::wire::{Hello, PROTOCOL, Purpose};

use crate::authority::Authority;
use crate::certificate::Shown;
use crate::enrol;
use crate::error::LinkError;
use crate::guard::{Counts, Guard, Witness};
use crate::link::{Framed, Limits, Link, Origin, Peer, hello, is_trusted_user};
use crate::name::check_name;
use crate::role::Role;
use crate::secret::FleetSecret;
use crate::tls::{self, Seen};

/// How long a peer whose certificate was refused may take to read why.
const LAST_WORD: Duration = Duration::from_secs(1);
/// After a failed accept: no descriptors are left, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often last connections are written down and a rotation is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// What a gate is told.
#[derive(Clone, Debug, Default)]
pub struct GateOptions {
    /// Times and sizes.
    pub limits: Limits,
    /// Lets agents in that know it.
    pub secret: Option<FleetSecret>,
}

/// Accepts, greets, enrols.
pub struct Gate {
    authority: Arc<Authority>,
    witness: Arc<dyn Witness>,
    options: GateOptions,
    guard: Guard,
    /// The same for refused enrolments: strangers must not fill the audit log.
    refusals: Guard,
    strangers: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Gate {
    /// One for all listeners of a master.
    pub fn new(
        authority: Arc<Authority>,
        witness: Arc<dyn Witness>,
        options: GateOptions,
    ) -> Arc<Self> {
        Arc::new(Self {
            authority,
            witness,
            strangers: Arc::new(Semaphore::new(options.limits.strangers)),
            options,
            guard: Guard::default(),
            refusals: Guard::default(),
            by_address: Mutex::default(),
        })
    }

    /// What has come so far.
    pub fn counts(&self) -> Counts {
        self.guard.counts()
    }

    /// Accepts TLS connections until nobody takes links any more. Also does the authority's
    /// housekeeping, once a minute.
    pub async fn serve(self: &Arc<Self>, listener: TcpListener, links: mpsc::Sender<Link>) {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.tick().await;
        loop {
            let accepted = tokio::select! {
                () = links.closed() => return,
                _ = housekeeping.tick() => {
                    self.clone().keep_house();
                    continue;
                }
                accepted = self.accept(&listener) => accepted,
            };
            if let Some((stream, address, place)) = accepted {
                let (gate, links) = (self.clone(), links.clone());
                tokio::spawn(async move { gate.admit(stream, address, place, links).await });
            }
        }
    }

    /// The same on a local socket. Its peers are our own user's and root's.
    pub async fn serve_local(self: &Arc<Self>, listener: UnixListener, links: mpsc::Sender<Link>) {
        loop {
            let accepted = tokio::select! {
                () = links.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (gate, links) = (self.clone(), links.clone());
            tokio::spawn(async move {
                let greeting = gate.greet_local(stream);
                let result = match timeout(gate.options.limits.handshake, greeting).await {
                    Ok(result) => result,
                    Err(_) => Err(LinkError::Handshake),
                };
                let local = IpAddr::from(Ipv4Addr::LOCALHOST);
                gate.deliver(result, local, "the local socket", &links)
                    .await;
            });
        }
    }

    fn keep_house(self: Arc<Self>) {
        tokio::task::spawn_blocking(move || match self.authority.settle() {
            Ok(true) => self.witness.log(
                "the old certificate authority is gone: everybody has a certificate of the new one",
            ),
            Ok(false) => {}
            Err(error) => self.witness.log(&format!("certificates: {error}")),
        });
    }

    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr, Place)> {
        // Never closed.
        let all = self.strangers.clone().acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, address)) => Some((stream, address, Place { _all: all })),
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    async fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        place: Place,
        links: mpsc::Sender<Link>,
    ) {
        let from = address.ip();
        if !self.enter(from) {
            let error = LinkError::Garbage("too many connections that have not said hello".into());
            self.trouble(from, &address.to_string(), &error);
            return;
        }
        let greeting = self.greet(stream, address);
        let result = match timeout(self.options.limits.handshake, greeting).await {
            Ok(result) => result,
            Err(_) => Err(LinkError::Handshake),
        };
        let result = match result {
            Ok(Greeted::Link(link)) => Ok(Some(*link)),
            Ok(Greeted::Enrol(newcomer)) => self.enrol(*newcomer, address).await.map(|()| None),
            Err(error) => Err(error),
        };
        self.leave(from);
        drop(place);
        self.deliver(result, from, &address.to_string(), &links)
            .await;
    }

    async fn deliver(
        &self,
        result: Result<Option<Link>, LinkError>,
        address: IpAddr,
        from: &str,
        links: &mpsc::Sender<Link>,
    ) {
        match result {
            Ok(Some(link)) => {
                self.guard.count(|counts| counts.links += 1);
                let _ = links.send(link).await;
            }
            Ok(None) => {}
            Err(error) => self.trouble(address, from, &error),
        }
    }

    /// TLS and the greeting.
    async fn greet(&self, stream: TcpStream, address: SocketAddr) -> Result<Greeted, LinkError> {
        let (stream, shown) = self.secure(stream).await?;
        let exporter = enrol::exporter_of(stream.get_ref().1)?;
        let mut framed = Framed::new(stream);
        let theirs: Hello = framed.receive().await?;
        let refusal = match (&shown, theirs.purpose) {
            _ if theirs.protocol.abs_diff(PROTOCOL) > 1 => Some(other_version(&theirs)),
            (None, Purpose::Enrol) => None,
            (Some(_), Purpose::Enrol) => Some("an enrolment shows no certificate".to_owned()),
            (None, _) => Some("no certificate was shown; enrol first".to_owned()),
            (Some(shown), purpose) => wrong_role(shown, purpose),
        };
        if let Some(text) = refusal {
            framed.refuse(theirs.purpose, &text).await;
            return Err(LinkError::Refused(text));
        }
        let renew = shown
            .as_ref()
            .is_some_and(|shown| self.authority.wants_renewal(shown));
        let ours = Hello {
            renew,
            ..hello(theirs.purpose)
        };
        framed.send(&ours).await?;
        let Some(shown) = shown else {
            return Ok(Greeted::Enrol(Box::new(Greeting { framed, exporter })));
        };
        self.authority.saw(&shown);
        let peer = Peer {
            name: shown.subject.name.clone(),
            role: shown.subject.role,
            origin: Origin::Network(address),
            until_unix_ms: Some(shown.until_unix_ms),
            shown: Some(shown),
        };
        let revoked = Some(self.authority.revoked());
        let link = framed.link(peer, theirs, &self.options.limits, revoked);
        Ok(Greeted::Link(Box::new(link)))
    }

    /// The TLS handshake; who showed which certificate, if any.
    async fn secure(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Option<Shown>), LinkError> {
        let _ = stream.set_nodelay(true);
        let seen = Arc::new(Seen::default());
        let own = self.authority.serving().map_err(LinkError::Local)?;
        let revoked = self.authority.revoked().borrow().clone();
        let roots = self.authority.keys().roots.clone();
        let config = tls::server(roots, revoked, own, seen.clone()).map_err(LinkError::Local)?;
        match TlsAcceptor::from(config)
            .accept(stream)
            .into_fallible()
            .await
        {
            Ok(stream) => Ok((stream, seen.get())),
            Err((error, stream)) => {
                let error = LinkError::from_io(&error);
                let Some(shown) = seen.get() else {
                    return Err(error);
                };
                last_word(stream).await;
                Err(of(&shown, error))
            }
        }
    }

    async fn greet_local(&self, stream: UnixStream) -> Result<Option<Link>, LinkError> {
        let peer = stream
            .peer_cred()
            .map_err(|error| LinkError::from_io(&error))?;
        let (uid, pid) = (peer.uid(), peer.pid());
        let mut framed = Framed::new(stream);
        let theirs: Hello = framed.receive().await?;
        let named = theirs.name.as_deref().unwrap_or_default();
        let refusal = match theirs.purpose {
            _ if !is_trusted_user(uid) => Some(format!("user {uid} is not the master's")),
            _ if theirs.protocol.abs_diff(PROTOCOL) > 1 => Some(other_version(&theirs)),
            Purpose::Enrol => Some("nobody needs to enrol on the local socket".to_owned()),
            Purpose::Agent => check_name(named).err(),
            Purpose::Client => None,
        };
        if let Some(text) = refusal {
            framed.refuse(theirs.purpose, &text).await;
            return Err(LinkError::Refused(text));
        }
        framed.send(&hello(theirs.purpose)).await?;
        let (name, role) = match theirs.purpose {
            Purpose::Agent => (named.to_owned(), Role::Agent),
            _ => (format!("uid:{uid}"), Role::Admin),
        };
        let peer = Peer {
            name,
            role,
            origin: Origin::Local { uid, pid },
            until_unix_ms: None,
            shown: None,
        };
        Ok(Some(framed.link(peer, theirs, &self.options.limits, None)))
    }

    async fn enrol(&self, newcomer: Greeting, address: SocketAddr) -> Result<(), LinkError> {
        let Greeting {
            mut framed,
            exporter,
        } = newcomer;
        let deadline = self.options.limits.handshake;
        let request = timeout(deadline, framed.receive())
            .await
            .map_err(|_| LinkError::Handshake)??;
        // Not under the deadline: what is decided must be told to the audit log.
        let secret = self.options.secret.as_ref();
        let (served, answer) = enrol::serve(request, &self.authority, secret, &exporter).await;
        self.tell(&served, address);
        let _ = timeout(deadline, framed.finish(&answer)).await;
        match served.result {
            Ok(_) => {
                self.guard.count(|counts| counts.enrolments += 1);
                Ok(())
            }
            Err(text) => Err(LinkError::Refused(text)),
        }
    }

    /// Every enrolment; of the refused ones one for each address and minute.
    fn tell(&self, served: &enrol::Served, address: SocketAddr) {
        let hidden = match served.result {
            Ok(_) => Some(0),
            Err(_) => self.refusals.speaks(address.ip(), Instant::now()),
        };
        let Some(hidden) = hidden else {
            return;
        };
        let result = match &served.result {
            Ok(enrolment) => Ok(enrolment.clone()),
            Err(text) => Err(format!("{text}{}", more(hidden))),
        };
        let result = result.as_deref().map_err(String::as_str);
        let from = address.to_string();
        self.witness
            .enrolment(&served.name, &served.role, &from, served.by, result);
    }

    /// Counts and, once a minute for each address, logs.
    fn trouble(&self, address: IpAddr, from: &str, error: &LinkError) {
        let refused = matches!(
            error,
            LinkError::Refused(_) | LinkError::Expired | LinkError::Revoked
        );
        self.guard.count(|counts| match refused {
            true => counts.refused += 1,
            false => counts.garbage += 1,
        });
        if let Some(hidden) = self.guard.speaks(address, Instant::now()) {
            let more = more(hidden);
            self.witness
                .log(&format!("connection from {from} closed: {error}{more}"));
        }
    }

    fn enter(&self, address: IpAddr) -> bool {
        let mut by_address = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        let free = *count < self.options.limits.strangers_of_one;
        *count += usize::from(free);
        free
    }

    fn leave(&self, address: IpAddr) {
        let mut by_address = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gate")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// A place among the strangers, until it is dropped.
struct Place {
    _all: OwnedSemaphorePermit,
}

enum Greeted {
    Link(Box<Link>),
    Enrol(Box<Greeting>),
}

struct Greeting {
    framed: Framed,
    exporter: [u8; 32],
}

fn wrong_role(shown: &Shown, purpose: Purpose) -> Option<String> {
    let is_agent = shown.subject.role == Role::Agent;
    (is_agent != (purpose == Purpose::Agent)).then(|| {
        format!(
            "the certificate of {} is for the role {}, which may not do this",
            shown.subject.name, shown.subject.role
        )
    })
}

fn other_version(theirs: &Hello) -> String {
    format!(
        "version {} speaks protocol {}, this master {} speaks {PROTOCOL}; one of them must be updated",
        theirs.version,
        theirs.protocol,
        env!("CARGO_PKG_VERSION"),
    )
}

/// What was not told before this.
fn more(hidden: u64) -> String {
    match hidden {
        0 => String::new(),
        count => format!(" ({count} more in the minutes before)"),
    }
}

/// Whose certificate was refused, for the log.
fn of(shown: &Shown, error: LinkError) -> LinkError {
    let who = format!("{} {}", shown.subject.role, shown.subject.name);
    match error {
        LinkError::Expired => LinkError::Refused(format!("the certificate of {who} has expired")),
        LinkError::Revoked => LinkError::Refused(format!("the certificate of {who} was revoked")),
        LinkError::Refused(text) => LinkError::Refused(format!("{text} (it says {who})")),
        other => other,
    }
}

/// The alert is written; what the peer still sends is read away, since an unread byte would turn our end
/// into a reset that overtakes it.
async fn last_word(mut stream: TcpStream) {
    let _ = timeout(LAST_WORD, async {
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    })
    .await;
}

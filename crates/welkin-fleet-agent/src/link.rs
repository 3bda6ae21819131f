//! The link to the master: made, kept, made again.
//!
//! One task holds it and passes on what comes; it takes no further message before the loop has had the
//! last, so a master that sends fast waits in its own socket. Between tries it waits 0.2 s to 15 s, longer
//! each time, a little different each time: a thousand agents do not come back in one moment.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use welkin_fleet_model::wire::agent::FromAgent;
use welkin_fleet_model::wire::{Hello, Purpose};
use welkin_fleet_trust::{
    FleetSecret, Identity, Incoming, Limits, Link, LinkError, Sender, Token, connect,
    connect_local, enrol,
};

use crate::agent::{Happened, Happenings};
use crate::args::Master;
use crate::clock::unix_ms;
use crate::say;

/// Between tries, at first and at most; it doubles.
const PAUSE_FIRST_MS: u64 = 200;
const PAUSE_MAX_MS: u64 = 15_000;
/// A link that lasts that long makes the next pause the first again.
const HELD: Duration = Duration::from_secs(5);
/// How often an open link looks whether the certificate is to be renewed.
const LOOK: Duration = Duration::from_secs(600);
/// Largest token file.
const TOKEN_MAX: u64 = 4096;

/// What the loop hears.
pub(crate) enum News {
    /// There is a link, with that greeting of the master.
    Up(Sender, Box<Hello>),
    /// Something came; the next is read when the second part is dropped.
    Incoming(Incoming, oneshot::Sender<()>),
    /// There is none any more.
    Down,
}

/// What the loop says.
pub(crate) enum Command {
    /// The link is of no use: make another.
    Again,
    /// The certificate and the authorities that the master gave.
    Renewed(String, String),
}

/// Where to, and how this machine proves who it is.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// Where to.
    pub master: Master,
    /// Folder of key and certificate.
    pub identity: PathBuf,
    /// A token, read once at the beginning.
    pub token: Option<String>,
    /// File of the fleet's secret.
    pub secret_file: Option<PathBuf>,
    /// The name to enrol by, or to go by on the local socket.
    pub machine: String,
}

/// Reads a token; `-` is standard input.
pub(crate) fn read_token(file: &std::path::Path) -> Result<String, String> {
    let mut text = String::new();
    let failed = |error| format!("{}: {error}", file.display());
    if file.as_os_str() == "-" {
        let input = std::io::stdin().take(TOKEN_MAX);
        { input }.read_to_string(&mut text).map_err(failed)?;
    } else {
        let file = std::fs::File::open(file).map_err(failed)?;
        file.take(TOKEN_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?;
    }
    Ok(text.trim().to_owned())
}

/// Keeps a link for as long as the agent runs.
pub(crate) async fn keep(
    way: Way,
    happenings: Happenings,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut keeping = Keeping {
        token: way.token.clone(),
        way,
        pause_ms: PAUSE_FIRST_MS,
        enrols_again: false,
        random: unix_ms() ^ (u64::from(std::process::id()) << 40) | 1,
        limits: Limits::default(),
    };
    let mut said = String::new();
    loop {
        let why = match keeping.connect().await {
            Ok((link, identity)) => {
                let began = Instant::now();
                let why = hold(link, identity, &happenings, &mut commands).await;
                if began.elapsed() >= HELD {
                    // One that ends at once is no better than none.
                    keeping.pause_ms = PAUSE_FIRST_MS;
                    keeping.enrols_again = false;
                    said.clear();
                }
                why
            }
            Err(error) => error.to_string(),
        };
        // The same once: an agent may wait for days.
        if why != said {
            say(&format!("no link to the master: {why}"));
            said.clone_from(&why);
        }
        if happenings.send(Happened::Link(News::Down)).is_err() {
            return;
        }
        let pause = keeping.pause();
        tokio::time::sleep(pause).await;
        // What was said to the link that is gone.
        while commands.try_recv().is_ok() {}
    }
}

struct Keeping {
    way: Way,
    /// Not used yet.
    token: Option<String>,
    pause_ms: u64,
    /// That the certificate is not taken has been said.
    enrols_again: bool,
    random: u64,
    limits: Limits,
}

impl Keeping {
    fn pause(&mut self) -> Duration {
        let pause = self.pause_ms;
        self.pause_ms = (pause * 2).min(PAUSE_MAX_MS);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // Between four fifths and all of it.
        Duration::from_millis(pause * 4 / 5 + self.random % (pause / 5 + 1))
    }

    async fn connect(&mut self) -> Result<(Link, Option<Identity>), LinkError> {
        let address = match &self.way.master {
            Master::Tcp(address) => address.clone(),
            Master::Local(path) => {
                let name = Some(self.way.machine.as_str());
                let link = connect_local(path, Purpose::Agent, name, &self.limits).await?;
                return Ok((link, None));
            }
        };
        let identity = match Identity::load(&self.way.identity).map_err(LinkError::Local)? {
            Some(identity) => identity,
            None => self.enrol(&address).await?,
        };
        match connect(&address, &identity, Purpose::Agent, &self.limits).await {
            Err(LinkError::Expired | LinkError::Revoked)
                if self.token.is_some() || self.way.secret_file.is_some() =>
            {
                if !std::mem::replace(&mut self.enrols_again, true) {
                    say("the certificate is not taken any more: enrolling again");
                }
                let identity = self.enrol(&address).await?;
                let link = connect(&address, &identity, Purpose::Agent, &self.limits).await?;
                Ok((link, Some(identity)))
            }
            other => Ok((other?, Some(identity))),
        }
    }

    async fn enrol(&mut self, address: &str) -> Result<Identity, LinkError> {
        let (folder, limits) = (&self.way.identity, &self.limits);
        if let Some(text) = &self.token {
            let token: Token = text
                .parse()
                .map_err(|error| LinkError::Local(format!("the token is none: {error}")))?;
            let enrolled = enrol::with_token(address, &token, folder, limits).await;
            if let Ok(identity) = &enrolled {
                // It is good for once.
                self.token = None;
                say(&format!(
                    "enrolled as {} by a token",
                    identity.subject().name
                ));
            }
            return enrolled;
        }
        let Some(file) = &self.way.secret_file else {
            return Err(LinkError::Local(
                "this machine is not enrolled: give the agent a token (--token-file F, made by \
                 welkin fleet token NAME --role agent) or the fleet's secret (--secret-file F)"
                    .to_owned(),
            ));
        };
        let secret = FleetSecret::load(file).map_err(LinkError::Local)?;
        let name = &self.way.machine;
        let identity = enrol::with_secret(address, &secret, name, folder, limits).await?;
        say(&format!("enrolled as {name} by the fleet's secret"));
        Ok(identity)
    }
}

/// Passes on what comes until the link ends; why it did.
async fn hold(
    link: Link,
    identity: Option<Identity>,
    happenings: &Happenings,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> String {
    let hello = Box::new(link.hello().clone());
    let asked = hello.renew;
    let (sender, mut receiver) = link.split();
    let up = News::Up(sender.clone(), hello);
    if happenings.send(Happened::Link(up)).is_err() {
        return String::new();
    }
    let mut renewing = false;
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            incoming = receiver.next() => {
                let incoming = match incoming {
                    Ok(Some(incoming)) => incoming,
                    Ok(None) => return "the master closed the connection".to_owned(),
                    Err(error) => return error.to_string(),
                };
                let (taken, wait) = oneshot::channel();
                let news = News::Incoming(incoming, taken);
                if happenings.send(Happened::Link(news)).is_err() {
                    return String::new();
                }
                // It is dropped, never sent.
                let _ = wait.await;
            }
            command = commands.recv() => match (command, &identity) {
                (Some(Command::Again), _) => return "it does not take what it is told".to_owned(),
                (Some(Command::Renewed(certificate, authorities)), Some(identity)) => {
                    renewing = false;
                    match identity.renewed(&certificate, &authorities) {
                        Ok(_) => return "the certificate was renewed".to_owned(),
                        Err(error) => say(&format!("the renewed certificate is not taken: {error}")),
                    }
                }
                (Some(Command::Renewed(..)), None) => {}
                (None, _) => return String::new(),
            },
            _ = look.tick() => {
                let Some(identity) = identity.as_ref().filter(|_| !renewing) else { continue };
                if asked || identity.renewal_due() {
                    renewing = true;
                    match identity.request() {
                        // A link that is over says so by itself.
                        Ok(request) => drop(sender.try_send(&FromAgent::Renew(request))),
                        Err(error) => say(&format!("no request for renewal: {error}")),
                    }
                }
            }
        }
    }
}

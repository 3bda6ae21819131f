//! Where nodes connect to their agent: a socket for each node in its run folder, and one for those that
//! were started by hand.
//!
//! A node proves who it is by its user, asked of the system, and by what it answers to `status`: the
//! start key it was given. One that was started by hand has none: it is the process that the system
//! names, held by a pidfd before it is asked, so that an answer proves that the pidfd is that process.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::{UnixListener, UnixStream};
use welkin_codec::control::{Answer, Ask, Status};

use super::client::{Client, Closed};

/// How long the first status may take.
const FIRST: Duration = Duration::from_secs(10);
/// Between two tries to accept when the system has no descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// A node that is connected.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub client: Client,
    /// Its end.
    pub closed: Closed,
    /// What it said first.
    pub status: Box<Status>,
    /// Its process, as the system says.
    pub pid: Option<u32>,
    /// Held for it, if that could be done.
    pub pidfd: Option<OwnedFd>,
}

/// Who connected.
#[derive(Debug)]
pub enum Greeted {
    /// A node.
    Node(Box<Connected>),
    /// Somebody who may, and who wants the agent to end.
    End(Client),
}

/// Binds a socket that only `owner` (user and group; none: the agent) may use, in place of one that an
/// agent before left there.
pub fn bind(path: &Path, owner: Option<(u32, u32)>) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Until here the folder's mode kept others out, or the peer's user is asked for below.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    if let Some((user, group)) = owner {
        std::os::unix::fs::lchown(path, Some(user), Some(group))?;
    }
    Ok(listener)
}

/// Accepts for ever.
pub async fn accept(listener: UnixListener, mut take: impl FnMut(UnixStream)) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => take(stream),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Greets who connected; `trusted` are the users that may, the agent's `own` among them.
pub async fn greet(stream: UnixStream, own: u32, trusted: &[u32]) -> Result<Greeted, String> {
    let peer = stream.peer_cred().map_err(|error| error.to_string())?;
    if !trusted.contains(&peer.uid()) {
        return Err(format!(
            "user {} is refused at the agent's socket",
            peer.uid()
        ));
    }
    let pid = peer.pid();
    let pidfd = pid
        .and_then(Pid::from_raw)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let (client, closed) = Client::new(stream);
    match client.ask(Ask::Status, FIRST).await? {
        Answer::Status(status) => Ok(Greeted::Node(Box::new(Connected {
            client,
            closed,
            status,
            pid: pid.and_then(|pid| u32::try_from(pid).ok()),
            pidfd,
        }))),
        Answer::Stop { .. } if [0, own].contains(&peer.uid()) => Ok(Greeted::End(client)),
        _ => Err("the first answer is no status".to_owned()),
    }
}

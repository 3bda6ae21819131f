//! The node's side of the control socket; what is said on it: `welkin_codec::control`.
//!
//! The file belongs to the node's user alone (mode 0600), and each peer's user is asked of the system:
//! it must be the node's own, or root, who could be that user anyway. A file that a dead node has left
//! is replaced; one behind which somebody answers is a failed boot. Both are decided under a lock of the
//! folder, so that of two nodes started at once one wins.
//!
//! One thread accepts; each client has one of its own, as they are few ([`CLIENTS_MAX`], beyond it the
//! one that has been silent longest goes), and a slow one holds up only itself.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use welkin_codec::control::{Answer, Ask, Lines, Mistake, REQUEST_MAX, Request};

use super::{Control, Stop};
use crate::failure::{CONFIG, FAILED, Failure};
use crate::os::{peer, process, signal};

/// Connections at a time.
const CLIENTS_MAX: usize = 16;
/// How long one answer may take to be taken by its client.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long a client may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Between two tries to accept when the system has no descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long another node may take to look at its own file in the same folder.
const FOLDER_LIMIT: Duration = Duration::from_secs(2);

/// The file of a control socket, which goes with this value.
#[derive(Debug)]
pub struct Claim {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Claim {
    /// Makes the socket.
    pub fn take(path: &Path) -> Result<Claim, Failure> {
        let shown = path.display();
        let failed = |error: io::Error| {
            Failure::new(
                CONFIG,
                format_args!(
                    "cannot make the control socket {shown}: {error}. Make its folder, or correct the config key welkin_control"
                ),
            )
        };
        // The lock goes with the file, at the end of this function.
        let _folder = lock_folder(path).map_err(failed)?;
        clear(path)?;
        // Under another name first, so that the file never has a wrong mode under its own.
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => failed(io::Error::other(
                "its path is longer than the system allows for a socket (about 100 bytes)",
            )),
            _ => failed(error),
        })?;
        let placed = fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&fresh, path))
            .and_then(|()| fs::symlink_metadata(path));
        match placed {
            Ok(file) => Ok(Claim {
                listener,
                path: path.to_owned(),
                inode: file.ino(),
            }),
            Err(error) => {
                let _ = fs::remove_file(&fresh);
                Err(failed(error))
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Somebody may have put another in its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks the folder that holds `path`.
fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder)?;
    let until = Instant::now() + FOLDER_LIMIT;
    // Held for moments only; a folder that somebody else locks for long is no reason to stop.
    while process::lock(&folder).is_err() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(folder)
}

/// Takes away what a dead node has left.
fn clear(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let Ok(file) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !file.file_type().is_socket() {
        return Err(Failure::new(
            CONFIG,
            format_args!(
                "the control socket {shown} cannot be made, as there is a file of that name which is no socket: remove it, or correct the config key welkin_control"
            ),
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Failure::new(
            FAILED,
            format_args!(
                "another node answers on the control socket {shown}: stop it first (welkin stop {shown}), or give this node another path in the config key welkin_control"
            ),
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // The new one takes the name; if this fails, so does that, with a reason.
            let _ = fs::remove_file(path);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(
            FAILED,
            format_args!(
                "cannot tell whether a node answers on the control socket {shown}: {error}. Remove the file if there is none, or correct the config key welkin_control"
            ),
        )),
    }
}

/// The connections that are open, for who accepts.
#[derive(Default)]
struct Clients(Mutex<Vec<Client>>);

struct Client {
    number: u64,
    stream: UnixStream,
    /// When it last asked something; `None`: it waits for an answer.
    silent_since: Option<Instant>,
}

impl Clients {
    /// Makes room, and adds one. `None`: there is no room.
    fn add(&self, number: u64, stream: &UnixStream) -> Option<()> {
        let mut clients = self.0.lock();
        if clients.len() >= CLIENTS_MAX {
            let silent = clients.iter().filter(|c| c.silent_since.is_some());
            let longest = silent.min_by_key(|c| c.silent_since)?.number;
            let at = clients.iter().position(|c| c.number == longest)?;
            // Its thread hears of that by the end of its stream.
            let _ = clients[at].stream.shutdown(std::net::Shutdown::Both);
            clients.remove(at);
        }
        clients.push(Client {
            number,
            stream: stream.try_clone().ok()?,
            silent_since: Some(Instant::now()),
        });
        Some(())
    }

    fn set_silent(&self, number: u64, silent: bool) {
        let mut clients = self.0.lock();
        if let Some(client) = clients.iter_mut().find(|c| c.number == number) {
            client.silent_since = silent.then(Instant::now);
        }
    }

    fn remove(&self, number: u64) {
        self.0.lock().retain(|client| client.number != number);
    }
}

impl Control {
    /// Answers on the socket from now on.
    pub fn serve(self: &Arc<Self>, claim: Claim) -> io::Result<()> {
        let listener = claim.listener.try_clone()?;
        *self.claim.lock() = Some(claim);
        let control = Arc::clone(self);
        let accepting = thread::Builder::new().name("control".to_owned());
        accepting.spawn(move || control.accept(&listener))?;
        Ok(())
    }

    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        let clients = Arc::new(Clients::default());
        for number in 0.. {
            match listener.accept() {
                Ok((stream, _)) => self.welcome(&clients, number, stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    }

    /// A connection that cannot be served is closed.
    fn welcome(self: &Arc<Self>, clients: &Arc<Clients>, number: u64, stream: UnixStream) {
        let limits = stream
            .set_read_timeout(Some(SILENCE_LIMIT))
            .and_then(|()| stream.set_write_timeout(Some(WRITE_LIMIT)));
        let own = process::user();
        match peer::user_of(&stream) {
            Ok(user) if limits.is_ok() && (user == own || user == 0) => {}
            Ok(user) if limits.is_ok() => {
                self.say(format!(
                    "error: the user {user} was refused at the control socket, which is for user {own}"
                ));
                return;
            }
            _ => return,
        }
        if clients.add(number, &stream).is_none() {
            return;
        }
        let (control, there) = (Arc::clone(self), Arc::clone(clients));
        let attends = thread::Builder::new().name("control-client".to_owned());
        let attends = attends.spawn(move || {
            // A connection that fails is over; who asked sees that.
            let _ = control.attend(&there, number, stream);
            there.remove(number);
        });
        if attends.is_err() {
            clients.remove(number);
        }
    }

    fn attend(
        self: &Arc<Self>,
        clients: &Clients,
        number: u64,
        mut stream: UnixStream,
    ) -> io::Result<()> {
        let mut lines = Lines::new(REQUEST_MAX);
        let mut part = [0; REQUEST_MAX];
        loop {
            while let Some(line) = lines.next_line() {
                let request = match line {
                    Ok(line) => Request::parse(line),
                    Err(_) => Err(Mistake::Garbage(format!(
                        "a line has at most {REQUEST_MAX} bytes"
                    ))),
                };
                clients.set_silent(number, false);
                match request {
                    Ok(request) => self.answer(request, &mut stream)?,
                    Err(Mistake::Unknown { id, text }) => {
                        stream.write_all(&Answer::Refused(text).line(id))?;
                    }
                    Err(Mistake::Garbage(text)) => {
                        return stream.write_all(&Answer::Refused(text).line(None));
                    }
                }
                clients.set_silent(number, true);
            }
            match stream.read(&mut part)? {
                0 => return Ok(()),
                count => lines.feed(&part[..count]),
            }
        }
    }

    fn answer(self: &Arc<Self>, request: Request, stream: &mut UnixStream) -> io::Result<()> {
        let answer = match request.ask {
            Ask::Status => Answer::Status(Box::new(self.report())),
            Ask::Stop => return self.answer_stop(request.id, stream),
            Ask::Drain { off: false } => Answer::Drain {
                unfinished: self.drain(),
                draining: true,
            },
            Ask::Drain { off: true } => match self.undrain() {
                true => Answer::Drain {
                    draining: false,
                    unfinished: Vec::new(),
                },
                false => Answer::Refused("the node ends, it cannot be ready again".to_owned()),
            },
        };
        stream.write_all(&answer.line(request.id))
    }

    fn answer_stop(self: &Arc<Self>, id: Option<u64>, stream: &mut UnixStream) -> io::Result<()> {
        // Before the stop, which may be over before this thread is asked again.
        self.count_waiting(true);
        let stop = self.stop();
        let first = Answer::Stop {
            pid: std::process::id(),
            drains: stop != Stop::Plain,
            exit_ms: self.exit.as_millis() as u64,
        };
        let said = stream.write_all(&first.line(id));
        if stop == Stop::Plain {
            // Also when nobody hears it: it was asked for.
            self.end_by(signal::TERMINATE);
        }
        let (status, unfinished) = self.wait_for_end();
        let said =
            said.and_then(|()| stream.write_all(&Answer::End { status, unfinished }.line(id)));
        self.count_waiting(false);
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for the test of this name.
    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("welkin-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_claim_is_private_and_goes_with_its_value() {
        let folder = folder("claim");
        let path = folder.join("c.sock");
        let claim = Claim::take(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = Claim::take(&path).unwrap_err();
        assert_eq!(second.status, FAILED);
        assert!(
            second.to_string().contains("another node answers"),
            "{second}"
        );
        drop(claim);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_dead_node_left_is_replaced_and_no_other_file_is() {
        let folder = folder("stale");
        let path = folder.join("c.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Claim::take(&path).unwrap());
        fs::write(&path, "mine").unwrap();
        assert_eq!(Claim::take(&path).unwrap_err().status, CONFIG);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let missing = Claim::take(&folder.join("no/c.sock")).unwrap_err();
        assert_eq!(missing.status, CONFIG);
        let long = Claim::take(&folder.join("x".repeat(120))).unwrap_err();
        assert!(
            long.to_string().contains("longer than the system allows"),
            "{long}"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn of_too_many_clients_the_one_silent_longest_goes() {
        let clients = Clients::default();
        let pair = || UnixStream::pair().unwrap();
        let pairs: Vec<_> = (0..CLIENTS_MAX as u64 + 1).map(|_| pair()).collect();
        for (number, pair) in (0..).zip(&pairs[..CLIENTS_MAX]) {
            clients.add(number, &pair.0).unwrap();
        }
        clients.set_silent(0, false);
        clients.set_silent(2, true);
        clients
            .add(CLIENTS_MAX as u64, &pairs[CLIENTS_MAX].0)
            .unwrap();
        let mut byte = [0];
        assert_eq!(
            (&pairs[1].1).read(&mut byte).unwrap(),
            0,
            "the second was closed"
        );
        for number in 0..=CLIENTS_MAX as u64 {
            clients.set_silent(number, false);
        }
        assert!(clients.add(99, &pair().0).is_none(), "all wait for answers");
    }
}

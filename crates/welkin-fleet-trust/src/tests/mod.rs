//! A master and those who come to it, over real sockets.

mod admission;
mod browsers;
mod enrolment;
mod links;
mod rotation;
mod strangers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use welkin_fleet_model::wire::Purpose;

use crate::authority::{Authority, Right};
use crate::certificate::LEAF_MS;
use crate::crypto::now_unix_ms;
use crate::error::LinkError;
use crate::gate::{Gate, GateOptions};
use crate::guard::Witness;
use crate::identity::{Identity, Newcomer};
use crate::link::{Limits, Link, connect};
use crate::records::MemoryRecords;
use crate::role::Role;

/// A folder of its own, gone with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("welkin-trust-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the master would log.
#[derive(Default)]
struct Notes {
    lines: Mutex<Vec<String>>,
    enrolments: Mutex<Vec<String>>,
}

impl Witness for Notes {
    fn log(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }

    fn enrolment(&self, name: &str, role: &str, _: &str, by: &str, result: Result<&str, &str>) {
        let came = if result.is_ok() { "in" } else { "out" };
        let line = format!("{name} {role} {by} {came}");
        self.enrolments.lock().unwrap().push(line);
    }
}

/// A master that listens, and a place for files.
struct World {
    folder: Folder,
    authority: Arc<Authority>,
    gate: Arc<Gate>,
    notes: Arc<Notes>,
    address: SocketAddr,
    links: mpsc::Receiver<Link>,
    limits: Limits,
}

impl World {
    async fn new(options: GateOptions) -> Self {
        let folder = Folder::new();
        let records = Arc::new(MemoryRecords::default());
        let authority = Authority::open(&folder.path().join("master"), records).unwrap();
        let notes = Arc::new(Notes::default());
        let limits = options.limits.clone();
        let gate = Gate::new(authority.clone(), notes.clone(), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, links) = mpsc::channel(8);
        let serving = gate.clone();
        tokio::spawn(async move { serving.serve(listener, sender).await });
        Self {
            folder,
            authority,
            gate,
            notes,
            address,
            links,
            limits,
        }
    }

    fn master(&self) -> String {
        self.address.to_string()
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Somebody with a certificate, enrolled now.
    fn enrolled(&self, name: &str, role: Role) -> Identity {
        self.enrolled_at(name, role, now_unix_ms(), LEAF_MS)
    }

    /// The same at a time of choice, with a certificate of a life of choice.
    fn enrolled_at(&self, name: &str, role: Role, now: u64, life_ms: u64) -> Identity {
        let ttl = Duration::from_secs(60);
        let token = self.authority.token(name, role, ttl, false).unwrap();
        let newcomer = Newcomer::open(&self.place(name)).unwrap();
        let request = newcomer.request().unwrap();
        let right = Right::Token(&token.secret());
        let issued = self
            .authority
            .enrol_at(right, &request, now, life_ms)
            .unwrap();
        newcomer
            .enrolled(&issued.certificate, &issued.authorities)
            .unwrap()
    }

    /// Both ends of a new link.
    async fn link(&mut self, identity: &Identity, purpose: Purpose) -> (Link, Link) {
        let theirs = self.connect(identity, purpose).await.unwrap();
        (self.links.recv().await.unwrap(), theirs)
    }

    async fn connect(&self, identity: &Identity, purpose: Purpose) -> Result<Link, LinkError> {
        connect(&self.master(), identity, purpose, &self.limits).await
    }

    /// Waits for a line of the log that has all the words.
    async fn logged(&self, words: &[&str]) -> String {
        let find = || {
            let lines = self.notes.lines.lock().unwrap();
            let mut lines = lines.iter();
            lines
                .find(|line| words.iter().all(|word| line.contains(word)))
                .cloned()
        };
        for _ in 0..4_000 {
            if let Some(line) = find() {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{words:?} is not in {:?}", self.notes.lines.lock().unwrap())
    }
}

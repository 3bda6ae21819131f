//! A master in a folder of its own, and clients of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use welkin_fleet_model::wire::Purpose;
use welkin_fleet_model::wire::client::{Command, FromMaster, Options, Outcome, ToMaster};
use welkin_fleet_trust::{Incoming, Limits, Link, Receiver, Sender, connect_local};

/// See the file.
pub struct House {
    pub dir: PathBuf,
    /// All of it, to be removed.
    home: PathBuf,
    pub port: u16,
    master: Option<JoinHandle<u8>>,
}

impl House {
    /// A folder, and a master in it.
    pub async fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("wk-{name}-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let mut house = Self {
            home: dir.clone(),
            dir,
            port: free_port(),
            master: None,
        };
        house.start().await;
        house
    }

    pub async fn start(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let words = ["--listen", &listen, "--http", "off", "--dir"].map(OsString::from);
        let mut words = words.to_vec();
        words.push(self.dir.clone().into());
        let socket = self.dir.join("fleet.sock");
        self.master = Some(std::thread::spawn(move || welkin_fleet_master::run(&words)));
        for _ in 0..2000 {
            if tokio::net::UnixStream::connect(&socket).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the master does not come up");
    }

    pub async fn end(&mut self) {
        let mut client = self.client().await;
        client.run(Command::End).await;
        let master = self.master.take().expect("a master");
        let status = tokio::task::spawn_blocking(move || master.join())
            .await
            .expect("joined");
        assert_eq!(status.expect("no panic"), 0);
    }

    pub async fn client(&self) -> Client {
        let socket = self.dir.join("fleet.sock");
        let link = connect_local(&socket, Purpose::Client, None, &Limits::default()).await;
        Client::new(link.expect("the local socket"))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Somebody who gives commands.
pub struct Client {
    pub sender: Sender,
    receiver: Receiver,
    next: u64,
    /// What came as stream of the last call.
    pub stream: Vec<u8>,
}

impl Client {
    pub fn new(link: Link) -> Self {
        let (sender, receiver) = link.split();
        Self {
            sender,
            receiver,
            next: 1,
            stream: Vec::new(),
        }
    }

    pub async fn run(&mut self, command: Command) -> Outcome {
        self.run_with(command, &[]).await
    }

    /// With something that is uploaded.
    pub async fn run_with(&mut self, command: Command, upload: &[u8]) -> Outcome {
        let id = self.next;
        self.next += 1;
        self.stream.clear();
        let call = ToMaster::Call {
            id,
            command: Box::new(command),
            options: Options::default(),
        };
        self.sender.send(&call).await.expect("sent");
        if !upload.is_empty() {
            for piece in upload.chunks(1000) {
                self.sender.piece(id, piece).await.expect("sent");
            }
            self.sender.end(id, "").await.expect("sent");
        }
        self.outcome(id).await
    }

    async fn outcome(&mut self, id: u64) -> Outcome {
        loop {
            let incoming =
                tokio::time::timeout(Duration::from_secs(120), self.receiver.next()).await;
            match incoming
                .expect("in time")
                .expect("a link")
                .expect("not closed")
            {
                Incoming::Piece { data, .. } => self.stream.extend(data),
                Incoming::End { failure, .. } => assert_eq!(failure, ""),
                message => match message.parse::<FromMaster>().expect("a message") {
                    FromMaster::Done { id: of, outcome } if of == id => return *outcome,
                    _ => {}
                },
            }
        }
    }
}

/// A fleet of one machine.
pub const FILE: &str = "[fleet]\nname = \"game\"\n[update]\nwatch = \"100ms\"\n[machine.m1]\n\
    [node.a]\nmachine = \"m1\"\nconfig = \"a\"\n[node.b]\nmachine = \"m1\"\nconfig = \"b\"\n";

pub fn apply(file: &str) -> Command {
    Command::Apply {
        file: file.to_owned(),
        cluster: None,
        dry_run: false,
        restart: false,
    }
}

pub fn start(node: &str) -> Command {
    Command::Start {
        sel: vec![node.to_owned()],
        no_wait: false,
        force: false,
    }
}

pub fn result(outcome: &Outcome, row: usize) -> &str {
    outcome.rows[row]["result"].as_str().expect("text")
}

pub fn audit() -> Command {
    Command::Audit {
        since_unix_ms: None,
        node: None,
        verify: false,
        logged: Vec::new(),
    }
}

/// Until an agent is there.
pub async fn connected(client: &mut Client) {
    for _ in 0..2000 {
        let machines = client.run(Command::Machines).await;
        if machines.rows.iter().any(|row| row["connected"] == true) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the agent is not seen");
}

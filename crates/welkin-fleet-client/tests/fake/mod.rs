//! A master that knows nothing and answers what a test tells it, behind the real door of masters: the
//! client under test talks to a real local socket or real TLS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use welkin_fleet_model::wire::client::{Command, FromMaster, Options, Outcome, ToMaster};
use welkin_fleet_trust::{
    Authority, Gate, GateOptions, Incoming, Link, MemoryRecords, Role, Sender, Witness,
};

/// What a call gets.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// First, lines of progress.
    pub progress: Vec<String>,
    /// Then the call's stream, if it has one.
    pub stream: Vec<Vec<u8>>,
    /// The text at the stream's end.
    pub failure: String,
    /// Then this; none: nothing ever.
    pub outcome: Option<Outcome>,
}

impl Answer {
    /// Only an outcome.
    pub fn of(outcome: Outcome) -> Self {
        Self {
            outcome: Some(outcome),
            ..Self::default()
        }
    }
}

type Script = Arc<dyn Fn(&Command) -> Answer + Send + Sync>;

/// What the fake has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Commands, in the order of arrival.
    pub calls: Vec<(Command, Options)>,
    /// Bytes that were uploaded, by call.
    pub uploads: BTreeMap<u64, Vec<u8>>,
}

/// The fake master. Its folder goes with it.
pub struct Fake {
    /// Its folder, with `fleet.sock`.
    pub folder: PathBuf,
    /// Where it listens for TLS.
    pub address: SocketAddr,
    /// What it has seen.
    pub seen: Arc<Mutex<Seen>>,
    /// Calls that were given up.
    pub forgotten: std::sync::mpsc::Receiver<u64>,
    authority: Arc<Authority>,
    _runtime: Runtime,
}

struct Quiet;

impl Witness for Quiet {
    fn log(&self, _: &str) {}
}

impl Fake {
    /// Starts one that answers by `script`.
    pub fn start(name: &str, script: impl Fn(&Command) -> Answer + Send + Sync + 'static) -> Fake {
        let folder = std::env::temp_dir().join(format!("wkc-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let runtime = Runtime::new().unwrap();
        let authority = Authority::open(&folder, Arc::new(MemoryRecords::default())).unwrap();
        let gate = Gate::new(authority.clone(), Arc::new(Quiet), GateOptions::default());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (links, mut linked) = mpsc::channel::<Link>(8);
        let (local, remote) = runtime.block_on(async {
            let local = UnixListener::bind(folder.join("fleet.sock")).unwrap();
            (local, TcpListener::bind("127.0.0.1:0").await.unwrap())
        });
        let address = remote.local_addr().unwrap();
        let (door, to) = (gate.clone(), links.clone());
        runtime.spawn(async move { door.serve(remote, to).await });
        runtime.spawn(async move { gate.serve_local(local, links).await });
        let (script, noted): (Script, _) = (Arc::new(script), seen.clone());
        let (forgets, forgotten) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            while let Some(link) = linked.recv().await {
                tokio::spawn(serve(link, script.clone(), noted.clone(), forgets.clone()));
            }
        });
        Fake {
            folder,
            address,
            seen,
            forgotten,
            authority,
            _runtime: runtime,
        }
    }

    /// A token, in a file.
    pub fn token(&self, name: &str, role: Role) -> PathBuf {
        let token = self
            .authority
            .token(name, role, Duration::from_secs(60), false)
            .unwrap();
        let path = self.folder.join("token");
        std::fs::write(&path, format!("{token}\n")).unwrap();
        path
    }

    /// Ends what `name` was enrolled with.
    pub fn revoke(&self, name: &str) {
        self.authority.revoke(name).unwrap();
    }

    /// Runs the client on the local socket, and waits for its end.
    pub fn run(&self, line: &str) -> Ran {
        let folder = self.folder.display();
        run(&self.folder, &format!("--dir {folder} {line}"))
    }

    /// Starts the client on the local socket.
    pub fn spawn(&self, line: &str) -> Child {
        let folder = self.folder.display();
        process(&self.folder, &format!("--dir {folder} {line}"))
            .spawn()
            .unwrap()
    }

    /// The commands so far.
    pub fn calls(&self) -> Vec<Command> {
        let seen = self.seen.lock().unwrap();
        seen.calls
            .iter()
            .map(|(command, _)| command.clone())
            .collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// How the client ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the client with the words of a line, in a folder that is also its home.
pub fn run(folder: &Path, line: &str) -> Ran {
    process(folder, line).output().unwrap().into()
}

fn process(folder: &Path, line: &str) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_wk-client"));
    process
        .args(line.split_whitespace())
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("WELKIN_FLEET_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    process
}

async fn serve(
    link: Link,
    script: Script,
    seen: Arc<Mutex<Seen>>,
    forgets: std::sync::mpsc::Sender<u64>,
) {
    let (sender, mut receiver) = link.split();
    while let Ok(Some(incoming)) = receiver.next().await {
        match &incoming {
            Incoming::Piece { stream, data } => {
                let mut seen = seen.lock().unwrap();
                seen.uploads
                    .entry(*stream)
                    .or_default()
                    .extend_from_slice(data);
            }
            // An upload is answered at its end, anything else at once.
            Incoming::End { stream, failure } => {
                assert_eq!(failure, "");
                let call = seen
                    .lock()
                    .unwrap()
                    .calls
                    .last()
                    .map(|(command, _)| command.clone());
                answer(&sender, *stream, script(&call.unwrap())).await;
            }
            Incoming::Message(_) => match incoming.parse().unwrap() {
                ToMaster::Call {
                    id,
                    command,
                    options,
                } => {
                    let uploads = matches!(*command, Command::Update { release: None, .. });
                    seen.lock()
                        .unwrap()
                        .calls
                        .push(((*command).clone(), options));
                    if !uploads {
                        answer(&sender, id, script(&command)).await;
                    }
                }
                ToMaster::Forget { id } => forgets.send(id).unwrap(),
                ToMaster::Renew(_) => {}
            },
        }
    }
}

async fn answer(sender: &Sender, id: u64, answer: Answer) {
    for text in answer.progress {
        let _ = sender.send(&FromMaster::Progress { id, text }).await;
    }
    let streams = !answer.stream.is_empty() || !answer.failure.is_empty();
    for data in answer.stream {
        let _ = sender.piece(id, &data).await;
    }
    if streams {
        let _ = sender.end(id, &answer.failure).await;
    }
    if let Some(outcome) = answer.outcome {
        let _ = sender
            .send(&FromMaster::Done {
                id,
                outcome: Box::new(outcome),
            })
            .await;
    }
}

//! The process `welkin fleet keeper FOLDER`: internal, started by [`crate::agent::spawn`] alone.
//!
//! It leaves the agent's process tree, hears over its standard input what to do and gets the lock there,
//! starts the node (or takes one over), and from then on waits for four things: output, an end, a question,
//! and, while something could not be written, the next try. It ends when the node has ended and that is on
//! disk or was told to an agent that asked.
//!
//! It is one thread and takes little memory, for there is one for each node and nothing of it may fail
//! while the node runs: no lock is waited for, no buffer grows by what others send.

mod node;
pub mod output;
mod server;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::agent::{Began, Begin};
use crate::lines::Lines;
use crate::os;
use crate::process::now_unix_ms;
use crate::protocol::{Answer, Ask, PROTOCOL, Running, Who};
use crate::start::{self, NODE, SOCKET, START, STATUS, Start};
use crate::status::{Exit, Status};
use node::{End, Node};
use output::Output;
use server::{Client, Server};

/// What the process shows itself as.
const NAME: &std::ffi::CStr = c"wk-keeper";
/// Output that is taken in one go.
const CHUNK: usize = 64 << 10;
/// Output that is taken before something else is looked at.
const CHUNKS_MAX: usize = 16;
/// What the pipe may hold while the disk makes us wait; the kernel may allow less.
const PIPE_BYTES: usize = 1 << 20;
/// Next try to write what could not be written.
const RETRY: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Runs a keeper. The exit status: 0 also when the node ended badly; 1: nothing was started; 2: wrong use.
pub fn run(arguments: &[OsString]) -> u8 {
    let [folder] = arguments else {
        eprintln!("welkin fleet keeper is started by the agent, with its run folder");
        return 2;
    };
    os::close_from(3);
    begin_small(folder);
    let stream = match starting_line() {
        Ok(stream) => stream,
        Err(error) => {
            eprintln!("welkin fleet keeper is started by the agent: {error}");
            return 2;
        }
    };
    if let Err(error) = os::detach() {
        return refuse(&stream, &error.to_string());
    }
    let mut lines = Lines::default();
    match begin(Path::new(folder), &mut lines, &stream) {
        Ok(mut keeper) => {
            // An agent that has died does not hear it; the keeper goes on.
            let _ = lines.send(stream.as_fd(), &Began::Running, &[]);
            keeper.greet(stream);
            keeper.keep();
            0
        }
        Err(Began::Exec(text)) => {
            let _ = lines.send(stream.as_fd(), &Began::Exec(text), &[]);
            1
        }
        Err(other) => {
            let _ = lines.send(stream.as_fd(), &other, &[]);
            1
        }
    }
}

/// Begins the program anew without huge pages, which the allocator has touched before anybody could ask it
/// not to. Where that cannot be had the keeper is only larger.
fn begin_small(folder: &OsStr) {
    if os::huge_pages() && os::allow_huge_pages(false) {
        let _failed = Command::new("/proc/self/exe")
            .arg0("wk-keeper")
            .args(["fleet", "keeper"])
            .arg(folder)
            .exec();
    }
}

fn refuse(stream: &UnixStream, why: &str) -> u8 {
    let failed = Began::Failed(why.to_owned());
    let _ = Lines::default().send(stream.as_fd(), &failed, &[]);
    1
}

/// The socket that is our standard input; the streams lead nowhere afterwards.
fn starting_line() -> io::Result<UnixStream> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.peer_addr()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(stream)
}

impl From<io::Error> for Began {
    fn from(error: io::Error) -> Self {
        Began::Failed(error.to_string())
    }
}

/// From the starting line to a running node.
fn begin(folder: &Path, lines: &mut Lines, stream: &UnixStream) -> Result<Keeper, Began> {
    let _ = rustix::thread::set_name(NAME);
    let _ = rustix::process::setsid();
    env::set_current_dir(folder)?;
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).map_err(io::Error::from)?;
    let children = os::deafen()?;
    let order = loop {
        if let Some(line) = lines.line()? {
            break serde_json::from_slice::<Begin>(&line).map_err(io::Error::from)?;
        }
        // The agent has died before the order was given: nothing happens.
        if !lines.receive(stream.as_fd())? && lines.over() {
            return Err(Began::Failed("no order".to_owned()));
        }
    };
    let mut fds = lines.take_fds().into_iter();
    let lock = fds.next().ok_or_else(|| missing("a descriptor"))?;
    let here = Path::new(".");
    let start: Start = start::read(here, START)?.ok_or_else(|| missing(START))?;
    let (Begin::Start(key) | Begin::TakeOver { key, .. }) = &order;
    if start.key != *key {
        return Err(Began::Failed("start.json is of another start".to_owned()));
    }
    let (node, pipe) = match order {
        Begin::Start(_) => {
            let _ = fs::remove_file(STATUS);
            let _ = fs::remove_file(NODE);
            let (ours, theirs) = io::pipe()?;
            let _ = rustix::pipe::fcntl_setpipe_size(&ours, PIPE_BYTES);
            match Node::start(&start, &OwnedFd::from(theirs))? {
                Ok(node) => (node, Some(OwnedFd::from(ours))),
                Err(text) => return Err(not_run(&start, text)),
            }
        }
        Begin::TakeOver { pid, .. } => {
            let pidfd = fds.next().ok_or_else(|| missing("a descriptor"))?;
            (Node::take_over(&start, pid, pidfd), fds.next())
        }
    };
    Keeper::new(start, lock, children, node, pipe)
}

/// The program could not be run: that is how this start ended, also for an agent that comes later.
fn not_run(start: &Start, text: String) -> Began {
    let status = Status {
        node: start.node.clone(),
        key: start.key.clone(),
        pid: 0,
        exit: Exit::Exec(text.clone()),
        ended_unix_ms: now_unix_ms(),
        memory_kills: 0,
        left: 0,
    };
    let _ = start::write(Path::new("."), STATUS, &status);
    Began::Exec(text)
}

struct Keeper {
    start: Start,
    _lock: OwnedFd,
    /// Readable when a child has changed.
    children: OwnedFd,
    node: Node,
    pipe: Option<OwnedFd>,
    output: Output,
    buffer: Vec<u8>,
    server: Server,
    ended: Option<Status>,
    /// The end is on disk, or an agent has asked for it.
    known: bool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Output,
    Child,
    Connection,
    Client(usize),
}

impl Keeper {
    fn new(
        start: Start,
        lock: OwnedFd,
        children: OwnedFd,
        node: Node,
        pipe: Option<OwnedFd>,
    ) -> Result<Self, Began> {
        if let Some(pipe) = &pipe {
            // Shared with the one who kept it for us: nobody else reads.
            rustix::io::ioctl_fionbio(pipe, true).map_err(io::Error::from)?;
        }
        let server = Server::open().inspect_err(|_| {
            // Nobody could ever ask about this node: better it does not run.
            let _ = node.kill();
        })?;
        Ok(Self {
            output: Output::new(&start.logs),
            start,
            _lock: lock,
            children,
            node,
            pipe,
            buffer: vec![0; CHUNK],
            server,
            ended: None,
            known: false,
        })
    }

    /// The one who started us is the first to talk to.
    fn greet(&mut self, stream: UnixStream) {
        self.server.add(stream);
        if let Some(client) = self.server.clients.last_mut() {
            tell_who(client, &self.start, &self.node, self.pipe.as_ref());
        }
    }

    /// Until the node has ended and that is known.
    fn keep(&mut self) {
        while !self.known {
            for ready in self.wait() {
                match ready {
                    Ready::Output => self.take_output(),
                    Ready::Child => self.reap(),
                    Ready::Connection => self.server.accept(),
                    Ready::Client(at) => self.serve(at),
                }
            }
            self.server.sweep();
            self.output.retry();
            if let Some(status) = &self.ended {
                self.known |= is_kept(start::write(Path::new("."), STATUS, status));
            }
        }
        let _ = fs::remove_file(SOCKET);
    }

    fn wait(&self) -> Vec<Ready> {
        let mut what = Vec::new();
        let mut fds = Vec::new();
        let mut watch = |ready, fd| {
            what.push(ready);
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        };
        if let Some(pipe) = &self.pipe {
            watch(Ready::Output, pipe.as_fd());
        }
        if self.ended.is_none() {
            let end = if self.node.taken_over {
                &self.node.pidfd
            } else {
                &self.children
            };
            watch(Ready::Child, end.as_fd());
        }
        if self.server.has_room() {
            watch(Ready::Connection, self.server.listener.as_fd());
        }
        for (at, client) in self.server.clients.iter().enumerate() {
            watch(Ready::Client(at), client.stream.as_fd());
        }
        let open_end = self.output.behind() || self.ended.is_some();
        match poll(&mut fds, open_end.then_some(&RETRY)) {
            Ok(_) => what
                .into_iter()
                .zip(&fds)
                .filter_map(|(ready, fd)| (!fd.revents().is_empty()).then_some(ready))
                .collect(),
            Err(_) => Vec::new(),
        }
    }

    fn take_output(&mut self) {
        for _ in 0..CHUNKS_MAX {
            let Some(pipe) = &self.pipe else {
                return;
            };
            match rustix::io::read(pipe, &mut self.buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => self.output.write(&self.buffer[..count]),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn reap(&mut self) {
        let mut told = [0; 1024];
        while rustix::io::read(&self.children, &mut told).is_ok_and(|count| count > 0) {}
        let Ok(Some(end)) = self.node.reap() else {
            return;
        };
        // What it wrote last is in the pipe.
        self.take_output();
        let End {
            exit,
            left,
            memory_kills,
        } = end;
        let status = Status {
            node: self.start.node.clone(),
            key: self.start.key.clone(),
            pid: self.node.pid,
            exit,
            ended_unix_ms: now_unix_ms(),
            memory_kills,
            left,
        };
        // On disk before it is told: an agent that hears it and dies finds it again.
        self.known |= is_kept(start::write(Path::new("."), STATUS, &status));
        self.server.tell(&Answer::Ended(status.clone()));
        self.ended = Some(status);
    }

    fn serve(&mut self, at: usize) {
        let Some(client) = self.server.clients.get_mut(at) else {
            return;
        };
        for ask in client.questions() {
            let answer = match ask {
                Ask::Who => {
                    tell_who(client, &self.start, &self.node, self.pipe.as_ref());
                    continue;
                }
                Ask::Status => match &self.ended {
                    Some(status) => {
                        self.known |= client.answer(&Answer::Ended(status.clone()), &[]);
                        continue;
                    }
                    None => Answer::Running(Running {
                        lost: self.output.lost(),
                    }),
                },
                Ask::ReopenLog => {
                    self.output.reopen();
                    Answer::Done
                }
                // A number of an ended node may be anybody's.
                Ask::Signal { .. } | Ask::Kill if self.ended.is_some() => Answer::Done,
                Ask::Signal { signal } => done(os::signal(self.node.pidfd.as_fd(), signal)),
                Ask::Kill => done(self.node.kill()),
            };
            client.answer(&answer, &[]);
        }
    }
}

fn done(result: io::Result<()>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Error(error.to_string()),
    }
}

fn tell_who(client: &mut Client, start: &Start, node: &Node, pipe: Option<&OwnedFd>) {
    let group = node.group.as_ref();
    let who = Who {
        protocol: PROTOCOL,
        keeper: std::process::id(),
        node: start.node.clone(),
        key: start.key.clone(),
        release: start.release.clone(),
        life: start.life,
        pid: node.pid,
        started_unix_ms: start.started_unix_ms,
        taken_over: node.taken_over,
        cgroup: group.map(|group| group.path.to_string_lossy().into_owned()),
        memory_enforced: group.is_some_and(|group| group.memory_enforced),
        cpu_enforced: group.is_some_and(|group| group.cpu_enforced),
        notes: node.notes.clone(),
    };
    let mut fds = vec![node.pidfd.as_fd()];
    fds.extend(pipe.map(AsFd::as_fd));
    client.answer(&Answer::Who(who), &fds);
}

/// Whether the end needs no more keeping here: it is on disk, or the run folder was removed, and with it
/// all who would ask.
fn is_kept(written: io::Result<()>) -> bool {
    written.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{what} is missing"))
}

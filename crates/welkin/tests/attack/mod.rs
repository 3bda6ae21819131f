//! What the attack tests share: a node with a listener of every kind, peers that break the rules as a
//! seed tells them, a peer that keeps them, and the counting of what is left behind.
//!
//! A test prints its seed; `WELKIN_SEED=<number>` runs it again with the same one.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::net::sockopt;

use crate::support::{Folder, Node, PATIENCE_S, root};

/// xorshift: the same numbers from the same seed.
#[derive(Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// `stream` tells apart the users of one seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mixed = (seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
        let mut numbers = Self(mixed);
        numbers.next();
        numbers
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to `limit` - 1.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// The seed of this run, printed so that a failure shows it.
pub fn seed() -> u64 {
    let given = std::env::var("WELKIN_SEED").ok();
    let seed = given.map_or_else(clock, |text| text.parse().expect("WELKIN_SEED is a number"));
    println!("WELKIN_SEED={seed}");
    seed
}

fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_nanos() as u64
}

/// How a listener wants its messages.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Framing {
    Line,
    /// 2 bytes of length.
    Short,
    /// 4 bytes of length.
    Long,
}

impl Framing {
    /// One message as its peer sends it, and as it comes back.
    pub fn message(self, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Framing::Line => {}
            Framing::Short => bytes.extend((body.len() as u16).to_be_bytes()),
            Framing::Long => bytes.extend((body.len() as u32).to_be_bytes()),
        }
        bytes.extend(body);
        if self == Framing::Line {
            bytes.push(b'\n');
        }
        bytes
    }
}

/// The kinds of listeners that echo, by the names that `server.lua` gives them.
pub const ECHOES: [(&str, Framing); 5] = [
    ("lines", Framing::Line),
    ("frames", Framing::Short),
    ("gate_short", Framing::Short),
    ("gate_long", Framing::Long),
    ("gate_lua", Framing::Short),
];

/// The other ones: nothing sensible comes back from them.
pub const OTHERS: [(&str, Framing); 2] = [("login", Framing::Line), ("messages", Framing::Short)];

/// A node that runs `server.lua`.
pub struct Server {
    pub node: Node,
    ports: BTreeMap<String, u16>,
    _folder: Folder,
}

impl Server {
    pub fn start() -> Self {
        let folder = Folder::new();
        let here = root().join("crates/welkin/tests/attack");
        let here = here.display();
        let config = format!("thread = 2 harbor = 0 start = 'server' luaservice = '{here}/?.lua'");
        folder.file("config", &config);
        let mut node = Node::start(folder.path(), &["config"]);
        let mut ports = BTreeMap::new();
        for line in node.wait_for("READY") {
            let mut words = line.split(' ').skip(1);
            if words.next() == Some("PORT") {
                let (kind, port) = (words.next(), words.next());
                let port = port.and_then(|port| port.parse().ok());
                ports.insert(kind.expect("a kind").to_owned(), port.expect("a port"));
            }
        }
        Self {
            node,
            ports,
            _folder: folder,
        }
    }

    pub fn port(&self, kind: &str) -> u16 {
        self.ports[kind]
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.node.id());
        fs::read_dir(folder).expect("the node runs").count()
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.node.id());
        let status = fs::read_to_string(status).expect("the node runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok())
            .expect("VmRSS is a number")
            * 1024
    }

    /// Resident memory when it has come to rest: what is freed late goes back meanwhile. In bytes.
    pub fn resident_at_rest(&self) -> u64 {
        const AT_REST: Duration = Duration::from_secs(3);
        const NOISE_BYTES: u64 = 64 << 10;
        let (mut last, mut since) = (self.resident(), Instant::now());
        wait_until(
            || {
                let now = self.resident();
                if now.abs_diff(last) > NOISE_BYTES {
                    (last, since) = (now, Instant::now());
                }
                since.elapsed() >= AT_REST
            },
            || "memory does not come to rest".to_owned(),
        );
        last
    }

    /// CPU time used so far, in hundredths of a second.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = format!("/proc/{}/stat", self.node.id());
        let stat = fs::read_to_string(stat).expect("the node runs");
        let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
        let mut times = fields.split_whitespace().skip(11);
        let mut next = || times.next().and_then(|time| time.parse::<u64>().ok());
        next().expect("user time") + next().expect("system time")
    }

    /// Waits until there are as many descriptors as before.
    pub fn await_descriptors(&self, before: usize) {
        wait_until(
            || self.descriptors() == before,
            || format!("{} descriptors, {before} before", self.descriptors()),
        );
    }

    /// Waits until memory is what it was before, and a tenth at most.
    pub fn await_memory(&self, before: u64) {
        let limit = before + before / 10;
        wait_until(
            || self.resident() <= limit,
            || format!("{} bytes resident, {before} before", self.resident()),
        );
        println!(
            "memory {} KiB, {} before",
            self.resident() >> 10,
            before >> 10
        );
    }
}

/// Waits for what nobody announces.
pub fn wait_until(mut reached: impl FnMut() -> bool, state: impl Fn() -> String) {
    let end = Instant::now() + Duration::from_secs(PATIENCE_S);
    while !reached() {
        assert!(Instant::now() < end, "{} after {PATIENCE_S} s", state());
        thread::sleep(Duration::from_millis(10));
    }
}

/// A connection with limits, so that a broken node fails a test and does not hang it.
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
    let limit = Some(Duration::from_secs(PATIENCE_S));
    stream.set_read_timeout(limit).expect("above zero");
    stream.set_write_timeout(limit).expect("above zero");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// Ends a connection with a reset.
pub fn reset(stream: TcpStream) {
    let now = Some(Duration::ZERO);
    sockopt::set_socket_linger(&stream, now).expect("a socket");
}

/// Sends one message and reads it back.
pub fn echo(stream: &mut TcpStream, framing: Framing, body: &[u8]) {
    let message = framing.message(body);
    stream.write_all(&message).expect("the node reads");
    let mut back = vec![0; message.len()];
    stream.read_exact(&mut back).expect("the node answers");
    assert!(back == message, "another message came back");
}

/// A peer that keeps to the rules on a listener while others do not. Its messages all come back, or it
/// panics; the time they took is printed.
pub struct Good {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Good {
    pub fn start(port: u16, framing: Framing) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut stream = connect(port);
        let thread = thread::spawn(move || {
            let mut times = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let begin = Instant::now();
                echo(&mut stream, framing, b"a message that is well formed");
                times.push(begin.elapsed());
                thread::sleep(Duration::from_millis(2));
            }
            times
        });
        Self { stop, thread }
    }

    pub fn finish(self, name: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.thread.join().expect("the good peer is served");
        times.sort_unstable();
        let (count, last) = (times.len(), times[times.len() - 1]);
        let p99 = times[(count - 1) * 99 / 100];
        println!("good peer of {name}: {count} echoes, 99 % within {p99:?}, all within {last:?}");
    }
}

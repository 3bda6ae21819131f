//! Nodes of a harbor network, and peers of it that the test plays itself, byte by byte.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Folder, Node, PATIENCE_S, root};

/// Beside the tenth that memory may grow by: what the allocator keeps for the next time, in bytes.
const SLACK_BYTES: u64 = 8 << 20;

/// A network: where its master listens, and a folder for the config files.
pub struct Network {
    pub master: u16,
    folder: Folder,
}

impl Network {
    pub fn new() -> Self {
        Self {
            master: free_port(),
            folder: Folder::new(),
        }
    }

    /// Starts node `id` with this program of `tests/harbor`. Node 1 has the master.
    pub fn start(&self, id: u8, program: &str, more: &str) -> Node {
        self.start_at(id, program, self.master, free_port(), more)
    }

    /// As `start`, with the address of its own port, and with another way to the master.
    pub fn start_at(&self, id: u8, program: &str, master: u16, port: u16, more: &str) -> Node {
        let here = root().join("crates/welkin/tests/harbor");
        let here = here.display();
        let mut config = format!(
            "thread = 2 harbor = {id} start = '{program}' luaservice = '{here}/?.lua'
             master = '127.0.0.1:{master}' address = '127.0.0.1:{port}' {more}\n"
        );
        if id == 1 {
            config += &format!("standalone = '127.0.0.1:{}'", self.master);
        }
        let name = format!("config{id}");
        self.folder.file(&name, &config);
        Node::start(self.folder.path(), &[&name])
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it is bound").port()
}

/// The number at the end of the line that says READY: the address of the hub.
pub fn hub_address(node: &mut Node) -> u32 {
    let lines = node.wait_for("READY ");
    let line = lines.last().expect("the line that was waited for");
    let number = line.rsplit(' ').next().expect("the line has words");
    number.parse().expect("an address")
}

/// A connection with limits, so that a broken node fails a test and does not hang it.
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
    limited(stream)
}

pub fn limited(stream: TcpStream) -> TcpStream {
    let limit = Some(Duration::from_secs(PATIENCE_S));
    stream.set_read_timeout(limit).expect("above zero");
    stream.set_write_timeout(limit).expect("above zero");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// A short text as `skynet.pack` has it.
pub fn text(text: &str) -> Vec<u8> {
    assert!(text.len() < 32, "longer ones look different");
    [&[(text.len() as u8) << 3 | 4], text.as_bytes()].concat()
}

/// A number from 1 to 127 as `skynet.pack` has it.
pub fn number(number: u8) -> Vec<u8> {
    vec![0x0a, number]
}

/// A package of the control connection.
pub fn package(values: &[Vec<u8>]) -> Vec<u8> {
    let body = values.concat();
    [&[body.len() as u8][..], &body].concat()
}

pub fn read_package(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0];
    stream.read_exact(&mut length).expect("a package");
    let mut body = vec![0; length[0].into()];
    stream.read_exact(&mut body).expect("a whole package");
    body
}

/// A frame of the data connection.
pub fn frame(message: &[u8], source: u32, kind: u8, to: u32, session: u32) -> Vec<u8> {
    let length = (message.len() + 12) as u32;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(message);
    bytes.extend(source.to_be_bytes());
    bytes.extend((u32::from(kind) << 24 | to & 0x00ff_ffff).to_be_bytes());
    bytes.extend(session.to_be_bytes());
    bytes
}

/// A peer of node 1 that has joined. Both connections are open, and node 1 waits for the id byte.
pub struct Peer {
    pub id: u8,
    pub control: TcpStream,
    pub link: TcpStream,
    /// Connections of other nodes, which never hear an id.
    others: Vec<TcpStream>,
}

impl Peer {
    pub fn join(network: &Network, id: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let mut control = connect(network.master);
        let hello = package(&[text("H"), number(id), text(&address)]);
        control.write_all(&hello).expect("the master reads");
        assert_eq!(read_package(&mut control)[..2], text("W"));
        let mut others = Vec::new();
        let link = loop {
            let (link, _) = listener.accept().expect("node 1 connects");
            let mut link = limited(link);
            let mut said = [0];
            link.read_exact(&mut said).expect("its id");
            if said == [1] {
                break link;
            }
            others.push(link);
        };
        Self {
            id,
            control,
            link,
            others,
        }
    }

    pub fn greet(&mut self) {
        self.link.write_all(&[self.id]).expect("node 1 reads");
    }

    pub fn source(&self) -> u32 {
        u32::from(self.id) << 24 | 0x10
    }

    /// Calls the hub, which must answer with the same.
    pub fn echo(&mut self, hub: u32, session: u32) {
        let body = [text("echo"), text("body of a message")].concat();
        let request = frame(&body, self.source(), 10, hub, session);
        self.link.write_all(&request).expect("node 1 reads");
        let expected = frame(&text("body of a message"), hub, 1, 0x10, session);
        assert_eq!(self.read(), expected);
    }

    /// The next frame.
    pub fn read(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.link.read_exact(&mut length).expect("a frame");
        let mut bytes = length.to_vec();
        bytes.resize(4 + u32::from_be_bytes(length) as usize, 0);
        self.link
            .read_exact(&mut bytes[4..])
            .expect("a whole frame");
        bytes
    }
}

/// Open descriptors of a node.
pub fn descriptors(node: &Node) -> usize {
    let folder = format!("/proc/{}/fd", node.id());
    fs::read_dir(folder).expect("the node runs").count()
}

/// Resident memory, in bytes.
pub fn resident(node: &Node) -> u64 {
    let status = format!("/proc/{}/status", node.id());
    let status = fs::read_to_string(status).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib = kib.and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("VmRSS is a number") * 1024
}

/// Waits until a node has as many descriptors, and as much memory, as before.
pub fn await_idle(node: &Node, before: (usize, u64)) {
    let limit = before.1 + before.1 / 10 + SLACK_BYTES;
    wait_until(
        || descriptors(node) == before.0 && resident(node) <= limit,
        || {
            let now = (descriptors(node), resident(node));
            format!("{now:?} descriptors and bytes, {before:?} before")
        },
    );
}

/// Waits for what nobody announces.
pub fn wait_until(mut reached: impl FnMut() -> bool, state: impl Fn() -> String) {
    let end = Instant::now() + Duration::from_secs(PATIENCE_S);
    while !reached() {
        assert!(Instant::now() < end, "{} after {PATIENCE_S} s", state());
        thread::sleep(Duration::from_millis(10));
    }
}

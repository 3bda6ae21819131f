//! What the tests of links between nodes share: a node that is called, one that calls as it is told, and
//! what the system says about them.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::attack::{connect, wait_until};
use crate::support::{Folder, Node, root};

/// What memory may grow by, in bytes: the allocator keeps some for the next time.
const SLACK_BYTES: u64 = 8 << 20;

/// A node of one of the programs here.
pub struct Peer {
    pub node: Node,
    pub port: u16,
    _folder: Folder,
}

impl Peer {
    /// A node that is called; port 0 is any.
    pub fn far(port: u16, config: &str) -> Self {
        Self::start("far", "PORT ", &format!("port = {port} {config}"))
    }

    fn start(program: &str, ready: &str, config: &str) -> Self {
        let folder = Folder::new();
        let here = root().join("crates/welkin/tests/cluster");
        let here = here.display();
        folder.file(
            "config",
            &format!(
                "thread = 2 harbor = 0 start = '{program}' luaservice = '{here}/?.lua' {config}"
            ),
        );
        let mut node = Node::start(folder.path(), &["config"]);
        let lines = node.wait_for(ready);
        let port = lines.last().and_then(|line| line.rsplit(' ').next());
        let port = port.and_then(|port| port.parse().ok());
        Self {
            node,
            port: port.expect("the line ends with the port"),
            _folder: folder,
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.node.id());
        fs::read_dir(folder).expect("the node runs").count()
    }

    /// Resident memory, in bytes; the most there ever was with `VmHWM`.
    pub fn memory(&self, which: &str) -> u64 {
        let status = format!("/proc/{}/status", self.node.id());
        let status = fs::read_to_string(status).expect("the node runs");
        let line = status.lines().find_map(|line| line.strip_prefix(which));
        let kib = line.and_then(|line| line.trim_start_matches(':').trim().strip_suffix(" kB"));
        let kib = kib.and_then(|kib| kib.parse::<u64>().ok());
        kib.expect("a number") * 1024
    }

    /// Waits until descriptors and memory are what they were.
    pub fn await_idle(&self, descriptors: usize, memory: u64) {
        wait_until(
            || self.descriptors() <= descriptors,
            || format!("{} descriptors, {descriptors} before", self.descriptors()),
        );
        let limit = memory + memory / 5 + SLACK_BYTES;
        wait_until(
            || self.memory("VmRSS") <= limit,
            || format!("{} bytes resident, {memory} before", self.memory("VmRSS")),
        );
    }
}

/// A node that calls `far`, and always `near`.
pub struct Caller {
    pub peer: Peer,
    control: BufReader<TcpStream>,
}

impl Caller {
    pub fn start(far: &str, near: &str, config: &str) -> Self {
        let config = format!("far = '{far}' near = '{near}' {config}");
        let peer = Peer::start("caller", "CONTROL ", &config);
        let control = BufReader::new(connect(peer.port));
        Self { peer, control }
    }

    pub fn tell(&mut self, line: &str) {
        let control = self.control.get_mut();
        writeln!(control, "{line}").expect("the caller reads");
    }

    pub fn answer(&mut self) -> String {
        let mut answer = String::new();
        self.control.read_line(&mut answer).expect("an answer");
        answer.trim_end().to_owned()
    }

    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }

    /// All calls to the other node were answered, and some more are.
    pub fn check_near(&mut self) {
        let answer = self.ask("near");
        assert!(answer.ends_with(" bad=0"), "{answer}");
    }
}

/// A frame with this body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a frame has a short length");
    [&length.to_be_bytes(), body].concat()
}

/// A request to `@echo`, of one packed short string behind the command.
pub fn request(session: u32, command: &str, value: &[u8]) -> Vec<u8> {
    let string = |text: &[u8]| [&[(text.len() as u8) << 3 | 4], text].concat();
    let session = session.to_le_bytes();
    let message = [string(command.as_bytes()), value.to_vec()].concat();
    frame(&[b"\x80\x05@echo", &session[..], &message].concat())
}

/// Calls `echo` and checks what comes back.
pub fn echo(stream: &mut TcpStream, session: u32) {
    let value = [&b"\x44"[..], format!("{session:08}").as_bytes()].concat();
    stream
        .write_all(&request(session, "echo", &value))
        .expect("the node reads");
    let expected = frame(&[&session.to_le_bytes(), &b"\x01"[..], &value].concat());
    let mut back = vec![0; expected.len()];
    stream.read_exact(&mut back).expect("the node answers");
    assert!(back == expected, "call {session} got {back:?}");
}

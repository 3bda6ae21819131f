//! A node with this crate's sockets and services that hand every event to the test.

#![allow(dead_code)] // each test file uses its part

use std::collections::VecDeque;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use welkin_net::{Net, Priority, SocketInfo, event};
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Node, Payload, Service, kind,
};

/// How long a test waits before it fails; never how long something may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One event, with its data.
#[derive(Clone, Debug)]
pub struct Seen {
    pub owner: Address,
    pub kind: i32,
    pub id: i32,
    pub ud: i32,
    pub data: Vec<u8>,
    pub text: Vec<u8>,
}

impl Seen {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap()
    }
}

pub enum Heard {
    Event(Seen),
    Log(String),
}

struct Recorder(Sender<Heard>);

impl Service for Recorder {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        let bytes = message.payload.as_bytes();
        let heard = if message.kind == kind::SOCKET {
            assert_eq!((message.source, message.session), (Address::NONE, 0));
            let event = event::decode(bytes).unwrap();
            let data = if event.buffer.is_null() {
                Vec::new()
            } else {
                // SAFETY: DATA and UDP carry `ud` bytes at `buffer`, which the payload keeps alive.
                unsafe { std::slice::from_raw_parts(event.buffer, event.ud as usize) }.to_vec()
            };
            Heard::Event(Seen {
                owner: cx.slot.address(),
                kind: event.kind,
                id: event.id,
                ud: event.ud,
                data,
                text: event.text.to_vec(),
            })
        } else {
            Heard::Log(String::from_utf8_lossy(bytes).into_owned())
        };
        // The test may be over.
        let _ = self.0.send(heard);
        Flow::Done
    }
}

struct Recorders(Mutex<Sender<Heard>>);

impl Module for Recorders {
    fn create(&self, _: &Context<'_>, _: &[u8]) -> Result<NewService, LaunchError> {
        let service = Box::new(Recorder(self.0.lock().unwrap().clone()));
        Ok(NewService {
            service,
            control: None,
        })
    }
}

/// The node. `me` owns what a test makes unless it says otherwise.
pub struct Bench {
    pub node: Arc<Node>,
    pub net: Arc<Net>,
    pub me: Address,
    heard: Receiver<Heard>,
    events: VecDeque<Seen>,
    logs: VecDeque<String>,
    runner: Option<JoinHandle<()>>,
}

impl Bench {
    pub fn new() -> Bench {
        let net = Net::new().unwrap();
        let node = Node::builder().workers(2).driver(net.clone()).build();
        let (sender, heard) = channel();
        node.register_module("recorder", Arc::new(Recorders(Mutex::new(sender))));
        let logger = node.launch(b"recorder", b"").unwrap();
        assert!(node.name_register(b"logger", logger));
        let me = node.launch(b"recorder", b"").unwrap();
        let runner = std::thread::spawn({
            let node = node.clone();
            move || node.run()
        });
        let (events, logs) = Default::default();
        Bench {
            node,
            net,
            me,
            heard,
            events,
            logs,
            runner: Some(runner),
        }
    }

    pub fn another_service(&self) -> Address {
        self.node.launch(b"recorder", b"").unwrap()
    }

    fn hear(&mut self) {
        match self.heard.recv_timeout(PATIENCE).expect("the event comes") {
            Heard::Event(event) => self.events.push_back(event),
            Heard::Log(line) => self.logs.push_back(line),
        }
    }

    /// The next event of `id`.
    pub fn next(&mut self, id: i32) -> Seen {
        loop {
            if let Some(at) = self.events.iter().position(|event| event.id == id) {
                return self.events.remove(at).unwrap();
            }
            self.hear();
        }
    }

    /// The next event of any socket.
    pub fn next_of_any(&mut self) -> Seen {
        while self.events.is_empty() {
            self.hear();
        }
        self.events.pop_front().unwrap()
    }

    /// The next event of `id`, which is of this kind.
    #[track_caller]
    pub fn expect(&mut self, kind: i32, id: i32) -> Seen {
        let seen = self.next(id);
        assert_eq!(seen.kind, kind, "{seen:?}");
        seen
    }

    /// DATA of `id` until there are `count` bytes.
    #[track_caller]
    pub fn data(&mut self, id: i32, count: usize) -> Vec<u8> {
        let mut data = Vec::new();
        while data.len() < count {
            data.extend(self.expect(event::DATA, id).data);
        }
        data
    }

    /// Waits for a log line that contains `part`.
    pub fn log_line(&mut self, part: &str) -> String {
        loop {
            if let Some(at) = self.logs.iter().position(|line| line.contains(part)) {
                return self.logs.remove(at).unwrap();
            }
            self.hear();
        }
    }

    /// Everything the sockets have told so far has arrived; returns what has not been looked at.
    pub fn settle(&mut self) -> Vec<Seen> {
        // An unknown id answers at once, behind everything posted before to the same service.
        self.net.start(&self.node, self.me, i32::MAX);
        let end = self.next(i32::MAX);
        assert_eq!(end.text(), "invalid socket");
        self.events.drain(..).collect()
    }

    pub fn send(&self, id: i32, bytes: &[u8]) -> bool {
        self.net
            .send(&self.node, id, Payload::copy_from(bytes), Priority::High)
    }

    pub fn start(&self, id: i32) {
        self.net.start(&self.node, self.me, id);
    }

    pub fn close(&self, id: i32) {
        self.net.close(&self.node, self.me, id);
    }

    pub fn shutdown(&self, id: i32) {
        self.net.shutdown(&self.node, self.me, id);
    }

    pub fn pause(&self, id: i32) {
        self.net.pause(&self.node, self.me, id);
    }

    pub fn connect(&self, host: &str, port: u16) -> i32 {
        self.net.connect(&self.node, self.me, host, port)
    }

    /// A started listener: id and port.
    pub fn listener(&mut self) -> (i32, u16) {
        let id = self
            .net
            .listen(&self.node, self.me, "127.0.0.1", 0, 128)
            .unwrap();
        let port = self.expect(event::CONNECT, id).ud as u16;
        self.start(id);
        assert_eq!(self.expect(event::CONNECT, id).text(), "start");
        (id, port)
    }

    /// A socket of ours that is connected to the other end, given to the test.
    pub fn connected(&mut self) -> (i32, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let id = self.connect("127.0.0.1", listener.local_addr().unwrap().port());
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(self.expect(event::CONNECT, id).text(), "127.0.0.1");
        (id, patient(stream))
    }

    /// A connection accepted by `listener` and started, and its other end.
    pub fn accepted(&mut self, listener: i32, port: u16) -> (i32, TcpStream) {
        let stream = patient(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let id = self.expect(event::ACCEPT, listener).ud;
        self.start(id);
        assert_eq!(self.expect(event::CONNECT, id).text(), "start");
        (id, stream)
    }

    pub fn row(&self, id: i32) -> Option<SocketInfo> {
        self.net.info().into_iter().find(|row| row.id == id)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.node.abort();
        let ended = self.runner.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

pub fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Makes the peer's close a reset.
pub fn reset(stream: TcpStream) {
    let stream = socket2::Socket::from(stream);
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

/// Bytes that show their place.
pub fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251) as u8).collect()
}

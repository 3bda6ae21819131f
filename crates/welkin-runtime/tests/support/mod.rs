//! Tiny services for the tests: a service is a closure that gets its context and a message.

#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use welkin_runtime::{
    Address, Context, Control, Flow, LaunchError, Message, Module, NewService, Node, Payload,
    Service, kind,
};

/// How long a test waits for what must come; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

type Handler = Box<dyn FnMut(&Context<'_>, Message) -> Flow + Send>;

pub struct Closure {
    pub handle: Handler,
    pub resume: Box<dyn FnMut(&Context<'_>) -> Flow + Send>,
    pub ended: Box<dyn FnMut() + Send>,
}

impl Service for Closure {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        (self.handle)(cx, message)
    }

    fn resume(&mut self, cx: &Context<'_>) -> Flow {
        (self.resume)(cx)
    }

    fn ended(&mut self, _cx: &Context<'_>) {
        (self.ended)();
    }
}

pub fn closure(handle: impl FnMut(&Context<'_>, Message) -> Flow + Send + 'static) -> Closure {
    Closure {
        handle: Box::new(handle),
        resume: Box::new(|_| Flow::Done),
        ended: Box::new(|| ()),
    }
}

/// A module that gives its one service away.
struct Once(parking_lot::Mutex<Option<NewService>>, bool);

impl Module for Once {
    fn create(&self, _cx: &Context<'_>, _args: &[u8]) -> Result<NewService, LaunchError> {
        self.0.lock().take().ok_or(LaunchError::Failed)
    }

    fn background(&self) -> bool {
        self.1
    }
}

pub fn launch(
    node: &Arc<Node>,
    handle: impl FnMut(&Context<'_>, Message) -> Flow + Send + 'static,
) -> Address {
    launch_service(node, closure(handle), None)
}

pub fn launch_service(
    node: &Arc<Node>,
    service: impl Service + 'static,
    control: Option<Arc<dyn Control>>,
) -> Address {
    // A name of its own: threads launch at the same time.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
    register(node, &name, service, control, false);
    node.launch(name.as_bytes(), b"")
        .expect("the closure becomes a service")
}

pub fn register(
    node: &Arc<Node>,
    name: &str,
    service: impl Service + 'static,
    control: Option<Arc<dyn Control>>,
    background: bool,
) {
    let service = Box::new(service);
    let new = NewService { service, control };
    node.register_module(
        name,
        Arc::new(Once(parking_lot::Mutex::new(Some(new)), background)),
    );
}

/// A service named `logger` that hands its lines on.
pub fn logger(node: &Arc<Node>) -> Receiver<String> {
    let (lines, received) = channel();
    let logger = launch(node, move |_, message| {
        if message.kind == kind::TEXT {
            let text = String::from_utf8_lossy(message.payload.as_bytes()).into_owned();
            let _ = lines.send(format!("[{}] {text}", message.source));
        }
        Flow::Done
    });
    assert!(node.name_register(b"logger", logger));
    received
}

/// Source, session, kind, bytes.
pub type Record = (Address, i32, u8, Vec<u8>);

/// A service that hands on what it gets.
pub fn recorder(node: &Arc<Node>) -> (Address, Receiver<Record>) {
    let (record, received) = channel();
    let address = launch(node, move |_, message| {
        let bytes = message.payload.as_bytes().to_vec();
        let _ = record.send((message.source, message.session, message.kind, bytes));
        Flow::Done
    });
    (address, received)
}

pub fn start(node: &Arc<Node>) -> JoinHandle<()> {
    let node = Arc::clone(node);
    std::thread::spawn(move || node.run())
}

/// What comes next.
pub fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("it comes")
}

pub fn send(node: &Node, from: Address, to: Address, session: i32, bytes: &[u8]) -> bool {
    let message = Message {
        source: from,
        session,
        kind: kind::LUA,
        payload: Payload::copy_from(bytes),
    };
    node.post(to, message).is_ok()
}

pub fn stop(node: &Arc<Node>, running: JoinHandle<()>) {
    node.abort();
    running.join().expect("the node ends");
}

pub fn signal<T: Send + 'static>() -> (Sender<T>, Receiver<T>) {
    channel()
}

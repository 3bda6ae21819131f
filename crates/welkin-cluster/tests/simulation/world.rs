//! The nodes, and what happens to them in which order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;

use welkin_cluster::Tail;
use welkin_cluster::link::{Io, Link, Request, Values};
use welkin_codec::cluster::{
    Event as Heard, PART, RESULT_SHORT_MAX, Requests, To, parts, write_error, write_result,
    write_result_begin, write_result_part,
};
use welkin_codec::frame::{Header, Package, Stream};
use welkin_net::Priority;
use welkin_runtime::Payload;

use crate::calls::{Calls, Deed, Outcome};
use crate::network::{CALLER, Connection};
use crate::numbers::Numbers;

/// How long calls are made, in microseconds.
const BUSY: u64 = 100_000;
/// More than this waits at no link.
const QUEUE_MAX: usize = 1 << 20;

enum Event {
    /// Somebody of this node calls.
    Work(usize),
    /// Gathered frames of a link go out.
    Flush(usize, usize),
    Connect(usize),
    Leave(usize, usize),
    Arrive(usize, usize, Vec<u8>),
    Lost(usize, usize),
    /// A service is through with a request: connection, session, call.
    Served(usize, u32, usize),
    Cut(u64),
    Restart(usize),
    Back(usize),
}

/// What has come of a connection and is not whole.
type Accepted = (Stream<Vec<u8>>, Requests<Vec<u8>>);

struct Node {
    up: bool,
    /// To each other node, with the connection it has.
    links: Vec<Option<Link<usize>>>,
    connections: Vec<Option<usize>>,
    /// By connection: what came of it.
    accepted: BTreeMap<usize, Accepted>,
}

pub struct World {
    numbers: Numbers,
    now: u64,
    order: u64,
    times: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    nodes: Vec<Node>,
    connections: Vec<Connection>,
    calls: Calls,
}

/// A link's way to the world.
struct At<'a> {
    world: &'a mut World,
    from: usize,
    to: usize,
}

impl Node {
    fn new(nodes: usize) -> Self {
        Self {
            up: true,
            links: (0..nodes).map(|_| Some(Link::new(QUEUE_MAX))).collect(),
            connections: vec![None; nodes],
            accepted: BTreeMap::new(),
        }
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let nodes = 2 + numbers.below(3) as usize;
        let mut world = Self {
            numbers,
            now: 0,
            order: 0,
            times: BinaryHeap::new(),
            events: BTreeMap::new(),
            nodes: (0..nodes).map(|_| Node::new(nodes)).collect(),
            connections: Vec::new(),
            calls: Calls::default(),
        };
        for _ in 0..60 {
            let node = world.numbers.below(nodes as u64) as usize;
            world.sometime(Event::Work(node));
        }
        for _ in 0..world.numbers.below(8) {
            let which = world.numbers.next();
            world.sometime(Event::Cut(which));
        }
        for _ in 0..world.numbers.below(3) {
            let node = world.numbers.below(nodes as u64) as usize;
            world.sometime(Event::Restart(node));
        }
        world
    }

    /// Runs to the end; how many calls were answered.
    pub fn run(mut self) -> u64 {
        self.run_down();
        // Now nothing breaks any more: everybody reaches everybody.
        let before = self.calls.0.len();
        for from in 0..self.nodes.len() {
            for to in (0..self.nodes.len()).filter(|&to| to != from) {
                self.call(from, to, Deed::Answer);
            }
        }
        self.run_down();
        for (number, call) in self.calls.0.iter().enumerate().skip(before) {
            assert_eq!(
                call.outcome,
                Outcome::Answered,
                "call {number} of the quiet time"
            );
        }
        for call in &self.calls.0 {
            let kept = matches!(call.deed, Deed::Keep | Deed::Note);
            assert!(
                kept || call.outcome != Outcome::Waits,
                "a call is forgotten"
            );
        }
        // Who still waits hears of the end.
        for which in 0..self.connections.len() {
            self.cut(which);
        }
        self.run_down();
        let forgotten =
            |call: &crate::calls::Call| call.outcome == Outcome::Waits && call.deed != Deed::Note;
        assert!(
            !self.calls.0.iter().any(forgotten),
            "a call outlives its connection"
        );
        let links = self.nodes.iter().flat_map(|node| &node.links).flatten();
        assert!(
            links.map(Link::kept).all(|bytes| bytes == 0),
            "parts outlive their connection"
        );
        self.calls.count(Outcome::Answered)
    }

    fn run_down(&mut self) {
        while let Some(Reverse((time, order))) = self.times.pop() {
            self.now = time;
            let event = self.events.remove(&order).expect("it was put there");
            self.happen(event);
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.times.push(Reverse((time, self.order)));
        self.events.insert(self.order, event);
    }

    fn soon(&mut self, most: u64, event: Event) {
        let time = self.now + self.numbers.below(most);
        self.at(time, event);
    }

    fn sometime(&mut self, event: Event) {
        self.soon(BUSY, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Work(node) => self.work(node),
            Event::Flush(from, to) => self.with_link(from, to, |link, at| link.flush(at)),
            Event::Connect(connection) => self.connect(connection),
            Event::Leave(connection, side) => self.leave(connection, side),
            Event::Arrive(connection, side, bytes) => self.arrive(connection, side, &bytes),
            Event::Lost(connection, side) => self.lost(connection, side),
            Event::Served(connection, session, call) => self.served(connection, session, call),
            Event::Cut(which) if !self.connections.is_empty() => {
                let which = which as usize % self.connections.len();
                self.cut(which);
            }
            Event::Cut(_) => {}
            Event::Restart(node) => self.restart(node),
            Event::Back(node) => self.nodes[node].up = true,
        }
    }

    fn with_link(&mut self, from: usize, to: usize, f: impl FnOnce(&mut Link<usize>, &mut At<'_>)) {
        let mut link = self.nodes[from].links[to]
            .take()
            .expect("no link calls itself");
        let world = self;
        let mut at = At { world, from, to };
        f(&mut link, &mut at);
        at.world.nodes[from].links[to] = Some(link);
    }

    fn work(&mut self, from: usize) {
        if !self.nodes[from].up {
            return;
        }
        for _ in 0..1 + self.numbers.below(6) {
            let nodes = self.nodes.len();
            let to = (from + 1 + self.numbers.below(nodes as u64 - 1) as usize) % nodes;
            let deed = match self.numbers.below(10) {
                0 => Deed::Fail,
                1 => Deed::Keep,
                2 | 3 => Deed::Note,
                _ => Deed::Answer,
            };
            self.call(from, to, deed);
        }
    }

    fn call(&mut self, from: usize, to: usize, deed: Deed) {
        let (number, message) = self.calls.make(from, deed, &mut self.numbers);
        let named = self.numbers.once_in(2);
        let request = Request {
            to: if named {
                To::Name(b"@name".into())
            } else {
                To::Address(7)
            },
            message: Values::Lent(&message),
            waiter: (deed != Deed::Note).then_some(number),
            trace: None,
        };
        self.with_link(from, to, |link, at| link.submit(at, &request));
        self.soon(50, Event::Flush(from, to));
    }

    // Connections

    fn connect(&mut self, which: usize) {
        let [from, to] = self.connections[which].ends;
        if self.nodes[from].connections[to] != Some(which) || self.connections[which].cut {
            return;
        }
        if !self.nodes[to].up {
            return self.lost(which, CALLER);
        }
        let connection = &mut self.connections[which];
        connection.stands = true;
        connection.open[1] = true;
        connection.ways[CALLER].busy = true;
        self.nodes[to].accepted.insert(which, Default::default());
        self.with_link(from, to, |link, _| link.connected());
        self.at(self.now, Event::Leave(which, CALLER));
    }

    fn leave(&mut self, which: usize, side: usize) {
        let pieces = self.connections[which].leave(side, self.now, &mut self.numbers);
        for (time, piece) in pieces {
            self.at(time, Event::Arrive(which, side, piece));
        }
        if self.connections[which].ways[side].busy {
            self.soon(500, Event::Leave(which, side));
        }
    }

    fn arrive(&mut self, which: usize, side: usize, piece: &[u8]) {
        let bytes = self.connections[which].through(side, piece);
        let [from, to] = self.connections[which].ends;
        if bytes.is_empty() || !self.connections[which].open[1 - side] {
            return;
        }
        if side == CALLER {
            return self.accept(which, to, bytes);
        }
        if self.nodes[from].connections[to] == Some(which) {
            self.with_link(from, to, |link, at| link.data(at, bytes));
        }
    }

    fn cut(&mut self, which: usize) {
        if self.connections[which].cut {
            return;
        }
        let heard = self.connections[which].cut(self.now, &mut self.numbers);
        for (side, time) in heard.into_iter().enumerate() {
            self.at(time, Event::Lost(which, side));
        }
    }

    fn lost(&mut self, which: usize, side: usize) {
        let [from, to] = self.connections[which].ends;
        if !std::mem::replace(&mut self.connections[which].open[side], false) {
            return;
        }
        if side != CALLER {
            self.nodes[to].accepted.remove(&which);
        } else if self.nodes[from].connections[to] == Some(which) {
            self.nodes[from].connections[to] = None;
            self.with_link(from, to, |link, at| link.lost(at));
        }
    }

    fn restart(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        for which in 0..self.connections.len() {
            let ends = self.connections[which].ends;
            if ends.contains(&node) {
                // What it had sent may still arrive; it hears nothing any more.
                self.connections[which].open[usize::from(ends[1] == node)] = false;
                self.cut(which);
            }
        }
        self.calls.node_ended(node);
        self.nodes[node] = Node::new(self.nodes.len());
        self.nodes[node].up = false;
        self.soon(20_000, Event::Back(node));
    }

    // The called side

    fn accept(&mut self, which: usize, node: usize, bytes: &[u8]) {
        let Some((mut frames, mut requests)) = self.nodes[node].accepted.remove(&which) else {
            return;
        };
        for frame in frames.feed(Header::Short, bytes) {
            let body = match frame.expect("two bytes are no long length") {
                Package::Whole(body) => body.to_vec(),
                Package::Joined(body) => body,
            };
            match requests.take(&body) {
                Some(Heard::Call(call)) => {
                    let number = match &call.message {
                        Package::Whole(message) => self.calls.arrive(message),
                        Package::Joined(message) => self.calls.arrive(message),
                    };
                    if let Some(session) = call.session {
                        self.soon(5_000, Event::Served(which, session, number));
                    }
                }
                Some(_) => panic!("nobody sent that"),
                None => {}
            }
        }
        self.nodes[node].accepted.insert(which, (frames, requests));
    }

    fn served(&mut self, which: usize, session: u32, number: usize) {
        if !self.connections[which].open[1] {
            return;
        }
        let mut out = Vec::new();
        match self.calls.0[number].deed {
            Deed::Answer => {
                let result = self.calls.answer(number);
                if result.len() <= RESULT_SHORT_MAX {
                    write_result(&mut out, session, &result);
                    return self.send(which, 1, &out, Priority::High);
                }
                write_result_begin(&mut out, session, result.len() as u32);
                for (part, last) in parts(&result) {
                    write_result_part(&mut out, session, part, last);
                    self.send(which, 1, &out, Priority::Low);
                    out.clear();
                }
            }
            Deed::Fail => {
                write_error(&mut out, session, b"call failed");
                self.send(which, 1, &out, Priority::High);
            }
            Deed::Keep => {}
            Deed::Note => panic!("a push has no session"),
        }
    }

    fn send(&mut self, which: usize, side: usize, bytes: &[u8], priority: Priority) {
        if self.connections[which].send(side, bytes, priority) {
            self.at(self.now, Event::Leave(which, side));
        }
    }
}

impl Io for At<'_> {
    type Waiter = usize;

    fn connect(&mut self) {
        let world = &mut self.world;
        let which = world.connections.len();
        world.connections.push(Connection::new(self.from, self.to));
        world.nodes[self.from].connections[self.to] = Some(which);
        world.soon(2_000, Event::Connect(which));
    }

    fn close(&mut self) {
        panic!("no peer breaks the rules here");
    }

    fn send(&mut self, frames: &[u8]) {
        let which = self.world.nodes[self.from].connections[self.to];
        let which = which.expect("a link sends on its connection only");
        self.world.send(which, CALLER, frames, Priority::High);
    }

    fn send_parts(&mut self, heads: Vec<Payload>, message: &Tail) {
        let which = self.world.nodes[self.from].connections[self.to];
        let which = which.expect("a link sends on its connection only");
        for (head, part) in heads.iter().zip(message.as_bytes().chunks(PART)) {
            let frame = [head.as_bytes(), part].concat();
            self.world.send(which, CALLER, &frame, Priority::Low);
        }
    }

    fn unsent(&mut self) -> usize {
        0
    }

    fn answer(&mut self, waiter: usize, answer: Payload) {
        self.world.calls.end(waiter, Some(answer.as_bytes()));
    }

    fn fail(&mut self, waiter: usize) {
        self.world.calls.end(waiter, None);
    }

    fn log(&mut self, _: fmt::Arguments<'_>) {}
}

//! `clusteragent`: one accepted connection. Requests go to the services they are for, in the order they
//! came and with the agent as their source; answers go back as they come.
//!
//! Launch text: `<clusterd> <listener> <socket>`, decimal. The names that begin with `@` are `clusterd`'s
//! to know; they are asked for once and kept until it says `namechange`. While a name is asked for, the
//! requests behind it are held, and nothing is read, so they are few.
//!
//! A peer that does not take its answers is not read from any more (`PAUSE_KIB`), and at the limit of
//! `welkin_cluster_queue_max_mb` it loses the connection: an answer must not be left out in silence.

mod answers;
mod names;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use welkin_codec::cluster::{Call, Event, Requests, To};
use welkin_codec::frame::{Header, Package, Stream};
use welkin_net::{Net, event};
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Payload, Service, kind,
};

use crate::body::{Body, Frame};
use crate::debug::Debug;
use crate::message::{nil, trace_line};
use crate::text::{number, words};
use answers::Answers;
use names::{Found, Names};

/// From so many unsent KiB on the peer is not read from.
const PAUSE_KIB: i32 = 8 * 1024;
const INVALID_NAME: &str = "Invalid name";
const NOT_FOUND: &str = "name not found";
const NO_SERVICE: &str = "call to invalid address";
const FAILED: &str = "call failed";
const TOO_MANY: &str = "too many requests of this connection wait for their answers";

/// Most requests of one connection that wait for their answers.
const RUNNING_MAX: usize = 1 << 20;

/// The module `clusteragent`.
pub struct AgentModule(pub Arc<Net>);

impl Module for AgentModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let words: Vec<_> = words(args).collect();
        let parsed = match words[..] {
            [clusterd, listener, fd] => {
                (|| Some((number(clusterd)?, number(listener)?, number(fd)?)))()
            }
            _ => None,
        };
        let Some((clusterd, listener, fd)) = parsed else {
            let line = "clusteragent needs: clusterd, listener, socket";
            cx.node.log(cx.slot.address(), line);
            return Err(LaunchError::Failed);
        };
        self.0.nodelay(fd);
        self.0.read_large(fd);
        self.0.start(cx.node, cx.slot.address(), fd);
        let agent = Agent {
            answers: Answers::new(self.0.clone(), fd, crate::queue_max(cx.node)),
            net: self.0.clone(),
            listener: Address(listener),
            fd,
            frames: Stream::default(),
            requests: Requests::default(),
            running: HashMap::new(),
            names: Names::new(Address(clusterd)),
            held: VecDeque::new(),
            full: false,
            paused: false,
            ending: false,
            debug: Debug::default(),
        };
        Ok(NewService {
            service: Box::new(agent),
            control: None,
        })
    }
}

struct Agent {
    net: Arc<Net>,
    listener: Address,
    fd: i32,
    frames: Stream<Frame>,
    requests: Requests<Body>,
    /// Requests that wait for their answer, by our session.
    running: HashMap<i32, Running>,
    names: Names,
    /// Requests behind one whose name is asked for.
    held: VecDeque<Held>,
    answers: Answers,
    /// The peer does not take its answers.
    full: bool,
    /// Nothing is read.
    paused: bool,
    /// The connection has ended, but what came before is not all handed on.
    ending: bool,
    debug: Debug,
}

struct Running {
    /// The peer's session.
    session: u32,
    tag: Option<Box<[u8]>>,
}

/// A request on its own.
struct Held {
    to: To<'static>,
    session: Option<u32>,
    message: Payload,
    tag: Option<Box<[u8]>>,
}

impl Service for Agent {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        match message.kind {
            kind::SOCKET => self.event(cx, &message.payload),
            kind::RESPONSE | kind::ERROR => self.answered(cx, message),
            kind::LUA => self.command(cx, &message),
            // A package from a Lua gate.
            kind::CLIENT => self.frame(cx, message.payload.as_bytes()),
            _ => self.debug.other(cx, &message, self.running.len()),
        }
        if cx.slot.mailbox_len() == 0 {
            self.answers.flush(cx);
        }
        if self.answers.over || self.ending && self.names.asked.is_none() {
            self.end(cx);
        }
        Flow::Done
    }

    fn ended(&mut self, cx: &Context<'_>) {
        self.answers.flush(cx);
        self.net.close(cx.node, cx.slot.address(), self.fd);
        let gone = Message::bare(cx.slot.address(), 0, kind::TEXT);
        drop(cx.node.post(self.listener, gone));
        self.debug.ended(cx);
    }
}

impl Agent {
    fn end(&mut self, cx: &Context<'_>) {
        cx.node.kill(cx.slot.address());
    }

    fn command(&mut self, cx: &Context<'_>, message: &Message) {
        use welkin_codec::seri::{Reader, Token};
        let asker = crate::message::Asker::of(message);
        match Reader::new(message.payload.as_bytes()).next() {
            Ok(Some(Token::String(b"namechange"))) => {
                self.names.forget();
                if let Some(asker) = asker {
                    asker.answer(cx, nil());
                }
            }
            Ok(Some(Token::String(b"exit"))) => {
                self.net.shutdown(cx.node, cx.slot.address(), self.fd);
                self.end(cx);
            }
            _ => {
                if let Some(asker) = asker {
                    asker.fail(cx);
                }
            }
        }
    }

    fn event(&mut self, cx: &Context<'_>, payload: &Payload) {
        let Some(event) = event::decode(payload.as_bytes()) else {
            return;
        };
        if event.id != self.fd {
            return;
        }
        match event.kind {
            event::DATA => self.data(cx, event::data(payload)),
            event::CLOSE | event::ERROR => {
                self.net.shutdown(cx.node, cx.slot.address(), self.fd);
                self.ending = true;
            }
            event::WARNING => {
                if event.ud > 0 {
                    let line = format!("socket warning {} {}", event.id, event.ud);
                    cx.node.log(cx.slot.address(), line);
                }
                self.full = event.ud >= PAUSE_KIB;
                self.read_or_not(cx);
            }
            _ => {}
        }
    }

    fn read_or_not(&mut self, cx: &Context<'_>) {
        let pause = self.full || self.names.asked.is_some();
        if pause == self.paused {
            return;
        }
        self.paused = pause;
        let own = cx.slot.address();
        if pause {
            self.net.pause(cx.node, own, self.fd);
        } else {
            self.net.start(cx.node, own, self.fd);
        }
    }

    fn data(&mut self, cx: &Context<'_>, bytes: &[u8]) {
        let mut frames = std::mem::take(&mut self.frames);
        for frame in frames.feed(Header::Short, bytes) {
            match frame {
                Ok(Package::Whole(body)) => self.frame(cx, body),
                Ok(Package::Joined(body)) => self.frame(cx, body.as_slice()),
                // Two bytes cannot announce what is too long.
                Err(_) => break,
            }
        }
        self.frames = frames;
    }

    fn frame(&mut self, cx: &Context<'_>, body: &[u8]) {
        match self.requests.take(body) {
            Some(Event::Call(call)) if self.names.asked.is_some() => {
                self.held.push_back(held(call));
            }
            Some(Event::Call(call)) => self.call(cx, held(call)),
            Some(Event::Refuse(session, why)) => self.answers.error(cx, session, why),
            Some(Event::Bad(bad)) => cx.node.log(cx.slot.address(), bad.to_string()),
            None => {}
        }
    }

    /// A request whose turn it is.
    fn call(&mut self, cx: &Context<'_>, call: Held) {
        let found = match &call.to {
            To::Address(0) => match names::queried(call.message.as_bytes()) {
                Some(name) => self.names.find(cx, &name),
                None => {
                    let line = "a name query without a name: no answer";
                    return cx.node.log(cx.slot.address(), line);
                }
            },
            To::Address(address) => Found::Service(Address(*address)),
            To::Name(name) => self.names.resolve(cx, name),
        };
        match found {
            Found::Asked => {
                self.held.push_front(call);
                self.read_or_not(cx);
            }
            Found::Nobody if call.to == To::Address(0) => self.refuse(cx, &call, NOT_FOUND),
            Found::Nobody => self.refuse(cx, &call, INVALID_NAME),
            Found::NoService => self.refuse(cx, &call, NO_SERVICE),
            Found::Service(address) if call.to == To::Address(0) => {
                if let Some(session) = call.session {
                    let address = names::packed_address(address);
                    self.answers.result(cx, session, address);
                }
            }
            Found::Service(address) => self.deliver(cx, Some(address), call),
            Found::Global => self.deliver(cx, None, call),
        }
    }

    fn refuse(&mut self, cx: &Context<'_>, call: &Held, why: &str) {
        if let Some(session) = call.session {
            self.answers.error(cx, session, why);
        }
    }

    /// Sends it to the service, or to the global name that it has.
    fn deliver(&mut self, cx: &Context<'_>, address: Option<Address>, call: Held) {
        if self.running.len() >= RUNNING_MAX {
            return self.refuse(cx, &call, TOO_MANY);
        }
        let own = cx.slot.address();
        let post = |message: Message| match (address, &call.to) {
            (Some(address), _) => cx.node.post(address, message),
            (None, To::Name(name)) => cx.node.post_name(name, message),
            (None, To::Address(_)) => Err(message),
        };
        if let Some(tag) = &call.tag {
            trace_line(cx, tag, b"tracecall begin");
            let mut told = Message::bare(own, 0, kind::TRACE);
            told.payload = Payload::copy_from(tag);
            drop(post(told));
        }
        let local = if call.session.is_some() {
            cx.slot.next_session()
        } else {
            0
        };
        let message = Message {
            source: own,
            session: local,
            kind: kind::LUA,
            payload: call.message,
        };
        let sent = post(message).is_ok();
        match call.session {
            Some(session) if sent => {
                let tag = call.tag;
                self.running.insert(local, Running { session, tag });
            }
            Some(session) => self.answers.error(cx, session, NO_SERVICE),
            None => {}
        }
    }

    /// A service has answered, or `clusterd`.
    fn answered(&mut self, cx: &Context<'_>, message: Message) {
        let ok = message.kind == kind::RESPONSE;
        if let Some(running) = self.running.remove(&message.session) {
            match ok {
                true => self.answers.result(cx, running.session, message.payload),
                false => self.answers.error(cx, running.session, FAILED),
            }
            if let Some(tag) = running.tag {
                trace_line(cx, &tag, b"tracecall end");
            }
        } else if self.names.told(&message) {
            while self.names.asked.is_none()
                && let Some(call) = self.held.pop_front()
            {
                self.call(cx, call);
            }
            self.names.told_is_used();
            if !self.ending {
                self.read_or_not(cx);
            }
        }
    }
}

fn held(call: Call<'_, Body>) -> Held {
    Held {
        to: call.to.into_owned(),
        session: call.session,
        message: match call.message {
            Package::Whole(bytes) => Payload::copy_from(bytes),
            Package::Joined(body) => body.finish(),
        },
        tag: call.trace,
    }
}

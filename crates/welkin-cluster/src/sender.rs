//! `clustersender`: the connection to one node, for all services of this one.
//!
//! Launch text: `<node> <node name for traces> <host:port>`. It connects when `clusterd` says
//! `changenode`, and later by itself when it is used and has no connection.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use welkin_net::{Net, Priority, event};
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Payload, Service, kind,
};

use crate::body::Tail;
use crate::command::{self, Command};
use crate::debug::Debug;
use crate::endpoint::Endpoint;
use crate::link::{Io, Link, Request, Values, tag_fits};
use crate::message::{Asker, nil, trace_line};
use crate::text::{unescaped, words};
use welkin_codec::cluster::{PART, To};

/// Services whose next request is traced, at most; more are forgotten.
const TAGS_MAX: usize = 1024;

/// The module `clustersender`.
pub struct SenderModule(pub Arc<Net>);

impl Module for SenderModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let words: Vec<_> = words(args).collect();
        let [node, own_name, address] = words[..] else {
            let line = "clustersender needs: node, name of this node, host:port";
            cx.node.log(cx.slot.address(), line);
            return Err(LaunchError::Failed);
        };
        let sender = Sender {
            link: Link::new(crate::queue_max(cx.node)),
            tags: HashMap::new(),
            node: unescaped(node),
            own_name: unescaped(own_name),
            end: End {
                net: self.0.clone(),
                endpoint: Endpoint::read(&String::from_utf8_lossy(address)),
                fd: 0,
                changing: Vec::new(),
            },
            debug: Debug::default(),
        };
        Ok(NewService {
            service: Box::new(sender),
            control: None,
        })
    }
}

struct Sender {
    link: Link<Asker>,
    /// Tags announced by callers, for their next request.
    tags: HashMap<Address, Box<[u8]>>,
    node: Vec<u8>,
    own_name: Vec<u8>,
    end: End,
    debug: Debug,
}

/// The near end of the connection.
struct End {
    net: Arc<Net>,
    endpoint: Endpoint,
    /// 0: none.
    fd: i32,
    /// Who waits to hear whether the connection stands.
    changing: Vec<Asker>,
}

/// [`End`] during a message.
struct At<'a> {
    cx: &'a Context<'a>,
    end: &'a mut End,
}

impl Service for Sender {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        match message.kind {
            kind::LUA => self.command(cx, message),
            kind::SOCKET => self.event(cx, &message.payload),
            kind::TRACE => {
                if self.tags.len() >= TAGS_MAX {
                    self.tags.clear();
                }
                let tag = message.payload.as_bytes().into();
                self.tags.insert(message.source, tag);
            }
            _ => self.debug.other(cx, &message, self.link.waiting()),
        }
        if cx.slot.mailbox_len() == 0 {
            let end = &mut self.end;
            self.link.flush(&mut At { cx, end });
        }
        Flow::Done
    }

    /// What is gathered goes out; the node closes the socket when that is sent.
    fn ended(&mut self, cx: &Context<'_>) {
        let end = &mut self.end;
        let mut at = At { cx, end };
        self.link.flush(&mut at);
        self.link.close(&mut at, true);
        at.changed(false);
        self.debug.ended(cx);
    }
}

impl Sender {
    fn command(&mut self, cx: &Context<'_>, message: Message) {
        let asker = Asker::of(&message);
        let tag = match self.tags.is_empty() {
            true => None,
            false => self.tags.remove(&message.source),
        };
        let payload = message.payload;
        if payload.as_bytes().len() < PART {
            return self.take(cx, payload.as_bytes(), None, asker, tag);
        }
        let payload = Arc::new(payload);
        self.take(cx, payload.as_bytes(), Some(&payload), asker, tag);
    }

    /// `shared`: what `bytes` lie in, if they may be sent from there.
    fn take(
        &mut self,
        cx: &Context<'_>,
        bytes: &[u8],
        shared: Option<&Arc<Payload>>,
        asker: Option<Asker>,
        tag: Option<Box<[u8]>>,
    ) {
        match command::read(bytes) {
            Command::Request { to, message } => match to {
                Ok(to) => self.request(cx, to, values(&message, shared), asker, tag),
                Err(why) => refuse(cx, asker, &why),
            },
            Command::Change(host) => self.change(cx, host, asker),
            Command::Unknown(why) => refuse(cx, asker, why),
        }
    }

    fn request(
        &mut self,
        cx: &Context<'_>,
        to: To<'_>,
        message: Values<'_>,
        waiter: Option<Asker>,
        tag: Option<Box<[u8]>>,
    ) {
        let (node, own_name) = (&self.node, &self.own_name);
        let trace = |session| announced(cx, &tag, own_name, node, session);
        // Pushes are not traced.
        let traced = waiter.is_some() && tag.is_some();
        if let Some(tag) = &tag
            && traced
            && !tag_fits(tag)
        {
            return refuse(
                cx,
                waiter,
                &format!("trace tag is too long : {}", tag.len()),
            );
        }
        let request = Request {
            to,
            message,
            waiter,
            trace: traced.then_some(&trace),
        };
        let end = &mut self.end;
        self.link.submit(&mut At { cx, end }, &request);
    }

    fn change(&mut self, cx: &Context<'_>, host: Option<&str>, asker: Option<Asker>) {
        let end = &mut self.end;
        let mut at = At { cx, end };
        at.changed(false);
        let Some(host) = host else {
            let line = format!("Close cluster sender {} nil", at.end.endpoint.text);
            cx.node.log(cx.slot.address(), line);
            self.link.close(&mut at, true);
            if let Some(asker) = asker {
                asker.answer(cx, nil());
            }
            return;
        };
        self.link.close(&mut at, false);
        at.end.endpoint = Endpoint::read(host);
        at.end.changing.extend(asker);
        self.link.open(&mut at);
    }

    fn event(&mut self, cx: &Context<'_>, payload: &Payload) {
        let Some(event) = event::decode(payload.as_bytes()) else {
            return;
        };
        if event.id != self.end.fd {
            // Of a connection that was given up.
            return;
        }
        let end = &mut self.end;
        let mut at = At { cx, end };
        match event.kind {
            event::DATA => self.link.data(&mut at, event::data(payload)),
            event::CONNECT => {
                self.link.connected();
                at.changed(true);
            }
            event::CLOSE | event::ERROR => {
                at.close();
                if !self.link.is_connected() {
                    let text = String::from_utf8_lossy(event.text);
                    let line = format!("Connect failed {text} {} nil", at.end.endpoint.text);
                    cx.node.log(cx.slot.address(), line);
                }
                self.link.lost(&mut at);
                at.changed(false);
            }
            event::WARNING if event.ud > 0 => {
                let line = format!(
                    "WARNING: {} K bytes need to send out (fd = {}) {} nil",
                    event.ud, event.id, at.end.endpoint.text
                );
                cx.node.log(cx.slot.address(), line);
            }
            _ => {}
        }
    }
}

/// The values of a request, copied only if they are few. Those in a command are its end.
fn values<'a>(message: &'a command::Values<'_>, shared: Option<&Arc<Payload>>) -> Values<'a> {
    let bytes = message.as_bytes();
    match (message, shared) {
        (command::Values::Here(_), Some(shared)) => Values::Shared(Tail {
            message: shared.clone(),
            from: shared.as_bytes().len() - bytes.len(),
        }),
        _ => Values::Lent(bytes),
    }
}

/// The tag as the far node is told it, and the log lines that connect both.
fn announced(
    cx: &Context<'_>,
    tag: &Option<Box<[u8]>>,
    own_name: &[u8],
    node: &[u8],
    session: u32,
) -> Vec<u8> {
    let Some(tag) = tag else {
        return Vec::new();
    };
    let mut new = tag.to_vec();
    if !tag.starts_with(b"(") {
        let number = format!("-{session})");
        new = [b"(", own_name, b"-", node, number.as_bytes(), tag].concat();
        trace_line(cx, tag, &[b"session ", &new[..]].concat());
    }
    trace_line(cx, &new, &[b"cluster ", node].concat());
    new
}

fn refuse(cx: &Context<'_>, asker: Option<Asker>, why: &str) {
    cx.node.log(cx.slot.address(), why);
    if let Some(asker) = asker {
        asker.fail(cx);
    }
}

impl At<'_> {
    /// Tells those that wait how the connection came out.
    fn changed(&mut self, stands: bool) {
        for asker in std::mem::take(&mut self.end.changing) {
            if stands {
                asker.answer(self.cx, nil());
            } else {
                asker.fail(self.cx);
            }
        }
    }
}

impl Io for At<'_> {
    type Waiter = Asker;

    fn connect(&mut self) {
        let own = self.cx.slot.address();
        let Endpoint { host, port, .. } = &self.end.endpoint;
        self.end.fd = self.end.net.connect(self.cx.node, own, host, *port);
        self.end.net.nodelay(self.end.fd);
        self.end.net.read_large(self.end.fd);
    }

    fn close(&mut self) {
        let own = self.cx.slot.address();
        let fd = std::mem::take(&mut self.end.fd);
        // At once: what waits for a peer that is given up would wait for ever.
        self.end.net.shutdown(self.cx.node, own, fd);
    }

    // A connection that has just ended takes nothing; that is heard of.
    fn send(&mut self, frames: &[u8]) {
        let (net, fd) = (&self.end.net, self.end.fd);
        net.send_bytes(self.cx.node, fd, frames, Priority::High);
    }

    fn send_parts(&mut self, heads: Vec<Payload>, message: &Tail) {
        let (net, fd, Tail { message, from }) = (&self.end.net, self.end.fd, message);
        net.send_parts(self.cx.node, fd, heads, message, *from, PART);
    }

    fn unsent(&mut self) -> usize {
        self.end.net.unsent(self.end.fd)
    }

    fn answer(&mut self, waiter: Asker, answer: Payload) {
        waiter.answer(self.cx, answer);
    }

    fn fail(&mut self, waiter: Asker) {
        waiter.fail(self.cx);
    }

    fn log(&mut self, line: fmt::Arguments<'_>) {
        self.cx.node.log(self.cx.slot.address(), line.to_string());
    }
}

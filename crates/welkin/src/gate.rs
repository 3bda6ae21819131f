//! The native service `gate`: a TCP listener that cuts what comes into packages and hands them to
//! services, for programs that launch it by `skynet.launch("gate", ...)`. The Lua service of the same
//! name is another one.
//!
//! A watchdog hears as text of each connection; nothing is read from one before it says `start`. The
//! gate owns the sockets; another service that takes one over takes it out of the gate's sight.
//!
//! Limits: the connections of the launch argument, and less than 16 MiB a package. What a service
//! does not fetch waits in its mailbox, what a peer does not read in the socket, as for all services.

mod args;
mod command;
mod route;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use welkin_codec::frame::{Package, Stream, TooLong};
use welkin_net::{Net, Priority, event};
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Payload, Service, kind,
};

use args::Args;
use command::Command;
use route::{Route, report};

/// Connections that the system keeps until the gate takes them.
const BACKLOG: i32 = 128;
/// Longest peer address in a report, in bytes; only IPv6 has longer ones.
const PEER_BYTES_MAX: usize = 31;
/// Bytes of the connection's number behind a client message.
const FD_BYTES: usize = 4;

/// The module `gate`; for its argument see [`args`].
pub struct GateModule(pub Arc<Net>);

impl Module for GateModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let own = cx.slot.address();
        let failed = |line: Vec<u8>| {
            cx.node.log(own, line);
            LaunchError::Failed
        };
        let args = args::parse(cx.node, args).map_err(failed)?;
        let listener = self
            .0
            .listen(cx.node, own, &args.host, args.port, BACKLOG)
            .map_err(|error| {
                let Args { host, port, .. } = &args;
                failed(format!("gate cannot listen on {host}:{port}: {error}").into())
            })?;
        self.0.start(cx.node, own, listener);
        let service = Gate {
            net: Arc::clone(&self.0),
            args,
            broker: Address::NONE,
            listener,
            connections: HashMap::new(),
        };
        Ok(NewService {
            service: Box::new(service),
            control: None,
        })
    }
}

struct Gate {
    net: Arc<Net>,
    args: Args,
    /// Receives all packages, if it is somebody.
    broker: Address,
    /// Stays when it is closed: numbers of sockets are not used again soon.
    listener: i32,
    /// At most `args.connections_max`.
    connections: HashMap<i32, Connection>,
}

struct Connection {
    /// `None`: the peer broke the rules, and what else it sent before it was closed is ignored.
    stream: Option<Stream<Vec<u8>>>,
    /// Receives the packages, if it is somebody.
    agent: Address,
    /// Source of the messages to the agent.
    client: Address,
}

impl Service for Gate {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        match message.kind {
            kind::TEXT => self.command(cx, message.payload.as_bytes()),
            kind::CLIENT => self.write(cx, &message),
            kind::SOCKET => self.event(cx, &message.payload),
            _ => {}
        }
        Flow::Done
    }

    /// The connections are closed by the node; the listener first, so that no further one comes.
    fn ended(&mut self, cx: &Context<'_>) {
        self.net.close(cx.node, cx.slot.address(), self.listener);
    }
}

impl Gate {
    fn command(&mut self, cx: &Context<'_>, text: &[u8]) {
        let own = cx.slot.address();
        match command::parse(text) {
            Some(Command::Kick(fd)) if self.connections.contains_key(&fd) => {
                self.net.close(cx.node, own, fd);
            }
            Some(Command::Start(fd)) if self.connections.contains_key(&fd) => {
                self.net.start(cx.node, own, fd);
            }
            Some(Command::Forward { fd, agent, client }) => {
                if let Some(connection) = self.connections.get_mut(&fd) {
                    connection.agent = agent;
                    connection.client = client;
                }
            }
            Some(Command::Broker(name)) => {
                self.broker = text::service(cx.node, name).unwrap_or_default();
            }
            Some(Command::Close) => self.net.close(cx.node, own, self.listener),
            // Such as a connection that has just ended.
            Some(Command::Kick(_) | Command::Start(_) | Command::Nothing) => {}
            None => cx
                .node
                .log(own, [b"[gate] Unknown command : ", text].concat()),
        }
    }

    /// A message to a client: the bytes, then the connection in 4 bytes, little endian.
    fn write(&self, cx: &Context<'_>, message: &Message) {
        let (own, source) = (cx.slot.address(), message.source.0);
        let (bytes, fd) = match message.payload.as_bytes().split_last_chunk::<FD_BYTES>() {
            Some((bytes, fd)) if !bytes.is_empty() => (bytes, i32::from_le_bytes(*fd)),
            _ => {
                let line = format!("Invalid client message from {source:x}");
                return cx.node.log(own, line);
            }
        };
        if self.connections.contains_key(&fd) {
            // One that is being closed takes nothing any more; the watchdog hears of that.
            self.net.send_bytes(cx.node, fd, bytes, Priority::High);
        } else {
            let line = format!("Invalid client id {fd} from {source:x}");
            cx.node.log(own, line);
        }
    }

    fn event(&mut self, cx: &Context<'_>, payload: &Payload) {
        let Some(event) = event::decode(payload.as_bytes()) else {
            return;
        };
        match event.kind {
            event::DATA => self.data(cx, event.id, event::data(payload)),
            event::ACCEPT if event.id == self.listener => self.accept(cx, event.ud, event.text),
            event::ERROR if event.id == self.listener => {
                let line = [b"gate accept error: ", event.text].concat();
                cx.node.log(cx.slot.address(), line);
            }
            event::CLOSE | event::ERROR => self.lost(cx, event.id),
            event::WARNING if event.ud > 0 && self.connections.contains_key(&event.id) => {
                let line = format!(
                    "gate: the peer of connection {} reads too slowly: {} KiB wait to be sent to it",
                    event.id, event.ud
                );
                cx.node.log(cx.slot.address(), line);
            }
            _ => {}
        }
    }

    fn accept(&mut self, cx: &Context<'_>, fd: i32, peer: &[u8]) {
        let own = cx.slot.address();
        if self.connections.len() >= self.args.connections_max {
            return self.net.close(cx.node, own, fd);
        }
        let connection = Connection {
            stream: Some(Stream::default()),
            agent: Address::NONE,
            client: Address::NONE,
        };
        self.connections.insert(fd, connection);
        let peer = String::from_utf8_lossy(&peer[..peer.len().min(PEER_BYTES_MAX)]);
        let text = format_args!("{fd} open {fd} {peer}:0");
        report(cx.node, own, self.args.watchdog, text);
    }

    fn data(&mut self, cx: &Context<'_>, fd: i32, bytes: &[u8]) {
        let own = cx.slot.address();
        let Some(connection) = self.connections.get_mut(&fd) else {
            return;
        };
        let route = Route {
            node: cx.node,
            gate: own,
            watchdog: self.args.watchdog,
            broker: self.broker,
            agent: connection.agent,
            client: connection.client,
            kind: self.args.kind,
            fd,
        };
        let Some(stream) = &mut connection.stream else {
            return;
        };
        let all_sent = stream
            .feed(self.args.header, bytes)
            .try_for_each(|package| {
                match package? {
                    Package::Whole(bytes) => route.send(bytes),
                    Package::Joined(bytes) => route.send(&bytes),
                }
                Ok(())
            });
        if let Err(TooLong) = all_sent {
            connection.stream = None;
            cx.node.log(own, "Recv socket message > 16M");
            // At once: such a peer could leave what waits for it unread for ever.
            self.net.shutdown(cx.node, own, fd);
        }
    }

    /// A connection has ended or failed. The socket still counts until it is closed on this side too.
    fn lost(&mut self, cx: &Context<'_>, fd: i32) {
        if self.connections.remove(&fd).is_none() {
            return;
        }
        let own = cx.slot.address();
        report(cx.node, own, self.args.watchdog, format_args!("{fd} close"));
        self.net.close(cx.node, own, fd);
    }
}

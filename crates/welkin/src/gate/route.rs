//! Where a package goes: to the broker if there is one, else to the agent of the connection, else as
//! text to the watchdog.
//!
//! Nobody there any more: the package is dropped, as any message to a service that is gone.

use std::fmt::Arguments;

use welkin_runtime::{Address, Message, Node, Payload, PayloadBuf, kind};

/// The way of one connection's packages, at one moment.
pub struct Route<'a> {
    pub node: &'a Node,
    pub gate: Address,
    pub watchdog: Address,
    pub broker: Address,
    pub agent: Address,
    /// Whom messages to the agent seem to come from; nobody: the gate.
    pub client: Address,
    /// Message kind for broker and agent.
    pub kind: u8,
    pub fd: i32,
}

impl Route<'_> {
    /// Sends one package; an empty one is skipped.
    pub fn send(&self, package: &[u8]) {
        if package.is_empty() {
            return;
        }
        let (to, source, kind, payload) = if !self.broker.is_none() {
            let copy = Payload::copy_from(package);
            (self.broker, self.gate, self.kind, copy)
        } else if !self.agent.is_none() {
            let nobody = self.client.is_none();
            let source = if nobody { self.gate } else { self.client };
            (self.agent, source, self.kind, Payload::copy_from(package))
        } else if !self.watchdog.is_none() {
            let text = self.as_text(package);
            (self.watchdog, self.gate, kind::TEXT, text)
        } else {
            return;
        };
        let message = Message {
            source,
            session: self.fd,
            kind,
            payload,
        };
        drop(self.node.post(to, message));
    }

    fn as_text(&self, package: &[u8]) -> Payload {
        let head = format!("{} data ", self.fd);
        let mut text = PayloadBuf::with_capacity(head.len() + package.len());
        text.extend(head.as_bytes());
        text.extend(package);
        text.finish()
    }
}

/// Tells the watchdog, if there is one, what happened to a connection.
pub fn report(node: &Node, gate: Address, watchdog: Address, text: Arguments<'_>) {
    if watchdog.is_none() {
        return;
    }
    let message = Message {
        source: gate,
        session: 0,
        kind: kind::TEXT,
        payload: Payload::copy_from(text.to_string().as_bytes()),
    };
    drop(node.post(watchdog, message));
}

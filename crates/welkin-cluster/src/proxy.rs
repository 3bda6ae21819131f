//! `clusterproxy`: a local service that stands for one of another node. What is sent to it goes on
//! unread, in the name of who sent it, so the answer does not come back this way.
//!
//! Launch text: `<sender, decimal> <node> <address>`; an address of digits is a number.

use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Service, kind,
};

use crate::debug::Debug;
use crate::message::{Asker, joined, packed, word};
use crate::text::{number, unescaped, words};

/// The module `clusterproxy`.
pub struct ProxyModule;

impl Module for ProxyModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let words: Vec<_> = words(args).collect();
        let parsed = match words[..] {
            [sender, _, address] => number(sender).map(|sender| (sender, unescaped(address))),
            _ => None,
        };
        let Some((sender, address)) = parsed else {
            let line = "clusterproxy needs: clustersender, node, address";
            cx.node.log(cx.slot.address(), line);
            return Err(LaunchError::Failed);
        };
        let head = |command: &[u8]| {
            let head = packed(|writer| {
                word(writer, command);
                match number(&address) {
                    Some(address) => writer.integer(address),
                    None => word(writer, &address),
                }
            });
            head.as_bytes().into()
        };
        let proxy = Proxy {
            sender: Address(sender),
            call: head(b"call"),
            send: head(b"send"),
            debug: Debug::default(),
        };
        Ok(NewService {
            service: Box::new(proxy),
            control: None,
        })
    }
}

struct Proxy {
    sender: Address,
    /// What stands in front of the values of a request.
    call: Box<[u8]>,
    send: Box<[u8]>,
    debug: Debug,
}

impl Service for Proxy {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        match message.kind {
            kind::LUA | kind::SNAX => self.forward(cx, &message),
            kind::TRACE => drop(cx.node.post(self.sender, message)),
            _ => self.debug.other(cx, &message, 0),
        }
        Flow::Done
    }

    fn ended(&mut self, cx: &Context<'_>) {
        self.debug.ended(cx);
    }
}

impl Proxy {
    fn forward(&self, cx: &Context<'_>, message: &Message) {
        let head = if message.session == 0 {
            &self.send
        } else {
            &self.call
        };
        let forwarded = Message {
            source: message.source,
            session: message.session,
            kind: kind::LUA,
            payload: joined(head, message.payload.as_bytes()),
        };
        if cx.node.post(self.sender, forwarded).is_err()
            && let Some(asker) = Asker::of(message)
        {
            asker.fail(cx);
        }
    }
}

//! `clusterlistener`: accepts connections and gives each a `clusteragent`.
//!
//! Launch text: `<clusterd, decimal> <most clients> <host> <port>`. As with skynet's gate, connection
//! number `most clients` is the first that is refused. `clusterd` asks for the real address once, and
//! has `namechange` handed to all agents.

use std::collections::HashSet;
use std::sync::Arc;

use welkin_codec::seri::{Reader, Token};
use welkin_net::{Net, event};
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Payload, Service, kind,
};

use crate::debug::Debug;
use crate::message::{Asker, packed, word};
use crate::text::{number, unescaped, words};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 128;

/// The module `clusterlistener`.
pub struct ListenerModule(pub Arc<Net>);

impl Module for ListenerModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let own = cx.slot.address();
        let failed = |line: String| {
            cx.node.log(own, line);
            LaunchError::Failed
        };
        let words: Vec<_> = words(args).collect();
        let parsed = match words[..] {
            [clusterd, most, host, port] => (|| {
                let host = String::from_utf8(unescaped(host)).ok()?;
                Some((number(clusterd)?, number(most)?, host, number(port)?))
            })(),
            _ => None,
        };
        let Some((clusterd, most, host, port)) = parsed else {
            let line = "clusterlistener needs: clusterd, most clients, host, port 0 to 65535";
            return Err(failed(line.into()));
        };
        let listened = self.0.listen(cx.node, own, &host, port, BACKLOG);
        let listener =
            listened.map_err(|error| failed(format!("Listen error: {host}:{port}: {error}")))?;
        self.0.start(cx.node, own, listener);
        let service = Listener {
            net: self.0.clone(),
            clusterd: Address(clusterd),
            most,
            listener,
            address: None,
            agents: HashSet::new(),
            debug: Debug::default(),
        };
        Ok(NewService {
            service: Box::new(service),
            control: None,
        })
    }
}

struct Listener {
    net: Arc<Net>,
    clusterd: Address,
    /// Fewer than this are connected.
    most: usize,
    listener: i32,
    /// What it listens on, packed.
    address: Option<Box<[u8]>>,
    agents: HashSet<Address>,
    debug: Debug,
}

impl Service for Listener {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        match message.kind {
            kind::SOCKET => self.event(cx, &message.payload),
            // An agent has ended.
            kind::TEXT => drop(self.agents.remove(&message.source)),
            kind::LUA => self.command(cx, &message),
            _ => self.debug.other(cx, &message, 0),
        }
        Flow::Done
    }

    fn ended(&mut self, cx: &Context<'_>) {
        self.net.close(cx.node, cx.slot.address(), self.listener);
        self.debug.ended(cx);
    }
}

impl Listener {
    fn command(&mut self, cx: &Context<'_>, message: &Message) {
        let command = Reader::new(message.payload.as_bytes()).next();
        let asker = Asker::of(message);
        match (command, &self.address, asker) {
            (Ok(Some(Token::String(b"address"))), Some(address), Some(asker)) => {
                asker.answer(cx, Payload::copy_from(address));
            }
            (Ok(Some(Token::String(b"namechange"))), _, _) => {
                for &agent in &self.agents {
                    let told = Message {
                        source: cx.slot.address(),
                        session: 0,
                        kind: kind::LUA,
                        payload: packed(|writer| word(writer, b"namechange")),
                    };
                    drop(cx.node.post(agent, told));
                }
            }
            (_, _, Some(asker)) => asker.fail(cx),
            _ => {}
        }
    }

    fn event(&mut self, cx: &Context<'_>, payload: &Payload) {
        let Some(event) = event::decode(payload.as_bytes()) else {
            return;
        };
        if event.id != self.listener {
            return;
        }
        match event.kind {
            event::ACCEPT => self.accept(cx, event.ud, event.text),
            // The first one has the address; that of `start` follows.
            event::CONNECT if self.address.is_none() => {
                let address = packed(|writer| {
                    word(writer, event.text);
                    writer.integer(event.ud.into());
                });
                self.address = Some(address.as_bytes().into());
            }
            event::ERROR => {
                let line = [b"gateserver accept error: ", event.text].concat();
                cx.node.log(cx.slot.address(), line);
            }
            _ => {}
        }
    }

    fn accept(&mut self, cx: &Context<'_>, fd: i32, peer: &[u8]) {
        let own = cx.slot.address();
        if self.agents.len() + 1 >= self.most {
            return self.net.shutdown(cx.node, own, fd);
        }
        let line = [b"socket accept from ", peer].concat();
        cx.node.log(self.clusterd, line);
        let args = format!("{} {} {fd}", self.clusterd.0, own.0);
        match cx.node.launch(b"clusteragent", args.as_bytes()) {
            Some(agent) => drop(self.agents.insert(agent)),
            None => self.net.shutdown(cx.node, own, fd),
        }
    }
}

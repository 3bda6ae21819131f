//! The native service `harbor` of a node without a network (`harbor = 0`): global names, and what
//! happens to messages for other nodes.
//!
//! A global name is one without `.` or `:` in front. `.cslave` keeps them (a Lua service) and tells
//! this one by HARBOR messages `N <name>`, whose source is the named address. Messages to a name that
//! is not known yet wait here, in order, and `.cslave` is asked with the text `Q <name>`. Senders come
//! here on their own thread, not through a mailbox: a known name costs a look-up under a read lock.
//!
//! Names are few: `.cslave` bounds them. Waiting messages are bounded by [`WAITING_MAX`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Node, Payload, Remote,
    Service, kind,
};

/// Messages that wait for one name to become known; beyond it requests fail and sends are dropped.
const WAITING_MAX: usize = 65_536;
/// Longest global name, in bytes.
const NAME_BYTES_MAX: usize = 15;

/// The module `harbor`; its argument is `<harbor id> <address of cslave>`, decimal. It makes one
/// service in the life of a node: there is one way to other nodes.
#[derive(Default)]
pub struct HarborModule {
    made: AtomicBool,
}

impl Module for HarborModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let args = String::from_utf8_lossy(args);
        let mut words = args.split_ascii_whitespace();
        let harbor = words.next().and_then(|word| word.parse::<u32>().ok());
        let cslave = words.next().and_then(|word| word.parse::<u32>().ok());
        let (Some(0), Some(cslave)) = (harbor, cslave) else {
            return Err(LaunchError::Failed);
        };
        if self.made.swap(true, Ordering::Relaxed) {
            return Err(LaunchError::Failed);
        }
        let names = Arc::new(Names {
            own: cx.slot.address(),
            cslave: Address(cslave),
            known: RwLock::default(),
            waiting: Mutex::default(),
        });
        cx.node.set_remote(names.clone());
        Ok(NewService {
            service: Box::new(Harbor { names }),
            control: None,
        })
    }

    fn background(&self) -> bool {
        true
    }
}

struct Harbor {
    names: Arc<Names>,
}

impl Service for Harbor {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        if message.kind == kind::HARBOR
            && let Some(name) = message.payload.as_bytes().strip_prefix(b"N ")
        {
            self.names.learn(cx.node, name, message.source);
        }
        Flow::Done
    }
}

/// The names of this node, and the way to them.
struct Names {
    /// The harbor service, source of its log lines.
    own: Address,
    cslave: Address,
    /// Written only by who holds `waiting`.
    known: RwLock<HashMap<Vec<u8>, Address>>,
    /// Messages to names that were asked for, in the order of sending.
    waiting: Mutex<HashMap<Vec<u8>, Vec<Message>>>,
}

impl Names {
    /// A name is known from now on. What waited for it is posted before anybody can see it as known,
    /// so nothing overtakes it.
    fn learn(&self, node: &Node, name: &[u8], address: Address) {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let name = String::from_utf8_lossy(name);
            node.log(self.own, format!("Invalid global name {name}"));
            return;
        }
        let mut waiting = self.waiting.lock();
        for message in waiting.remove(name).unwrap_or_default() {
            deliver(node, address, message);
        }
        self.known.write().insert(name.to_vec(), address);
    }

    fn known(&self, name: &[u8]) -> Option<Address> {
        self.known.read().get(name).copied()
    }

    /// Keeps a message until its name is known. Gives it back when too many wait.
    fn wait(&self, node: &Node, name: &[u8], message: Message) -> Result<(), Message> {
        let mut waiting = self.waiting.lock();
        // It may have become known between the look-up and here.
        if let Some(address) = self.known(name) {
            deliver(node, address, message);
            return Ok(());
        }
        let waiting = waiting.entry(name.to_vec()).or_default();
        if waiting.len() >= WAITING_MAX {
            return Err(message);
        }
        waiting.push(message);
        Ok(())
    }

    fn ask(&self, node: &Node, name: &[u8]) {
        let question = Message {
            source: self.own,
            session: 0,
            kind: kind::TEXT,
            payload: Payload::copy_from(&[b"Q ", name].concat()),
        };
        // Without `.cslave` nobody will ever tell; the messages wait, as for a name nobody takes.
        let _ = node.post(self.cslave, question);
    }
}

impl Remote for Names {
    fn post(&self, node: &Node, to: Address, message: Message) {
        node.log(
            self.own,
            format!(
                "Drop message to harbor {} from {:x} to {:x} (session = {}, msgsz = {})",
                to.harbor(),
                message.source.0,
                to.0,
                message.session,
                message.payload.len()
            ),
        );
        refuse(node, to, &message);
    }

    fn post_name(&self, node: &Node, name: &[u8], message: Message) {
        if let Some(address) = self.known(name) {
            return deliver(node, address, message);
        }
        match self.wait(node, name, message) {
            Ok(()) => self.ask(node, name),
            Err(message) => {
                let name = String::from_utf8_lossy(name);
                node.log(self.own, format!("Drop message to {name} (in harbor 0)"));
                refuse(node, self.own, &message);
            }
        }
    }
}

/// To a service that has a name; when it has ended, a request fails.
fn deliver(node: &Node, to: Address, message: Message) {
    if let Err(message) = node.post(to, message)
        && message.session != 0
    {
        refuse(node, to, &message);
    }
}

/// Tells the sender that `to` is out of reach; session 0 too, which tells it about all its requests to
/// `to`. Answers are not refused: their session is a number of the other side, here it means another.
fn refuse(node: &Node, to: Address, message: &Message) {
    let is_answer = matches!(message.kind, kind::RESPONSE | kind::ERROR);
    if !is_answer && !message.source.is_none() {
        // A sender that is gone needs no answer.
        let _ = node.post(
            message.source,
            Message::bare(to, message.session, kind::ERROR),
        );
    }
}

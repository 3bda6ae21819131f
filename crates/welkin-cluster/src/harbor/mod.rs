//! The native service `harbor`: global names, and the way to the other nodes of a harbor network.
//!
//! A message for another node never waits for this service. Its sender puts it, as a frame, behind
//! what waits on the link to that node ([`Ways`], under that link's lock) and asks this service to send
//! it all off: one small message, however many frames come before it is handled. So frames of many
//! senders leave in one system call, and one frame leaves as soon as its sender has given up control.
//! What comes in is cut into frames here and goes straight to the mailboxes.
//!
//! Who is connected to whom is `.cslave`'s business (a Lua service), which hands over sockets and names
//! by text commands of kind HARBOR, and is told of lost links and wanted names by text messages:
//!
//! | to this service | |
//! |---|---|
//! | `N <name>`, source the named address | a name is known |
//! | `S <fd> <id>`, `A <fd> <id>` | take a connection to, from harbor `id` over; of the second the id byte has been read |
//! | `D <id>` | harbor `id` will not be connected; without effect on a link that is up |
//!
//! | to `.cslave` | |
//! |---|---|
//! | `Q <name>` | somebody sends to a name that is not known |
//! | `D <id>` | the link is lost |

mod command;
mod drops;
mod link;
mod names;
mod open;
mod payload;
mod peers;
mod ways;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use welkin_net::Net;
use welkin_runtime::{
    Address, Context, Flow, LaunchError, Message, Module, NewService, Service, kind,
};

use command::Command;
use peers::Peers;
use ways::Ways;

/// The module `harbor`; its argument is `<harbor id> <address of cslave>`, decimal. It makes one
/// service in the life of a node: there is one way to other nodes.
pub struct HarborModule {
    net: Arc<Net>,
    made: AtomicBool,
}

impl HarborModule {
    /// Of the node whose sockets are in `net`.
    pub fn new(net: Arc<Net>) -> Self {
        Self {
            net,
            made: AtomicBool::new(false),
        }
    }
}

impl Module for HarborModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let args = String::from_utf8_lossy(args);
        let mut words = args.split_ascii_whitespace();
        let harbor = words.next().and_then(|word| word.parse::<u8>().ok());
        let cslave = words.next().and_then(|word| word.parse::<u32>().ok());
        let (Some(harbor), Some(cslave)) = (harbor, cslave) else {
            return Err(LaunchError::Failed);
        };
        if harbor != cx.node.harbor() || self.made.swap(true, Ordering::Relaxed) {
            return Err(LaunchError::Failed);
        }
        let own = cx.slot.address();
        let ways = Arc::new(Ways::new(
            own,
            Address(cslave),
            Arc::clone(&self.net),
            harbor,
        ));
        cx.node.set_remote(ways.clone());
        Ok(NewService {
            service: Box::new(Harbor {
                peers: Peers::new(Arc::clone(&self.net), Arc::clone(&ways)),
                ways,
            }),
            control: None,
        })
    }

    fn background(&self) -> bool {
        true
    }
}

struct Harbor {
    ways: Arc<Ways>,
    peers: Peers,
}

impl Service for Harbor {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        match message.kind {
            kind::SYSTEM => self.ways.flush(cx.node, message.session),
            kind::SOCKET => self.peers.event(cx.node, &message.payload),
            kind::HARBOR => self.command(cx, &message),
            _ => {}
        }
        Flow::Done
    }

    /// Without this service nobody reads the links any more.
    fn ended(&mut self, cx: &Context<'_>) {
        self.ways.close_all(cx.node);
    }
}

impl Harbor {
    fn command(&mut self, cx: &Context<'_>, message: &Message) {
        match command::parse(message.payload.as_bytes()) {
            Some(Command::Name(name)) => self.ways.learn(cx.node, name, message.source),
            Some(Command::Connecting { fd, id }) => self.peers.connecting(cx.node, fd, id),
            Some(Command::Accepted { fd, id }) => self.peers.accepted(cx.node, fd, id),
            Some(Command::Down(id)) => self.peers.give_up(cx.node, id),
            None => {
                let text = message.payload.as_bytes();
                let shown = String::from_utf8_lossy(&text[..text.len().min(64)]);
                let line = format!(
                    "harbor: unknown command \"{shown}\" from {}",
                    message.source
                );
                cx.node.log(cx.slot.address(), line);
            }
        }
    }
}

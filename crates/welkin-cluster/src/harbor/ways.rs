//! The ways to all other nodes, as every sender of this node uses them, each on its own thread.
//!
//! One lock per link; the names have theirs. A link's lock is never held while a message is posted or a
//! line logged, as both may come back here.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use welkin_codec::harbor::{MESSAGE_BYTES_MAX, Trailer};
use welkin_net::Net;
use welkin_runtime::{Address, Message, Node, Payload, Remote, kind};

use super::drops::LINES_MAX;
use super::link::{Link, QUEUE_BYTES_MAX, Remains, Sent, Why};
use super::names::{Named, Names};

/// Ids of nodes go to 255.
const HARBORS: usize = 256;

/// The names and the links of this node.
#[derive(Debug)]
pub(super) struct Ways {
    /// The native service, source of the log lines.
    pub own: Address,
    cslave: Address,
    net: Arc<Net>,
    harbor: u8,
    names: Names,
    /// By harbor id.
    links: Box<[Mutex<Link>]>,
}

impl Ways {
    /// `harbor` is this node's id, 0 without a network.
    pub(super) fn new(own: Address, cslave: Address, net: Arc<Net>, harbor: u8) -> Self {
        let link = |_| Mutex::new(Link::new(harbor == 0));
        Self {
            own,
            cslave,
            net,
            harbor,
            names: Names::default(),
            links: (0..HARBORS).map(link).collect(),
        }
    }

    /// This node's id.
    pub(super) fn harbor(&self) -> u8 {
        self.harbor
    }

    fn link(&self, id: u8) -> MutexGuard<'_, Link> {
        self.links[usize::from(id)].lock()
    }

    /// Sends to a service of another node; `name` is the one it was asked for by.
    fn send(&self, node: &Node, to: Address, mut message: Message, name: Option<&[u8]>) {
        if message.payload.len() > MESSAGE_BYTES_MAX {
            match self.too_long(node, to, message) {
                Some(shorter) => message = shorter,
                None => return,
            }
        }
        let sent = self.link(to.harbor()).send(&self.net, node, to, message);
        match sent {
            Sent::Done => {}
            Sent::First => self.ask_for_flush(node, to.harbor()),
            Sent::Refused(message, why) => self.refuse(node, to, &message, name, why),
        }
    }

    /// The native service sends off what there is by then.
    fn ask_for_flush(&self, node: &Node, id: u8) {
        let request = Message::bare(self.own, id.into(), kind::SYSTEM);
        if node.post(self.own, request).is_err() {
            self.flush(node, id.into());
        }
    }

    /// Sends the frames of a link off; `id` is a number from a message.
    pub(super) fn flush(&self, node: &Node, id: i32) {
        if let Ok(id) = u8::try_from(id) {
            self.link(id).flush(&self.net, node);
        }
    }

    /// What goes out in place of a message that fits no frame: of an answer that there is none.
    #[cold]
    fn too_long(&self, node: &Node, to: Address, message: Message) -> Option<Message> {
        node.log(
            message.source,
            format!(
                "error: a message of {} bytes from {} to {to} was not sent: {MESSAGE_BYTES_MAX} \
                 bytes go to another node at once. Send it in parts",
                message.payload.len(),
                message.source,
            ),
        );
        if message.kind == kind::RESPONSE {
            return Some(Message::bare(message.source, message.session, kind::ERROR));
        }
        if message.session > 0 {
            answer_error(node, to, &message);
        }
        None
    }

    #[cold]
    fn refuse(&self, node: &Node, to: Address, message: &Message, name: Option<&[u8]>, why: Why) {
        match why {
            Why::Down => self.tell_dropped(node, to, message, name),
            Why::Full => self.tell_full(node, to.harbor(), name),
        }
        // Session 0 tells the sender about all its requests to `to`: right only when none can succeed.
        if message.session > 0 || why == Why::Down {
            answer_error(node, to, message);
        }
    }

    fn tell_dropped(&self, node: &Node, to: Address, message: &Message, name: Option<&[u8]>) {
        let id = to.harbor();
        let Some(hidden) = self.link(id).dropped.count(node.now(), LINES_MAX) else {
            return;
        };
        let line = match name {
            Some(name) => {
                let name = String::from_utf8_lossy(name);
                format!("Drop message to {name} (in harbor {id})")
            }
            None => format!(
                "Drop message to harbor {id} from {:x} to {:x} (session = {}, msgsz = {})",
                message.source.0,
                to.0,
                message.session,
                message.payload.len()
            ),
        };
        node.log(self.own, line);
        if hidden > 0 {
            let line = format!("harbor: {hidden} more messages to harbor {id} were dropped before");
            node.log(self.own, line);
        }
    }

    fn tell_full(&self, node: &Node, id: u8, name: Option<&[u8]>) {
        let Some(hidden) = self.link(id).full.count(node.now(), 1) else {
            return;
        };
        let whom = match name {
            Some(_) if id == self.harbor => "global names that nobody has".to_owned(),
            _ => format!("harbor {id}"),
        };
        node.log(
            self.own,
            format!(
                "error: {} MB wait for {whom}: what more is sent there is dropped, requests fail \
                 ({hidden} since the last such line)",
                QUEUE_BYTES_MAX >> 20
            ),
        );
    }

    /// A name is known.
    pub(super) fn learn(&self, node: &Node, name: &[u8], address: Address) {
        let deliver = |message| self.deliver(node, address, message, name);
        if !self.names.learn(name, address, deliver) {
            let name = String::from_utf8_lossy(name);
            node.log(self.own, format!("Invalid global name {name}"));
        }
    }

    /// To a service that has a name; when it has ended, a request fails.
    fn deliver(&self, node: &Node, to: Address, message: Message, name: &[u8]) {
        // Kinds that do not leave the node are refused there.
        let leaves = !matches!(message.kind, kind::SYSTEM | kind::HARBOR);
        if node.is_remote(to) && leaves {
            return self.send(node, to, message, Some(name));
        }
        if let Err(message) = node.post(to, message)
            && message.session != 0
        {
            answer_error(node, to, &message);
        }
    }

    fn tell_cslave(&self, node: &Node, text: &[u8]) {
        let message = Message {
            payload: Payload::copy_from(text),
            ..Message::bare(self.own, 0, kind::TEXT)
        };
        // Without `.cslave` nobody waits for this.
        let _ = node.post(self.cslave, message);
    }

    /// Connection `fd` to harbor `id` is there. A former one belongs to a node that has come back under
    /// its id: `.cslave` does not hand over a second one else.
    pub(super) fn greet(&self, node: &Node, id: u8, fd: i32) {
        let former = {
            let mut link = self.link(id);
            let former = link.fd().map(|former| (former, link.fall()));
            link.greet(fd);
            former
        };
        if let Some((former, remains)) = former {
            self.net.shutdown(node, self.own, former);
            self.fail(node, remains);
        }
    }

    /// Harbor `id` has said its id on `fd`.
    pub(super) fn rise(&self, node: &Node, id: u8, fd: i32) {
        let refused = self.link(id).rise(&self.net, node, fd);
        for (to, message) in refused {
            self.refuse(node, to, &message, None, Why::Full);
        }
    }

    /// A message from harbor `id`.
    pub(super) fn receive(&self, node: &Node, id: u8, payload: Payload, trailer: Trailer) {
        let to = Address(u32::from(self.harbor) << 24 | trailer.number);
        let message = Message {
            source: Address(trailer.source),
            session: trailer.session,
            kind: trailer.kind,
            payload,
        };
        if matches!(trailer.kind, kind::RESPONSE | kind::ERROR) {
            self.link(id).answered(to, trailer.session);
        }
        // The node's own business, and events of its sockets.
        let foreign = matches!(trailer.kind, kind::SYSTEM | kind::HARBOR | kind::SOCKET);
        let refused = match foreign {
            true => Err(message),
            false => node.post(to, message),
        };
        if let Err(message) = refused {
            self.unknown(node, id, to, &message);
        }
    }

    #[cold]
    fn unknown(&self, node: &Node, id: u8, to: Address, message: &Message) {
        let told = self.link(id).undelivered.count(node.now(), LINES_MAX);
        if let Some(hidden) = told {
            let (to, source) = (to.0, message.source.0);
            let kind = message.kind;
            node.log(
                self.own,
                format!("Unknown destination :{to:x} from :{source:x} type({kind})"),
            );
            if hidden > 0 {
                let line = format!("harbor: {hidden} more messages of harbor {id} were for nobody");
                node.log(self.own, line);
            }
        }
        // Back to the node it came from, or to a third one that let it be answered there; services here
        // have not asked.
        if message.kind != kind::ERROR && node.is_remote(message.source) {
            let _ = node.post(
                message.source,
                Message::bare(to, message.session, kind::ERROR),
            );
        }
    }

    /// The connection `fd` to harbor `id` has ended: who waits for that node hears of it.
    pub(super) fn lost(&self, node: &Node, id: u8, fd: i32) {
        let remains = {
            let mut link = self.link(id);
            if link.fd() != Some(fd) {
                return;
            }
            link.fall()
        };
        self.tell_cslave(node, format!("D {id}").as_bytes());
        let unanswered = remains.asked.len();
        node.log(
            self.own,
            format!("harbor: the link to harbor {id} is lost; {unanswered} requests to it fail"),
        );
        self.fail(node, remains);
        // Half a frame, and what was not sent, may have been much.
        node.memory_freed();
    }

    /// Harbor `id` will not be connected. Gives the socket that must be closed.
    pub(super) fn give_up(&self, node: &Node, id: u8) -> Option<i32> {
        let (fd, remains) = {
            let mut link = self.link(id);
            if link.is_up() {
                return None;
            }
            (link.fd(), link.fall())
        };
        self.fail(node, remains);
        fd
    }

    fn fail(&self, node: &Node, remains: Remains) {
        for (source, session, to) in remains.asked {
            // Who asked may be gone itself.
            let _ = node.post(source, Message::bare(to, session, kind::ERROR));
        }
        for (to, message) in remains.waiting {
            self.refuse(node, to, &message, None, Why::Down);
        }
    }

    /// The native service has ended, and with it all links.
    pub(super) fn close_all(&self, node: &Node) {
        for id in 0..=u8::MAX {
            let remains = {
                let mut link = self.link(id);
                // Last words.
                link.flush(&self.net, node);
                link.fall()
            };
            self.fail(node, remains);
        }
    }
}

impl Remote for Ways {
    fn post(&self, node: &Node, to: Address, message: Message) {
        self.send(node, to, message, None);
    }

    fn post_name(&self, node: &Node, name: &[u8], message: Message) {
        match self.names.find(name, message) {
            Named::Known(address, message) => self.deliver(node, address, message, name),
            Named::Waits => self.tell_cslave(node, &[b"Q ", name].concat()),
            Named::Full(message) => {
                let id = Address(u32::from(self.harbor) << 24);
                self.refuse(node, id, &message, Some(name), Why::Full);
            }
        }
    }
}

/// Tells the sender that `to` is out of reach. Answers are not refused: their session is a number of
/// the other side, here it means another. Nor are messages of channels, where it is the channel's.
fn answer_error(node: &Node, to: Address, message: &Message) {
    let has_session = !matches!(message.kind, kind::RESPONSE | kind::ERROR | kind::MULTICAST);
    if has_session && !message.source.is_none() {
        // A sender that is gone needs no answer.
        let _ = node.post(
            message.source,
            Message::bare(to, message.session, kind::ERROR),
        );
    }
}

//! Whom a name means: registered names (`@name`) are asked of `clusterd` one at a time and kept, the
//! others are the node's.

use std::collections::HashMap;

use welkin_codec::seri::{Reader, Token};
use welkin_runtime::{Address, Context, Message, Payload, kind};

use crate::message::{packed, word};

/// Names that are kept; a node registers a few, and only those that exist are kept.
const KNOWN_MAX: usize = 4096;

/// What became of a name.
pub enum Found {
    /// This service.
    Service(Address),
    /// A global name, for the node to send to.
    Global,
    /// No registered name.
    Nobody,
    /// No local name.
    NoService,
    /// `clusterd` is asked; ask here again when it has told.
    Asked,
}

pub struct Names {
    clusterd: Address,
    known: HashMap<Box<[u8]>, Address>,
    /// The session under which a name is asked for.
    pub asked: Option<i32>,
    /// What came of the last question, for who asked it.
    told: Option<Option<Address>>,
}

impl Names {
    pub fn new(clusterd: Address) -> Self {
        Self {
            clusterd,
            known: HashMap::new(),
            asked: None,
            told: None,
        }
    }

    /// Any name of the wire.
    pub fn resolve(&mut self, cx: &Context<'_>, name: &[u8]) -> Found {
        match name.split_first() {
            Some((b'@', name)) => self.find(cx, name),
            Some((b'.', name)) => match cx.node.name_query(name) {
                Some(address) => Found::Service(address),
                None => Found::NoService,
            },
            Some((b':', digits)) => Found::Service(hex(digits)),
            Some(_) => Found::Global,
            None => Found::Nobody,
        }
    }

    /// A registered name, without `@`.
    pub fn find(&mut self, cx: &Context<'_>, name: &[u8]) -> Found {
        if let Some(told) = self.told.take() {
            // The question was about this one: who asks is first in the queue.
            let Some(address) = told else {
                return Found::Nobody;
            };
            if self.known.len() >= KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(name.into(), address);
            return Found::Service(address);
        }
        if let Some(&address) = self.known.get(name) {
            return Found::Service(address);
        }
        let session = cx.slot.next_session();
        let question = Message {
            source: cx.slot.address(),
            session,
            kind: kind::LUA,
            payload: packed(|writer| {
                word(writer, b"queryname");
                word(writer, name);
            }),
        };
        if cx.node.post(self.clusterd, question).is_err() {
            return Found::Nobody;
        }
        self.asked = Some(session);
        Found::Asked
    }

    /// Takes an answer; false: it is not to our question.
    pub fn told(&mut self, message: &Message) -> bool {
        if self.asked != Some(message.session) {
            return false;
        }
        self.asked = None;
        let first = Reader::new(message.payload.as_bytes()).next();
        self.told = Some(match (message.kind, first) {
            (kind::RESPONSE, Ok(Some(Token::Integer(address)))) => Some(Address(address as u32)),
            _ => None,
        });
        true
    }

    /// Nobody asked again: an answer does not stay for another name.
    pub fn told_is_used(&mut self) {
        self.told = None;
    }

    /// Names may mean others by now.
    pub fn forget(&mut self) {
        self.known = HashMap::new();
    }
}

/// The name that a query asks for; a number's text is one.
pub fn queried(message: &[u8]) -> Option<Vec<u8>> {
    match Reader::new(message).next() {
        Ok(Some(Token::String(name))) => Some(name.to_vec()),
        Ok(Some(Token::Integer(n))) => Some(n.to_string().into_bytes()),
        Ok(Some(Token::Float(n))) => Some(n.to_string().into_bytes()),
        _ => None,
    }
}

/// The answer to a query.
pub fn packed_address(address: Address) -> Payload {
    packed(|writer| writer.integer(address.0.into()))
}

/// The leading hex digits, as the node reads addresses elsewhere.
fn hex(digits: &[u8]) -> Address {
    let digits = digits.iter().map_while(|&c| (c as char).to_digit(16));
    Address(digits.fold(0, |value, digit| value << 4 | digit))
}

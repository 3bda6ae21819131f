//! The receiving side of requests: frames in, whole calls out.

use std::collections::HashMap;

use super::large::{Large, Room};
use super::request::{BadRequest, Request, To};
use super::{LARGE_BYTES_MAX, LARGE_OPEN_MAX};
use crate::frame::Package;

/// The answer to a large message that is not what was announced.
const INVALID_LARGE: &str = "Invalid large req";
/// The answer to the end of a message that never began.
const INVALID_NAME: &str = "Invalid name";

/// A request that is complete.
#[derive(PartialEq, Eq, Debug)]
pub struct Call<'a, B> {
    /// Whom it is for.
    pub to: To<'a>,
    /// What the answer carries; `None`: no answer is wanted.
    pub session: Option<u32>,
    /// Packed values.
    pub message: Package<'a, B>,
    /// Its trace tag.
    pub trace: Option<Box<[u8]>>,
}

/// What came of a frame.
#[derive(PartialEq, Eq, Debug)]
pub enum Event<'a, B> {
    /// A request.
    Call(Call<'a, B>),
    /// Answer this session with this error.
    Refuse(u32, &'static str),
    /// Log this; the connection goes on.
    Bad(BadRequest),
}

/// What has come of one connection and is not complete.
#[derive(Debug)]
pub struct Requests<B> {
    open: HashMap<u32, Open<B>>,
    /// Bytes of all that is open.
    kept: usize,
    trace: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Open<B> {
    /// `None`: a part came first.
    head: Option<Head>,
    large: Large<B>,
}

#[derive(Debug)]
struct Head {
    to: To<'static>,
    push: bool,
    trace: Option<Box<[u8]>>,
}

impl<B> Default for Requests<B> {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            kept: 0,
            trace: None,
        }
    }
}

impl<B: Room> Requests<B> {
    /// Takes the body of the next frame.
    #[inline]
    pub fn take<'a>(&mut self, body: &'a [u8]) -> Option<Event<'a, B>> {
        match Request::read(body) {
            Ok(Request::Short {
                to,
                session,
                message,
            }) => Some(Event::Call(Call {
                to,
                session: (session != 0).then_some(session),
                message: Package::Whole(message),
                trace: self.trace.take(),
            })),
            Ok(Request::Begin {
                to,
                session,
                size,
                push,
            }) => self.begin(to.into_owned(), session, size, push),
            Ok(Request::Part {
                session,
                bytes,
                last: false,
            }) => {
                self.part(session, bytes);
                None
            }
            Ok(Request::Part { session, bytes, .. }) => self.last(session, bytes),
            Ok(Request::Trace(tag)) => {
                self.trace = Some(tag.into());
                None
            }
            Err(bad) => Some(Event::Bad(bad)),
        }
    }

    /// Bytes that wait for their last part.
    pub fn kept(&self) -> usize {
        self.kept
    }

    fn begin<'a>(
        &mut self,
        to: To<'static>,
        session: u32,
        size: u32,
        push: bool,
    ) -> Option<Event<'a, B>> {
        let trace = self.trace.take();
        let full = self.open.len() >= LARGE_OPEN_MAX;
        if let Some(open) = self.open.get_mut(&session) {
            self.kept -= open.large.kept();
            open.large.give_up();
            return None;
        }
        if full {
            return Some(Event::Refuse(session, INVALID_LARGE));
        }
        let head = Some(Head { to, push, trace });
        let large = Large::new(size);
        self.open.insert(session, Open { head, large });
        None
    }

    fn part(&mut self, session: u32, bytes: &[u8]) {
        let room = LARGE_BYTES_MAX - self.kept;
        if let Some(open) = self.open.get_mut(&session) {
            self.kept -= open.large.kept();
            open.large.add(bytes, room);
            self.kept += open.large.kept();
        } else if self.open.len() < LARGE_OPEN_MAX {
            let (head, large) = (None, Large::given_up());
            self.open.insert(session, Open { head, large });
        }
    }

    fn last<'a>(&mut self, session: u32, bytes: &[u8]) -> Option<Event<'a, B>> {
        let Some(mut open) = self.open.remove(&session) else {
            return Some(Event::Refuse(session, INVALID_NAME));
        };
        let room = LARGE_BYTES_MAX - self.kept;
        self.kept -= open.large.kept();
        open.large.add(bytes, room);
        if self.open.is_empty() {
            self.open.shrink_to(0);
        }
        match (open.head, open.large.finish()) {
            (Some(Head { to, push, trace }), Some(body)) => Some(Event::Call(Call {
                to,
                session: (!push).then_some(session),
                message: Package::Joined(body),
                trace,
            })),
            // Also a push: skynet answers that too, and who sent it waits for nothing.
            _ => Some(Event::Refuse(session, INVALID_LARGE)),
        }
    }
}

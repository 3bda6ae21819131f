//! The receiving side of responses: frames in, whole answers out.

use std::collections::HashMap;

use super::large::{Large, Room};
use super::response::{Malformed, Response};
use super::{LARGE_BYTES_MAX, LARGE_OPEN_MAX};
use crate::frame::Package;

/// The end of a call.
#[derive(PartialEq, Eq, Debug)]
pub enum Answer<'a, B> {
    /// Its results, packed.
    Result(Package<'a, B>),
    /// It failed, and why.
    Error(&'a [u8]),
    /// A large result whose parts are not what was announced: no values.
    Nothing,
}

/// Large results of one connection that have begun.
#[derive(Debug)]
pub struct Responses<B> {
    open: HashMap<u32, Large<B>>,
    kept: usize,
}

impl<B> Default for Responses<B> {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            kept: 0,
        }
    }
}

impl<B: Room> Responses<B> {
    /// Takes the body of the next frame: an answer that is complete now, and its session. Nothing is
    /// kept for a session that nobody waits for; it is given back with [`Answer::Nothing`].
    #[inline]
    pub fn take<'a>(
        &mut self,
        body: &'a [u8],
        is_waiting: impl Fn(u32) -> bool,
    ) -> Result<Option<(u32, Answer<'a, B>)>, Malformed> {
        let (session, response) = Response::read(body)?;
        let begun = !self.open.is_empty() && self.open.contains_key(&session);
        let answer = match response {
            Response::Error(text) => {
                self.drop_open(session);
                Answer::Error(text)
            }
            Response::Result(bytes) | Response::Last(bytes) if begun => {
                self.add(session, bytes);
                match self.drop_open(session).and_then(Large::finish) {
                    Some(body) => Answer::Result(Package::Joined(body)),
                    None => Answer::Nothing,
                }
            }
            Response::Result(bytes) | Response::Last(bytes) => {
                Answer::Result(Package::Whole(bytes))
            }
            Response::Begin(_) | Response::Part(_) if !begun && !is_waiting(session) => {
                Answer::Nothing
            }
            Response::Begin(size) => {
                self.begin(session, size, begun);
                return Ok(None);
            }
            Response::Part(bytes) => {
                if !begun {
                    self.open.insert(session, Large::given_up());
                }
                self.add(session, bytes);
                return Ok(None);
            }
        };
        Ok(Some((session, answer)))
    }

    /// Bytes that wait for their last part.
    pub fn kept(&self) -> usize {
        self.kept
    }

    fn begin(&mut self, session: u32, size: u32, begun: bool) {
        if begun || self.open.len() >= LARGE_OPEN_MAX {
            self.drop_open(session);
            self.open.insert(session, Large::given_up());
        } else {
            self.open.insert(session, Large::new(size));
        }
    }

    fn add(&mut self, session: u32, bytes: &[u8]) {
        let room = LARGE_BYTES_MAX - self.kept;
        if let Some(large) = self.open.get_mut(&session) {
            self.kept -= large.kept();
            large.add(bytes, room);
            self.kept += large.kept();
        }
    }

    fn drop_open(&mut self, session: u32) -> Option<Large<B>> {
        if self.open.is_empty() {
            return None;
        }
        let large = self.open.remove(&session)?;
        self.kept -= large.kept();
        Some(large)
    }
}

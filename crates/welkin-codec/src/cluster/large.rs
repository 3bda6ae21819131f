//! The parts of one large message, joined as they come.
//!
//! The announced size is only a limit: a message that gets longer is given up at once, and what it
//! holds is let go. Room is made for [`AHEAD`] times what has come, at most, so a peer can make nobody
//! keep what it has not sent, and an honest message is not moved again and again while it grows.

use crate::seri::Sink;

/// Room is made for so many times the bytes that are there.
const AHEAD: usize = 64;

/// A sink that can be told how much is going to come.
pub trait Room: Sink + Default {
    /// Makes room for `bytes` more.
    fn reserve(&mut self, bytes: usize);
}

impl Room for Vec<u8> {
    fn reserve(&mut self, bytes: usize) {
        Vec::reserve_exact(self, bytes);
    }
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Large<B> {
    /// `None`: given up.
    body: Option<B>,
    size: usize,
    got: usize,
    /// There is room for so many in all.
    room: usize,
}

impl<B: Room> Large<B> {
    pub fn new(size: u32) -> Self {
        Self {
            body: Some(B::default()),
            size: size as usize,
            got: 0,
            room: 0,
        }
    }

    /// One that can come to no good.
    pub fn given_up() -> Self {
        Self {
            body: None,
            size: 0,
            got: 0,
            room: 0,
        }
    }

    /// Bytes kept.
    pub fn kept(&self) -> usize {
        match self.body {
            Some(_) => self.got,
            None => 0,
        }
    }

    /// Lets go what it holds.
    pub fn give_up(&mut self) {
        self.body = None;
    }

    /// Takes a part; `room` is how many more bytes may be kept.
    pub fn add(&mut self, part: &[u8], room: usize) {
        let fits = part.len() <= self.size - self.got.min(self.size) && part.len() <= room;
        match &mut self.body {
            Some(body) if fits => {
                let got = self.got + part.len();
                if got > self.room {
                    self.room = self.size.min(got.saturating_mul(AHEAD));
                    body.reserve(self.room - self.got);
                }
                body.extend(part);
                self.got = got;
            }
            _ => self.body = None,
        }
    }

    /// The whole message; `None`: it is not what was announced.
    pub fn finish(self) -> Option<B> {
        self.body.filter(|_| self.got == self.size)
    }
}

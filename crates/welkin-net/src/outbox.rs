//! What one socket still has to send.
//!
//! Two lists, high and low; a message of the low one goes only when the high one is empty, and a
//! message that is partly sent is finished before anything else. Within a list the first comes first.
//!
//! There is no limit: who sends is told by WARNING events how much waits, at 1 MiB and each doubling,
//! and once more when all is sent. A program that goes on all the same decides about its own memory,
//! as in skynet, whose programs rely on nothing being lost here.
//!
//! Written under the socket's lock.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use welkin_runtime::Payload;

/// The first warning, in bytes; the next ones double it.
const WARNING_FIRST: usize = 1024 * 1024;

/// Most messages handed to the system in one call.
pub(crate) const GATHER_MAX: usize = 64;

/// Which list a message joins when it cannot go out at once.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Priority {
    /// Before all low ones.
    High,
    /// When no high one waits.
    Low,
}

/// One message, or what is left of it.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub payload: Payload,
    /// What follows the payload: these bytes of a message that is sent in parts.
    pub part: Option<(Arc<Payload>, Range<usize>)>,
    /// Bytes of it already sent.
    pub sent: usize,
    /// UDP: where to.
    pub to: Option<SocketAddr>,
}

impl Chunk {
    /// Bytes that are left.
    pub fn left(&self) -> usize {
        let part = self.part.as_ref().map_or(0, |(_, part)| part.len());
        self.payload.as_bytes().len() + part - self.sent
    }

    /// What is left of the payload, and of the part.
    pub fn rests(&self) -> [&[u8]; 2] {
        let head = self.payload.as_bytes();
        let part = match &self.part {
            Some((message, part)) => &message.as_bytes()[part.clone()],
            None => &[],
        };
        let into_part = self.sent.saturating_sub(head.len());
        [&head[self.sent.min(head.len())..], &part[into_part..]]
    }

    /// The next bytes that lie together.
    pub fn rest(&self) -> &[u8] {
        let [head, part] = self.rests();
        if head.is_empty() { part } else { head }
    }
}

#[derive(Debug)]
pub(crate) struct Outbox {
    /// Partly sent.
    current: Option<Chunk>,
    high: VecDeque<Chunk>,
    low: VecDeque<Chunk>,
    bytes: usize,
    warn_at: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            current: None,
            high: VecDeque::new(),
            low: VecDeque::new(),
            bytes: 0,
            warn_at: WARNING_FIRST,
        }
    }
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.high.is_empty() && self.low.is_empty()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a message. One that is partly sent already comes first.
    pub fn push(&mut self, chunk: Chunk, priority: Priority) {
        self.bytes += chunk.left();
        if chunk.sent > 0 {
            debug_assert!(
                self.current.is_none(),
                "only one message can be partly sent"
            );
            self.current = Some(chunk);
        } else if priority == Priority::High {
            self.high.push_back(chunk);
        } else {
            self.low.push_back(chunk);
        }
    }

    /// The message to send next.
    pub fn front(&self) -> Option<&Chunk> {
        self.in_order().next()
    }

    /// Takes the message to send next.
    pub fn pop(&mut self) -> Option<Chunk> {
        let chunk = self
            .current
            .take()
            .or_else(|| self.high.pop_front())
            .or_else(|| self.low.pop_front())?;
        self.bytes -= chunk.left();
        Some(chunk)
    }

    /// Puts back what `pop` gave.
    pub fn put_back(&mut self, chunk: Chunk) {
        debug_assert!(self.current.is_none(), "`pop` takes it first");
        self.bytes += chunk.left();
        self.current = Some(chunk);
    }

    /// Puts the next messages into `slices`, in the order they go out; how many slices it were.
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; GATHER_MAX]) -> usize {
        let mut count = 0;
        let rests = self.in_order().flat_map(Chunk::rests);
        let rests = rests.filter(|rest| !rest.is_empty());
        for (slice, rest) in slices.iter_mut().zip(rests) {
            *slice = IoSlice::new(rest);
            count += 1;
        }
        count
    }

    /// `count` bytes of what `gather` gave are sent.
    pub fn advance(&mut self, mut count: usize) {
        // A message that nothing was sent of stays in its list: a high one may still overtake it.
        while count > 0
            && let Some(mut chunk) = self.pop()
        {
            let rest = chunk.left();
            if count < rest {
                chunk.sent += count;
                self.bytes += rest - count;
                self.current = Some(chunk);
                return;
            }
            count -= rest;
        }
    }

    /// After an addition: the KiB that wait, if that is past a level not told yet.
    pub fn crossed(&mut self) -> Option<i32> {
        if self.bytes < self.warn_at {
            return None;
        }
        while self.warn_at <= self.bytes {
            self.warn_at = self.warn_at.saturating_mul(2);
        }
        Some(i32::try_from(self.bytes.div_ceil(1024)).unwrap_or(i32::MAX))
    }

    /// After a removal: whether all is sent that there ever was a warning about. Says so once.
    pub fn drained(&mut self) -> bool {
        if !self.is_empty() || self.warn_at == WARNING_FIRST {
            return false;
        }
        self.warn_at = WARNING_FIRST;
        true
    }

    /// Drops everything. True: there was so much that a warning had been given.
    pub fn clear(&mut self) -> bool {
        let warned = self.warn_at != WARNING_FIRST;
        *self = Outbox::default();
        warned
    }

    fn in_order(&self) -> impl Iterator<Item = &Chunk> {
        self.current.iter().chain(&self.high).chain(&self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &[u8]) -> Chunk {
        Chunk {
            payload: Payload::copy_from(text),
            part: None,
            sent: 0,
            to: None,
        }
    }

    fn gathered(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); GATHER_MAX];
        let count = outbox.gather(&mut slices);
        slices[..count].iter().flat_map(|s| s.to_vec()).collect()
    }

    #[test]
    fn high_goes_before_low_and_a_torn_message_before_both() {
        let mut outbox = Outbox::default();
        outbox.push(chunk(b"low1"), Priority::Low);
        outbox.advance(2);
        outbox.push(chunk(b"low2"), Priority::Low);
        outbox.push(chunk(b"high1"), Priority::High);
        outbox.push(chunk(b"high2"), Priority::High);
        assert_eq!(gathered(&outbox), b"w1high1high2low2");
        outbox.advance(4);
        assert_eq!(gathered(&outbox), b"gh1high2low2");
        outbox.advance(12);
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn the_parts_of_a_message_go_behind_their_heads_wherever_the_system_stops() {
        let message = Arc::new(Payload::copy_from(b"--abcdef"));
        let whole = b"<1>abc<2>def";
        for first in 0..whole.len() {
            let mut outbox = Outbox::default();
            for (head, range) in [(b"<1>", 2..5), (b"<2>", 5..8)] {
                let mut chunk = chunk(head);
                chunk.part = Some((message.clone(), range));
                outbox.push(chunk, Priority::Low);
            }
            assert_eq!(outbox.bytes(), whole.len());
            outbox.advance(first);
            assert_eq!(gathered(&outbox), whole[first..], "{first}");
            let next = outbox.front().unwrap().rest();
            assert!(!next.is_empty() && whole[first..].starts_with(next));
            assert_eq!(outbox.bytes(), whole.len() - first);
            outbox.advance(whole.len() - first);
            assert!(outbox.is_empty());
        }
        assert_eq!(Arc::strong_count(&message), 1);
    }

    #[test]
    fn a_warning_comes_at_each_doubling_and_once_when_drained() {
        let mut outbox = Outbox::default();
        outbox.push(chunk(&vec![0; 700 * 1024]), Priority::High);
        assert_eq!(outbox.crossed(), None);
        outbox.push(chunk(&vec![0; 400 * 1024]), Priority::High);
        assert_eq!(outbox.crossed(), Some(1100));
        outbox.push(chunk(b"x"), Priority::High);
        assert_eq!(outbox.crossed(), None);
        outbox.push(chunk(&vec![0; 1000 * 1024]), Priority::High);
        assert_eq!(outbox.crossed(), Some(2101));
        assert!(!outbox.drained());
        outbox.advance(outbox.bytes());
        assert!(outbox.drained());
        assert!(!outbox.drained());
        assert!(!outbox.clear());
    }

    #[test]
    fn clearing_says_whether_there_was_a_warning() {
        let mut outbox = Outbox::default();
        outbox.push(chunk(&vec![0; WARNING_FIRST]), Priority::High);
        assert_eq!(outbox.crossed(), Some(1024));
        assert!(outbox.clear());
        assert!(outbox.is_empty());
    }

    #[test]
    fn nothing_is_drained_where_nothing_was_warned_of() {
        let mut outbox = Outbox::default();
        outbox.push(chunk(b"x"), Priority::Low);
        outbox.pop();
        assert!(!outbox.drained());
    }
}

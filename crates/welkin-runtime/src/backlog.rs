//! The messages that wait in one mailbox, in order.
//!
//! Nearly always there are none or a few: a small ring holds them. A flood goes into chunks behind it,
//! so that growing never copies what waits, and memory goes back chunk by chunk as it is worked off.
//! There is no limit here; the mailbox passes one where it is configured.

use std::collections::VecDeque;

use crate::warm;

/// Messages of one chunk, and the most the ring takes while there are no chunks.
const CHUNK: usize = 1024;
/// Capacity, in messages, that an empty ring may keep.
const SPARE_CAPACITY: usize = 16;

/// Messages in the order of their arrival.
#[derive(Debug)]
pub(crate) struct Backlog<M> {
    ring: VecDeque<M>,
    /// What came while the ring was full; each but the last is full.
    chunks: VecDeque<Vec<M>>,
}

impl<M> Backlog<M> {
    pub(crate) fn new() -> Self {
        Backlog {
            ring: VecDeque::new(),
            chunks: VecDeque::new(),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        let last = self.chunks.back().map_or(0, Vec::len);
        self.ring.len() + self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// Has the processor fetch the first message.
    pub(crate) fn fetch(&self) {
        if let Some(first) = self.ring.front() {
            warm::fetch_value(first);
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.chunks.is_empty()
    }

    #[inline]
    pub(crate) fn push_back(&mut self, message: M) {
        if self.chunks.is_empty() && self.ring.len() < CHUNK {
            self.ring.push_back(message);
        } else {
            self.push_chunked(message);
        }
    }

    fn push_chunked(&mut self, message: M) {
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(message),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(message);
                self.chunks.push_back(chunk);
            }
        }
    }

    /// Puts a message before all others.
    pub(crate) fn push_front(&mut self, message: M) {
        self.ring.push_front(message);
    }

    /// Moves up to `limit` messages to the end of `batch`.
    #[inline]
    pub(crate) fn take(&mut self, batch: &mut VecDeque<M>, limit: usize) {
        if self.chunks.is_empty() && self.ring.len() <= 1 && limit > 0 {
            // Nearly always: moved by itself, without the machinery for ranges.
            if let Some(message) = self.ring.pop_front() {
                batch.push_back(message);
            }
            return;
        }
        let mut left = limit;
        loop {
            let count = left.min(self.ring.len());
            batch.extend(self.ring.drain(..count));
            left -= count;
            if left == 0 {
                return;
            }
            let Some(chunk) = self.chunks.pop_front() else {
                return;
            };
            self.ring = VecDeque::from(chunk);
        }
    }

    /// Gives back what an empty backlog does not need.
    #[inline]
    pub(crate) fn trim(&mut self) {
        if self.ring.capacity() > SPARE_CAPACITY {
            self.ring = VecDeque::new();
        }
        if self.chunks.capacity() > 0 {
            self.chunks = VecDeque::new();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_flood_comes_out_in_order_and_counts_right() {
        let mut backlog = Backlog::new();
        let all = 3 * CHUNK + 7;
        for n in 0..all {
            assert_eq!(backlog.len(), n);
            backlog.push_back(n);
        }
        backlog.push_front(usize::MAX);
        let mut batch = VecDeque::new();
        while !backlog.is_empty() {
            backlog.take(&mut batch, 100);
            assert_eq!(backlog.len() + batch.len(), all + 1);
        }
        assert_eq!(batch.pop_front(), Some(usize::MAX));
        assert!(batch.into_iter().eq(0..all));
    }

    #[test]
    fn what_comes_while_chunks_wait_stays_behind_them() {
        let mut backlog = Backlog::new();
        for n in 0..CHUNK + 2 {
            backlog.push_back(n);
        }
        let mut batch = VecDeque::new();
        backlog.take(&mut batch, CHUNK);
        backlog.push_back(CHUNK + 2);
        backlog.take(&mut batch, CHUNK);
        assert!(batch.into_iter().eq(0..CHUNK + 3));
        backlog.trim();
        assert_eq!(backlog.ring.capacity(), 0);
    }
}

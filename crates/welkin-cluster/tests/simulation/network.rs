//! Connections: bytes that come in order, late and in pieces of any size, until the connection is cut
//! at some byte. What is sent waits in two lists, as in a real socket, and leaves one piece at a time.

use std::collections::VecDeque;

use welkin_net::Priority;

use crate::numbers::Numbers;

/// The side that connected; the other one is 1.
pub const CALLER: usize = 0;

/// Longest time a piece takes, in microseconds.
const DELAY_MAX: u64 = 3_000;

#[derive(Default)]
pub struct Direction {
    high: VecDeque<Vec<u8>>,
    low: VecDeque<Vec<u8>>,
    /// A piece is leaving.
    pub busy: bool,
    /// When the last piece comes in.
    last: u64,
    /// How many more bytes come through.
    left: Option<usize>,
}

pub struct Connection {
    /// Nodes: who connected, to whom.
    pub ends: [usize; 2],
    /// From side 0, from side 1.
    pub ways: [Direction; 2],
    /// Whether each side still has it.
    pub open: [bool; 2],
    pub cut: bool,
    /// The far side has accepted it.
    pub stands: bool,
}

impl Connection {
    pub fn new(from: usize, to: usize) -> Self {
        Self {
            ends: [from, to],
            ways: [Direction::default(), Direction::default()],
            open: [true, false],
            cut: false,
            stands: false,
        }
    }

    /// Queues; true: it was at rest, and should now begin to send.
    pub fn send(&mut self, side: usize, bytes: &[u8], priority: Priority) -> bool {
        let way = &mut self.ways[side];
        match priority {
            Priority::High => way.high.push_back(bytes.to_vec()),
            Priority::Low => way.low.push_back(bytes.to_vec()),
        }
        self.stands && !std::mem::replace(&mut way.busy, true)
    }

    /// The next pieces to leave and when each comes in.
    pub fn leave(&mut self, side: usize, now: u64, numbers: &mut Numbers) -> Vec<(u64, Vec<u8>)> {
        let way = &mut self.ways[side];
        let next = way.high.pop_front().or_else(|| way.low.pop_front());
        let Some(chunk) = next else {
            way.busy = false;
            return Vec::new();
        };
        let mut rest = &chunk[..];
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let most = if numbers.once_in(3) { 7 } else { 50_000 };
            let most = if pieces.len() > 8 {
                rest.len() as u64
            } else {
                most
            };
            let (piece, behind) = rest.split_at((1 + numbers.below(most) as usize).min(rest.len()));
            way.last = way.last.max(now) + 1 + numbers.below(DELAY_MAX) / (1 + pieces.len() as u64);
            pieces.push((way.last, piece.to_vec()));
            rest = behind;
        }
        pieces
    }

    /// What of a piece comes through.
    pub fn through<'a>(&mut self, side: usize, piece: &'a [u8]) -> &'a [u8] {
        match &mut self.ways[side].left {
            None => piece,
            Some(left) => {
                let count = piece.len().min(*left);
                *left -= count;
                &piece[..count]
            }
        }
    }

    /// Cuts both ways, each at some byte; when each side hears of it.
    pub fn cut(&mut self, now: u64, numbers: &mut Numbers) -> [u64; 2] {
        self.cut = true;
        let mut heard = [0, 0];
        for side in [0, 1] {
            let way = &mut self.ways[side];
            way.left = Some(numbers.below(2) as usize * numbers.below(20_000) as usize);
            // The other side hears of it behind the last byte.
            heard[1 - side] = way.last.max(now) + 1 + numbers.below(DELAY_MAX);
        }
        heard
    }
}

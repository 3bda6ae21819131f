//! What is called, and what must come of it.
//!
//! Every message carries the number of its call, and the rest of its bytes follow from that number: so
//! a message that is mixed up with another one, or has lost a byte, shows.

use crate::numbers::Numbers;

/// What the far service does.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    Answer,
    Fail,
    /// Nothing, ever.
    Keep,
    /// It was a push.
    Note,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Waits,
    Answered,
    Failed,
    /// The caller ended before.
    Gone,
}

pub struct Call {
    pub from: usize,
    pub deed: Deed,
    size: usize,
    answer_size: usize,
    pub outcome: Outcome,
    /// It has reached the far node.
    arrived: bool,
}

#[derive(Default)]
pub struct Calls(pub Vec<Call>);

fn fill(number: usize, salt: u64, size: usize) -> Vec<u8> {
    let mut bytes = (number as u64).to_le_bytes().to_vec();
    let mut numbers = Numbers::new(number as u64 ^ salt);
    let (a, b) = (numbers.next() as usize | 1, numbers.next() as usize);
    bytes.extend((0..size).map(|n| (n.wrapping_mul(a).wrapping_add(b) >> 7) as u8));
    bytes
}

/// Mostly small, seldom in parts.
fn size(numbers: &mut Numbers) -> usize {
    let limit = match numbers.below(40) {
        0 => 120_000,
        1..4 => 33_000,
        _ => 200,
    };
    numbers.below(limit) as usize
}

impl Calls {
    /// A new call: its number and its message.
    pub fn make(&mut self, from: usize, deed: Deed, numbers: &mut Numbers) -> (usize, Vec<u8>) {
        let (size, answer_size) = (size(numbers), size(numbers));
        self.0.push(Call {
            from,
            deed,
            size,
            answer_size,
            outcome: Outcome::Waits,
            arrived: false,
        });
        let number = self.0.len() - 1;
        (number, fill(number, 1, size))
    }

    /// A message has come to the far service: its call.
    pub fn arrive(&mut self, message: &[u8]) -> usize {
        let (head, _) = message.split_first_chunk().expect("it has a number");
        let number = u64::from_le_bytes(*head) as usize;
        let call = self.0.get_mut(number).expect("somebody made it");
        assert!(!call.arrived, "call {number} arrived twice");
        call.arrived = true;
        assert_eq!(
            message,
            fill(number, 1, call.size),
            "call {number} arrived broken"
        );
        number
    }

    /// What the far service answers.
    pub fn answer(&self, number: usize) -> Vec<u8> {
        fill(number, 2, self.0[number].answer_size)
    }

    /// An answer, or an error, has come to who called.
    pub fn end(&mut self, number: usize, answer: Option<&[u8]>) {
        if let Some(answer) = answer {
            assert_eq!(
                answer,
                self.answer(number),
                "call {number} got another answer"
            );
            assert_eq!(
                self.0[number].deed,
                Deed::Answer,
                "nobody answered call {number}"
            );
            assert!(
                self.0[number].arrived,
                "call {number} was answered before it came"
            );
        }
        let outcome = &mut self.0[number].outcome;
        assert_eq!(*outcome, Outcome::Waits, "call {number} ended twice");
        *outcome = match answer {
            Some(_) => Outcome::Answered,
            None => Outcome::Failed,
        };
    }

    /// A node has ended, and all who called there.
    pub fn node_ended(&mut self, node: usize) {
        for call in self.0.iter_mut().filter(|call| call.from == node) {
            if call.outcome == Outcome::Waits {
                call.outcome = Outcome::Gone;
            }
        }
    }

    pub fn count(&self, outcome: Outcome) -> u64 {
        self.0.iter().filter(|call| call.outcome == outcome).count() as u64
    }
}

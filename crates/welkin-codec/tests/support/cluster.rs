//! What must hold for every stream of cluster frames. The property tests and the fuzz target share this
//! file.

#![allow(dead_code, reason = "the fuzz target uses its part")]

use std::borrow::Cow;
use std::collections::VecDeque;

use welkin_codec::cluster::{
    Answer, Event, PART, RESULT_SHORT_MAX, Requests, Responses, To, parts, write_begin, write_part,
    write_request, write_result, write_result_begin, write_result_part,
};
use welkin_codec::frame::{Header, Package, Stream};

/// One message of a test.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Whom it is for, if it has no name.
    pub address: u32,
    /// None: empty.
    pub name: Vec<u8>,
    pub push: bool,
    pub message: Vec<u8>,
}

impl Sent {
    fn to(&self) -> To<'_> {
        match self.name.is_empty() {
            true => To::Address(self.address),
            false => To::Name(Cow::Borrowed(&self.name)),
        }
    }
}

/// Takes the first of some list over and over, as `order` says: lists stay in order, frames mix.
fn mixed(mut lists: Vec<VecDeque<Vec<u8>>>, mut order: u64) -> Vec<u8> {
    let mut stream = Vec::new();
    while !lists.is_empty() {
        order = order.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let which = (order >> 33) as usize % lists.len();
        match lists[which].pop_front() {
            Some(frame) => stream.extend(frame),
            None => drop(lists.remove(which)),
        }
    }
    stream
}

/// Cuts into pieces of these lengths, over and over.
fn pieces<'a>(mut rest: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let length = cuts.next().map_or(rest.len(), |&cut| cut).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

fn bodies(stream: &[u8], cuts: &[usize], mut each: impl FnMut(&[u8])) {
    let mut frames = Stream::<Vec<u8>>::default();
    for piece in pieces(stream, cuts) {
        for frame in frames.feed(Header::Short, piece) {
            match frame.expect("two bytes are no long length") {
                Package::Whole(body) => each(body),
                Package::Joined(body) => each(&body),
            }
        }
    }
}

fn bytes(package: Package<'_, Vec<u8>>) -> Vec<u8> {
    match package {
        Package::Whole(bytes) => bytes.to_vec(),
        Package::Joined(bytes) => bytes,
    }
}

/// Each message arrives once, as it was sent.
pub fn check_requests(all: &[Sent], cuts: &[usize], order: u64) {
    let lists = (1..).zip(all).map(|(session, sent)| {
        let mut frames = VecDeque::from([Vec::new()]);
        if sent.message.len() < PART {
            let session = if sent.push { 0 } else { session };
            write_request(&mut frames[0], &sent.to(), session, &sent.message);
            return frames;
        }
        let size = sent.message.len() as u32;
        write_begin(&mut frames[0], &sent.to(), session, size, sent.push);
        for (part, last) in parts(&sent.message) {
            let mut frame = Vec::new();
            write_part(&mut frame, session, part, last);
            frames.push_back(frame);
        }
        frames
    });
    let stream = mixed(lists.collect(), order);
    let mut requests = Requests::<Vec<u8>>::default();
    let mut left = all.to_vec();
    bodies(&stream, cuts, |body| match requests.take(body) {
        Some(Event::Call(call)) => {
            let message = bytes(call.message);
            let at = left.iter().position(|sent| {
                sent.to() == call.to
                    && sent.message == message
                    && sent.push == call.session.is_none()
            });
            left.remove(at.expect("somebody sent it"));
        }
        Some(other) => panic!("nobody sent {other:?}"),
        None => {}
    });
    assert!(left.is_empty() && requests.kept() == 0);
}

/// Each result arrives once, as it was sent.
pub fn check_results(all: &[Sent], cuts: &[usize], order: u64) {
    let lists = (0..).zip(all).map(|(session, sent)| {
        let mut frames = VecDeque::from([Vec::new()]);
        let result = &sent.message;
        if result.len() <= RESULT_SHORT_MAX {
            write_result(&mut frames[0], session, result);
            return frames;
        }
        write_result_begin(&mut frames[0], session, result.len() as u32);
        for (part, last) in parts(result) {
            let mut frame = Vec::new();
            write_result_part(&mut frame, session, part, last);
            frames.push_back(frame);
        }
        frames
    });
    let stream = mixed(lists.collect(), order);
    let mut responses = Responses::<Vec<u8>>::default();
    let mut seen = vec![false; all.len()];
    bodies(&stream, cuts, |body| {
        let answer = responses.take(body, |_| true).expect("well formed");
        if let Some((session, Answer::Result(result))) = answer {
            let session = session as usize;
            assert!(!std::mem::replace(&mut seen[session], true));
            assert_eq!(bytes(result), all[session].message);
        } else {
            assert!(answer.is_none());
        }
    });
    assert!(seen.into_iter().all(|seen| seen) && responses.kept() == 0);
}

/// Any bytes, as either side: no panic, and no more is kept than came.
pub fn check_any_bytes(stream: &[u8]) {
    let cuts = [stream.first().map_or(1, |&byte| usize::from(byte) + 1)];
    let (mut requests, mut responses) = (
        Requests::<Vec<u8>>::default(),
        Responses::<Vec<u8>>::default(),
    );
    bodies(stream, &cuts, |body| {
        let _ = requests.take(body);
        let _ = responses.take(body, |session| session % 2 == 0);
    });
    assert!(requests.kept() <= stream.len() && responses.kept() <= stream.len());
}

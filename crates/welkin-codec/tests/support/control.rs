//! What must hold for every stream of control lines. The property tests and the fuzz target share this
//! file.

#![allow(dead_code, reason = "the fuzz target uses its part")]

use welkin_codec::control::{Answer, Lines, Request, TooLong};

/// Shorter than the real limit, so that it is met.
const MAX: usize = 200;

/// The lines of `bytes`, fed in pieces of these sizes, taken in turn.
pub fn lines(bytes: &[u8], cuts: &[usize]) -> Vec<Result<Vec<u8>, TooLong>> {
    let (mut lines, mut seen, mut rest) = (Lines::new(MAX), Vec::new(), bytes);
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at((*cut).clamp(1, rest.len()));
        lines.feed(piece);
        rest = more;
        while let Some(line) = lines.next_line() {
            seen.push(line.map(<[u8]>::to_vec));
        }
    }
    seen
}

/// Nothing panics, cuts change nothing, and what is understood survives being written again.
pub fn check_any_bytes(bytes: &[u8]) {
    let whole = lines(bytes, &[usize::MAX]);
    assert_eq!(lines(bytes, &[1]), whole);
    assert_eq!(lines(bytes, &[3, 70, 1]), whole);
    for line in whole.into_iter().flatten() {
        assert!(line.len() <= MAX);
        if let Ok(request) = Request::parse(&line) {
            assert_eq!(Request::parse(&request.line()), Ok(request));
        }
        if let Ok((id, answer)) = Answer::parse(&line) {
            assert_eq!(Answer::parse(&answer.line(id)), Ok((id, answer)));
        }
    }
}

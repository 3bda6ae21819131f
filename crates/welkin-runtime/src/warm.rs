//! Memory that is fetched into the processor's cache before a service's turn.
//!
//! Of thousands of services that get a message now and then each has fallen out of the cache by its
//! next one, and waits longer for memory than its message takes. A worker knows who comes after the
//! present service, so memory can be fetched meanwhile: a service notes the stretches that its messages
//! touch ([`Warm::note`]), and the worker asks for them one service ahead ([`Warm::fetch`]).
//!
//! An address here is a number: nobody reads what is there, the processor is given a hint, and a hint
//! about memory that is gone is no fault. So a note may be old, or one of a service that has ended; a
//! reader may even see a half of the old note and a half of the new one.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a cache line. Where lines are longer, some hints are given twice.
const LINE: usize = 64;
/// Words of a note; enough for some twenty stretches.
const WORDS: usize = 26;
/// Bits of a word that count the lines of a stretch.
const COUNT_BITS: u32 = 5;
/// Bits of a word that count the lines before a stretch.
const DISTANCE_BITS: u32 = u32::BITS - COUNT_BITS;
/// Lines of one stretch that are asked for, at most.
const LINES_MAX: usize = (1 << COUNT_BITS) - 1;
/// Stretches with so many lines between them are taken as one: a line costs less than a word.
const GAP_MAX: usize = 1;
/// The same when there is no room for all.
const CROWDED_GAP_MAX: usize = 4;

/// The stretches of one service, ascending: in each word how many lines lie between the one before and
/// this one, and in the low bits how many lines it has. A word without lines counts distance in units of
/// `1 << DISTANCE_BITS`; 0 is the end. Written by the service's worker, read by any.
#[derive(Debug)]
pub(crate) struct Warm([AtomicU32; WORDS]);

/// Lines that follow each other: the first's number, and that of the first behind them.
type Run = (usize, usize);

impl Warm {
    pub(crate) const fn new() -> Warm {
        Warm([const { AtomicU32::new(0) }; WORDS])
    }

    /// Replaces what was noted by `stretches`, addresses with lengths in bytes. What finds no room is left
    /// out.
    pub(crate) fn note(&self, stretches: &mut [(usize, usize)]) {
        let mut gap_max = GAP_MAX;
        let words = loop {
            let words = words_of(&runs_of(stretches, gap_max));
            if words.len() <= WORDS || gap_max == CROWDED_GAP_MAX {
                break words;
            }
            gap_max += 1;
        };
        for (place, word) in self
            .0
            .iter()
            .zip(words.into_iter().chain(std::iter::repeat(0)))
        {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Asks for all that was noted.
    pub(crate) fn fetch(&self) {
        self.each_run(fetch_run);
    }

    fn each_run(&self, mut f: impl FnMut(Run)) {
        let mut at = 0;
        for word in &self.0 {
            let word = word.load(Ordering::Relaxed);
            let (distance, count) = ((word >> COUNT_BITS) as usize, word as usize & LINES_MAX);
            if count > 0 {
                at += distance;
                f((at, at + count));
                at += count;
            } else if distance > 0 {
                at += distance << DISTANCE_BITS;
            } else {
                return;
            }
        }
    }
}

/// The lines of `stretches`, ascending, with up to `gap_max` lines between two of them.
fn runs_of(stretches: &mut [(usize, usize)], gap_max: usize) -> Vec<Run> {
    stretches.sort_unstable();
    let mut runs: Vec<Run> = Vec::with_capacity(stretches.len());
    for &(address, bytes) in stretches.iter().filter(|stretch| stretch.1 > 0) {
        let end = address.saturating_add(bytes).div_ceil(LINE);
        match runs.last_mut() {
            Some(last) if address / LINE <= last.1 + gap_max => last.1 = last.1.max(end),
            _ => runs.push((address / LINE, end)),
        }
    }
    runs
}

fn words_of(runs: &[Run]) -> Vec<u32> {
    let mut words = Vec::with_capacity(WORDS);
    let mut at = 0;
    for &(first, end) in runs {
        let (distance, count) = (first - at, (end - first).min(LINES_MAX));
        let far = distance >> DISTANCE_BITS;
        if far > 0 {
            words.push((far as u32) << COUNT_BITS);
        }
        words.push((distance as u32) << COUNT_BITS | count as u32);
        at = first + count;
    }
    words
}

/// Asks for the memory of a value.
pub(crate) fn fetch_value<T>(value: *const T) {
    let (first, last) = (value.addr(), value.addr() + size_of::<T>());
    fetch_run((first / LINE, last.div_ceil(LINE)));
}

fn fetch_run((first, end): Run) {
    for line in first..end {
        hint(std::ptr::without_provenance(line.wrapping_mul(LINE)));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn hint(line: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint, which reads nothing and cannot fault, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line) }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
fn hint(line: *const i8) {
    // SAFETY: as on x86-64.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{line}]", line = in(reg) line, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn hint(_line: *const i8) {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn noted(stretches: &[(usize, usize)]) -> Vec<Run> {
        let warm = Warm::new();
        warm.note(&mut stretches.to_vec());
        warm.fetch();
        let mut runs = Vec::new();
        warm.each_run(|run| runs.push(run));
        runs
    }

    #[test]
    fn stretches_are_told_in_lines_near_ones_as_one() {
        assert_eq!(noted(&[]), []);
        assert_eq!(noted(&[(130, 1), (0x40, 65), (0, 0)]), [(1, 3)]);
        assert_eq!(
            noted(&[(1 << 20, 8), (256, 64), (384, 1)]),
            [(4, 7), (1 << 14, (1 << 14) + 1)]
        );
        assert_eq!(noted(&[(0, 1 << 30)]), [(0, LINES_MAX)]);
    }

    #[test]
    fn stretches_at_both_ends_of_memory_are_told_apart() {
        let far = (1 << 47) - 64;
        let runs = noted(&[(far, 64), (64, 64), (1 << 38, 1)]);
        assert_eq!(
            runs,
            [(1, 2), (1 << 32, (1 << 32) + 1), (far / 64, far / 64 + 1)]
        );
    }

    #[test]
    fn too_many_stretches_are_joined_as_far_as_they_are_near_then_left_out() {
        let near: Vec<_> = (0..2 * WORDS).map(|n| (n * 5 * LINE, 1)).collect();
        assert_eq!(noted(&near), [(0, LINES_MAX)]);
        let far: Vec<_> = (0..2 * WORDS).map(|n| (n * 9 * LINE, 1)).collect();
        assert_eq!(noted(&far).len(), WORDS);
    }

    #[test]
    fn a_later_note_takes_the_place_of_the_first() {
        let warm = Warm::new();
        warm.note(&mut [(0, 64), (640, 64)]);
        warm.note(&mut [(64, 64)]);
        let mut runs = Vec::new();
        warm.each_run(|run| runs.push(run));
        assert_eq!(runs, [(1, 2)]);
    }
}

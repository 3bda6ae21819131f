//! Zeros left out: each word of eight bytes becomes a byte whose bits say which of them are not zero,
//! and these. A word without zeros begins a run of up to 256 words that are kept as they are.
//!
//! A run goes on over words with up to two zeros, where their tags would cost as much as the zeros.
//! What is unpacked is always whole words; the zeros that filled the last one stay.

use std::fmt;

/// Bytes that are not packed: some are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenStream;

impl fmt::Display for BrokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invalid unpack stream")
    }
}

impl std::error::Error for BrokenStream {}

/// Words of a run.
const RUN_MAX: usize = 256;

/// Nonzero bytes with which a word continues a run.
const RUN_BYTES_MIN: u8 = 6;

const RUN: u8 = 0xff;

/// Bytes that are written for a word outside of runs; those beyond its own do not count.
const WORD_BYTES_MAX: usize = 9;

/// How the nonzero bytes of a word come together at its front, for one tag: those in the first mask
/// move by one byte, then those in the second by two, then those in the third by four.
struct Moves {
    masks: [u64; 3],
    /// How many bytes there are.
    count: u8,
}

const fn moves(tag: usize) -> Moves {
    let mut masks = [0; 3];
    let (mut byte, mut count) = (0, 0);
    while byte < 8 {
        if tag >> byte & 1 == 1 {
            let (mut place, mut step) = (byte, 0);
            while step < 3 {
                if (byte - count) >> step & 1 == 1 {
                    masks[step] |= 0xff << (8 * place);
                    place -= 1 << step;
                }
                step += 1;
            }
            count += 1;
        }
        byte += 1;
    }
    Moves {
        masks,
        count: count as u8,
    }
}

static MOVES: [Moves; 256] = {
    let mut all = [const { moves(0) }; 256];
    let mut tag = 0;
    while tag < 256 {
        all[tag] = moves(tag);
        tag += 1;
    }
    all
};

impl Moves {
    #[inline]
    fn together(&self, mut word: u64) -> u64 {
        for (step, mask) in self.masks.iter().enumerate() {
            let moving = word & mask;
            word = (word ^ moving) | moving >> (8 << step);
        }
        word
    }

    /// The opposite; bytes that do not count may be anything.
    #[inline]
    fn apart(&self, word: u64) -> u64 {
        let mut word = word & !(u64::MAX << (8 * u32::from(self.count & 7)));
        for (step, mask) in self.masks.iter().enumerate().rev() {
            let moving = word & (mask >> (8 << step));
            word = (word ^ moving) | moving << (8 << step);
        }
        word
    }
}

/// Which bytes of the word are not zero, one bit each.
#[inline]
fn tag_of(word: u64) -> u8 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // The high bit of each byte says whether the byte is not zero.
    let set = (((word & LOW) + LOW) | word) & !LOW;
    // Gathers these eight bits into the highest byte.
    ((set >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// Packs and unpacks, into memory that is used again and again.
#[derive(Debug, Default)]
pub struct Packer {
    out: Vec<u8>,
}

impl Packer {
    /// One without memory.
    pub const fn new() -> Self {
        Self { out: Vec::new() }
    }

    /// Bytes it holds for the next time.
    pub fn capacity(&self) -> usize {
        self.out.capacity()
    }

    /// Makes sure of `room` bytes. What is there has no meaning, so it stays.
    #[inline]
    fn make_room(&mut self, room: usize) {
        if self.out.len() < room {
            self.out.resize(room.next_power_of_two(), 0);
        }
    }

    /// `bytes`, packed.
    pub fn pack(&mut self, bytes: &[u8]) -> &[u8] {
        match pack_two(bytes) {
            Some((packed, len)) => {
                self.make_room(packed.len());
                self.out[..packed.len()].copy_from_slice(&packed);
                &self.out[..len]
            }
            None => self.pack_many(bytes),
        }
    }

    #[inline(never)] // what it keeps in registers would be saved for two words too
    fn pack_many(&mut self, bytes: &[u8]) -> &[u8] {
        let words = bytes.len().div_ceil(8);
        // At most a word begins a run of its own, with two bytes in front.
        self.make_room(words * (WORD_BYTES_MAX + 1));
        let mut packing = Packing {
            out: &mut self.out,
            at: 0,
            run: 0,
            run_words: RUN_MAX,
        };
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| packing.word(*word));
        if !rest.is_empty() {
            packing.word(few(rest).to_le_bytes());
        }
        let len = packing.at;
        &self.out[..len]
    }

    /// What `packed` stands for. Memory is taken as it is filled, for some hundred bytes at a time.
    pub fn unpack(&mut self, mut packed: &[u8]) -> Result<&[u8], BrokenStream> {
        let mut at = 0;
        while !packed.is_empty() {
            // No byte stands for more than a word, and a run may begin in the last one.
            let behind = packed.len().saturating_sub(PART);
            self.make_room(at + (packed.len() - behind + RUN_MAX) * 8);
            (at, packed) = unpack_part(&mut self.out, at, packed, behind)?;
        }
        Ok(&self.out[..at])
    }
}

/// Packed bytes for which room is made at once.
const PART: usize = 512;

/// Unpacks to `out` from `at` on until no more than `behind` bytes are left: where it ends, and those.
#[inline]
fn unpack_part<'a>(
    out: &mut [u8],
    mut at: usize,
    mut packed: &'a [u8],
    behind: usize,
) -> Result<(usize, &'a [u8]), BrokenStream> {
    while packed.len() > behind {
        let Some((&tag, rest)) = packed.split_first() else {
            break;
        };
        if tag == RUN {
            let (&more, rest) = rest.split_first().ok_or(BrokenStream)?;
            let size = (usize::from(more) + 1) * 8;
            let (words, rest) = rest.split_at_checked(size).ok_or(BrokenStream)?;
            out[at..at + size].copy_from_slice(words);
            (at, packed) = (at + size, rest);
            continue;
        }
        let moves = &MOVES[usize::from(tag)];
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => few(rest),
        };
        packed = rest.get(moves.count.into()..).ok_or(BrokenStream)?;
        out[at..at + 8].copy_from_slice(&moves.apart(word).to_le_bytes());
        at += 8;
    }
    Ok((at, packed))
}

/// Of two words, or of one and a part, what they become unless one of them begins a run, and how long it is.
/// It is put together in a register and so written at once: a processor that is asked for bytes which it
/// has written piece by piece a moment ago, as for the hash of a string, waits for the pieces.
#[inline]
fn pack_two(bytes: &[u8]) -> Option<([u8; 16], usize)> {
    let (first, last) = bytes.split_first_chunk::<8>()?;
    let last = match last.first_chunk() {
        Some(word) if last.len() == 8 => u64::from_le_bytes(*word),
        None if !last.is_empty() => few(last),
        _ => return None,
    };
    let (first, first_len) = packed_word(u64::from_le_bytes(*first))?;
    let (last, last_len) = packed_word(last)?;
    let packed = u128::from(first) | u128::from(last) << (8 * first_len);
    Some((packed.to_le_bytes(), first_len + last_len))
}

/// The bytes that a word becomes, the first one lowest, and how many; `None` for one that begins a run,
/// the only one of more than eight.
#[inline]
fn packed_word(word: u64) -> Option<(u64, usize)> {
    let tag = tag_of(word);
    let moves = &MOVES[usize::from(tag)];
    let packed = moves.together(word) << 8 | u64::from(tag);
    (tag != RUN).then_some((packed, 1 + usize::from(moves.count)))
}

/// The word that less than eight bytes begin, and zeros end. Without a loop, and without the call that copies
/// a number of bytes: small messages consist of such words.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return first | last << (8 * (bytes.len() - 4));
    }
    match *bytes {
        [a, b, c] => u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0]),
        [a, b] => u64::from_le_bytes([a, b, 0, 0, 0, 0, 0, 0]),
        [a] => a.into(),
        _ => 0,
    }
}

struct Packing<'a> {
    out: &'a mut [u8],
    at: usize,
    /// Where the count of the open run stands.
    run: usize,
    /// Words in the open run; [`RUN_MAX`] when there is none, or it takes no more.
    run_words: usize,
}

impl Packing<'_> {
    #[inline(always)] // of a short message the call is a good part
    fn word(&mut self, bytes: [u8; 8]) {
        let word = u64::from_le_bytes(bytes);
        let tag = tag_of(word);
        let moves = &MOVES[usize::from(tag)];
        if self.run_words < RUN_MAX && moves.count >= RUN_BYTES_MIN {
            // The count is of the words behind the first.
            self.out[self.run] = self.run_words as u8;
            self.run_words += 1;
        } else if tag == RUN {
            (self.run, self.run_words) = (self.at + 1, 1);
            self.out[self.at..self.at + 2].copy_from_slice(&[RUN, 0]);
            self.at += 2;
        } else {
            self.run_words = RUN_MAX;
            let out = &mut self.out[self.at..self.at + WORD_BYTES_MAX];
            out[0] = tag;
            out[1..].copy_from_slice(&moves.together(word).to_le_bytes());
            self.at += 1 + usize::from(moves.count);
            return;
        }
        self.out[self.at..self.at + 8].copy_from_slice(&bytes);
        self.at += 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        Packer::new().pack(bytes).to_vec()
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, BrokenStream> {
        Packer::new().unpack(bytes).map(<[u8]>::to_vec)
    }

    #[test]
    fn bytes_of_every_tag_come_together_and_apart_again() {
        for tag in 0..=u8::MAX {
            let mut word = [0; 8];
            for (place, byte) in word.iter_mut().enumerate() {
                *byte = (tag >> place & 1) * (place as u8 + 1);
            }
            let present: Vec<u8> = word.iter().copied().filter(|byte| *byte != 0).collect();
            let (word, moves) = (u64::from_le_bytes(word), &MOVES[usize::from(tag)]);
            assert_eq!(tag_of(word), tag);
            let together = moves.together(word);
            assert_eq!(together.to_le_bytes()[..present.len()], present);
            if tag != RUN {
                let noise = u64::MAX << (8 * present.len());
                assert_eq!(moves.apart(together | noise), word);
            }
        }
    }

    #[test]
    fn zeros_are_left_out() {
        assert_eq!(packed(b""), b"");
        assert_eq!(packed(b"\0"), b"\0");
        let words = b"\x08\0\0\0\x03\0\x02\0\x19\0\0\0\xaa\x01\0\0";
        assert_eq!(packed(words), b"\x51\x08\x03\x02\x31\x19\xaa\x01");
        assert_eq!(unpacked(&packed(words)).unwrap(), words);
    }

    #[test]
    fn a_run_goes_on_over_words_with_two_zeros() {
        assert_eq!(packed(b"abcdefgh"), b"\xff\0abcdefgh");
        assert_eq!(packed(b"abcdefghi"), b"\xff\0abcdefgh\x01i");
        assert_eq!(packed(b"abcdefghabcdef"), b"\xff\x01abcdefghabcdef\0\0");
        assert_eq!(packed(b"abcdefghabcde"), b"\xff\0abcdefgh\x1fabcde");
        assert_eq!(packed(b"abcdef\0habcdefgh"), b"\xbfabcdefh\xff\0abcdefgh");
    }

    #[test]
    fn a_run_has_256_words() {
        let packed = packed(&[b'x'; 2056]);
        assert_eq!(packed[..2], [0xff, 0xff]);
        assert_eq!(packed[2050..2052], [0xff, 0]);
        assert_eq!(unpacked(&packed).unwrap(), [b'x'; 2056]);
    }

    #[test]
    fn any_number_of_words_and_bytes_comes_back() {
        for len in 0..3000 {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 11 * (at % 7)) as u8).collect();
            let mut wanted = bytes.clone();
            wanted.resize(usize::next_multiple_of(len, 8), 0);
            assert_eq!(unpacked(&packed(&bytes)).unwrap(), wanted);
            let (zeros, noise) = (vec![0; len], vec![0xa5; len]);
            assert_eq!(unpacked(&zeros).unwrap(), vec![0; len * 8]);
            assert_eq!(unpacked(&packed(&noise)).unwrap()[..len], noise);
        }
    }

    #[test]
    fn two_words_are_packed_as_many_are() {
        for tags in 0..=u16::MAX {
            let mut bytes = [0; 16];
            for (place, byte) in bytes.iter_mut().enumerate() {
                *byte = (tags >> place & 1) as u8 * (place as u8 + 1);
            }
            for len in [9, 12, 15, 16] {
                let bytes = &bytes[..len];
                assert_eq!(packed(bytes), Packer::new().pack_many(bytes));
            }
        }
    }

    #[test]
    fn missing_bytes_are_told() {
        for broken in [
            &b"\xff"[..],
            b"\xff\0",
            b"\x01",
            b"\x03\x01",
            b"\xff\x01abcdefgh",
        ] {
            assert_eq!(unpacked(broken), Err(BrokenStream));
        }
    }
}

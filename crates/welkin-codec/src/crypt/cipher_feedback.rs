//! The cipher of the Lua module `md5`: a text in cipher feedback, with MD5 as the block function.
//!
//! The enciphered form begins with the seed and its length, so that equal texts need not look equal.

use super::digest::md5;

/// Longest seed, in bytes; also the size of a block.
pub const SEED_BYTES_MAX: usize = 16;
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// The block that was enciphered last (at first the seed), and the key behind it.
struct Feedback {
    bytes: [u8; SEED_BYTES_MAX + KEY_BYTES_MAX],
    len: usize,
}

impl Feedback {
    /// Neither part may be longer than its maximum.
    fn new(key: &[u8], seed: &[u8]) -> Self {
        assert!(seed.len() <= SEED_BYTES_MAX, "seed too long");
        assert!(key.len() <= KEY_BYTES_MAX, "key too long");
        let mut bytes = [0; SEED_BYTES_MAX + KEY_BYTES_MAX];
        let len = SEED_BYTES_MAX + key.len();
        bytes[..seed.len()].copy_from_slice(seed);
        bytes[SEED_BYTES_MAX..len].copy_from_slice(key);
        Self { bytes, len }
    }

    /// The bytes to lay over the next block.
    fn mask(&self) -> [u8; SEED_BYTES_MAX] {
        md5(&self.bytes[..self.len])
    }

    fn feed(&mut self, enciphered: &[u8]) {
        self.bytes[..enciphered.len()].copy_from_slice(enciphered);
    }
}

/// Size of the enciphered form.
pub const fn encrypted_len(text: usize, seed: usize) -> usize {
    1 + seed + text
}

/// Writes the enciphered `text` into `out`, whose size is [`encrypted_len`]. The lengths of key and
/// seed have been checked.
pub fn encrypt(text: &[u8], key: &[u8], seed: &[u8], out: &mut [u8]) {
    let mut feedback = Feedback::new(key, seed);
    let (head, body) = out.split_at_mut(1 + seed.len());
    head[0] = seed.len() as u8;
    head[1..].copy_from_slice(seed);
    let blocks = text.chunks(SEED_BYTES_MAX);
    for (text, out) in blocks.zip(body.chunks_mut(SEED_BYTES_MAX)) {
        lay_over(text, feedback.mask(), out);
        feedback.feed(out);
    }
}

/// Seed and body of an enciphered text; `None` when it is none.
pub fn parts(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&seed, rest) = text.split_first()?;
    let seed = usize::from(seed);
    (seed <= SEED_BYTES_MAX && seed <= rest.len()).then(|| rest.split_at(seed))
}

/// Writes the deciphered `body` (see [`parts`]) into `out`, which is as long. The length of the key has
/// been checked.
pub fn decrypt((seed, body): (&[u8], &[u8]), key: &[u8], out: &mut [u8]) {
    let mut feedback = Feedback::new(key, seed);
    let blocks = body.chunks(SEED_BYTES_MAX);
    for (text, out) in blocks.zip(out.chunks_mut(SEED_BYTES_MAX)) {
        lay_over(text, feedback.mask(), out);
        feedback.feed(text);
    }
}

fn lay_over(text: &[u8], mask: [u8; SEED_BYTES_MAX], out: &mut [u8]) {
    for ((out, a), b) in out.iter_mut().zip(text).zip(mask) {
        *out = a ^ b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_text_is_enciphered_as_known_and_back() {
        let text = b"hello world, this is a test";
        let mut out = [0; 32];
        encrypt(text, b"key", b"seed", &mut out);
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        let known = "0473656564c78025b74eeaf25687f4eaabf911327da70e275df474f7f20c85b4";
        assert_eq!(hex, known);
        let mut back = [0; 27];
        decrypt(parts(&out).unwrap(), b"key", &mut back);
        assert_eq!(&back, text);
    }

    #[test]
    fn a_text_that_is_shorter_than_its_seed_is_none() {
        assert_eq!(parts(b""), None);
        assert_eq!(parts(b"\x03ab"), None);
        assert_eq!(parts(&[17; 40]), None);
        assert_eq!(parts(b"\x02ab"), Some((&b"ab"[..], &b""[..])));
        assert_eq!(parts(b"\0"), Some((&b""[..], &b""[..])));
    }
}

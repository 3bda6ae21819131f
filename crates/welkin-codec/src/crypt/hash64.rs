//! skynet's own hashes to 64 bits: of a text, and of two numbers that know each other's.
//!
//! `hmac64` is built on the rounds of MD5 over one block, without what MD5 adds after them.

use super::digest;

/// The hash of a text: two simple sums over its bytes, side by side.
pub fn hashkey(text: &[u8]) -> [u8; 8] {
    let (mut low, mut high) = (5381_u32, 1_315_423_911_u32);
    for &byte in text {
        let byte = u32::from(byte);
        low = low.wrapping_mul(33).wrapping_add(byte);
        high ^= (high << 5).wrapping_add(byte).wrapping_add(high >> 2);
    }
    join(low, high)
}

/// The code of `x` under `y`.
pub fn hmac64(x: [u8; 8], y: [u8; 8]) -> [u8; 8] {
    let ((x_low, x_high), (y_low, y_high)) = (split(x), split(y));
    let [a, b, c, d] = rounds([x_high, x_low, y_high, y_low]);
    join(c ^ d, a ^ b)
}

/// The code of `x` under `y` by whole MD5: its two halves, one over the other.
pub fn hmac64_md5(x: [u8; 8], y: [u8; 8]) -> [u8; 8] {
    let mut text = [0; 48];
    for pair in text.as_chunks_mut::<16>().0 {
        pair[..8].copy_from_slice(&x);
        pair[8..].copy_from_slice(&y);
    }
    let halves = u128::from_le_bytes(digest::md5(&text));
    ((halves >> 64) as u64 ^ halves as u64).to_le_bytes()
}

/// The code of a text under `key`.
pub fn hmac_hash(key: [u8; 8], text: &[u8]) -> [u8; 8] {
    hmac64(hashkey(text), key)
}

fn split(number: [u8; 8]) -> (u32, u32) {
    let number = u64::from_le_bytes(number);
    (number as u32, (number >> 32) as u32)
}

fn join(low: u32, high: u32) -> [u8; 8] {
    (u64::from(high) << 32 | u64::from(low)).to_le_bytes()
}

/// The 64 rounds of MD5 over the four words, four times in a row, from its initial state.
fn rounds(words: [u32; 4]) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476_u32];
    for (round, constant) in SINES.iter().enumerate() {
        // Which of the block's sixteen words; as they repeat, only the place within four counts.
        let (mixed, word) = match round / 16 {
            0 => ((b & c) | (!b & d), round),
            1 => ((d & b) | (!d & c), 5 * round + 1),
            2 => (b ^ c ^ d, 3 * round + 5),
            _ => (c ^ (b | !d), 7 * round),
        };
        let sum = a
            .wrapping_add(mixed)
            .wrapping_add(*constant)
            .wrapping_add(words[word % 4]);
        let turned = sum.rotate_left(TURNS[round / 16][round % 4]);
        (a, d, c, b) = (d, c, b, b.wrapping_add(turned));
    }
    [a, b, c, d]
}

/// Bits by which a round turns its sum (RFC 1321).
const TURNS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

/// The first 32 bits after the point of |sin n| for n from 1 (RFC 1321).
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    const B: [u8; 8] = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80];

    fn is(hash: [u8; 8], known: u64) {
        assert_eq!(hash, known.to_be_bytes());
    }

    #[test]
    fn texts_have_known_hashes() {
        is(hashkey(b""), 0x0515_0000_a7c6_674e);
        is(hashkey(b"a"), 0x06b6_0200_4d00_f5ae);
        is(hashkey(b"hello world"), 0xc1c8_5135_06e3_6bbc);
        is(hashkey(&[0, 1, 2]), 0x08b3_860b_5888_9a1a);
        is(hashkey(&[0xff, 0xfe, 0xfd]), 0x5f11_8b0b_38bd_9e1a);
        is(hmac_hash(A, b"hello"), 0x7a38_51a6_2800_17c1);
        is(hmac_hash(B, b""), 0xf05f_093e_1b29_6e73);
    }

    #[test]
    fn numbers_have_known_codes() {
        is(hmac64(A, B), 0x6e44_c3b0_24e0_aeea);
        is(hmac64(B, A), 0x7bcd_4ce8_5cec_248c);
        is(hmac64([0; 8], [0; 8]), 0xa2a9_0fe5_ec19_0ee5);
        is(hmac64([0xff; 8], [0xff; 8]), 0x2494_22d4_7b81_a4b7);
        is(hmac64_md5(A, B), 0x7771_d22e_afa0_4973);
        is(hmac64_md5(B, A), 0x0f3c_67ab_c512_774f);
        is(hmac64_md5([0; 8], [0; 8]), 0x54ff_bebd_7281_33f0);
    }
}

//! Ciphers, hashes and text forms of bytes, as skynet's login protocol and its drivers use them.
//!
//! They are kept for the protocols that are made of them; nothing new should be secured by single DES
//! or by keys of 64 bits. Standard algorithms come from crates (DES, MD5, SHA-1, HMAC), with paddings
//! and modes around them; what only skynet has is here: the hashes of [`hash64`], the exchange of
//! [`dh64`]. Numbers of 64 bits are eight bytes, the lowest first.
//!
//! Functions whose result may be long write it into room that the caller made after asking how much is
//! needed, so that bytes go straight from one Lua string into another.

pub mod base64;
pub mod cipher_feedback;
pub mod des;
pub mod dh64;
pub mod digest;
pub mod hash64;
pub mod hex;
pub mod scram;

use std::fmt;

/// What can be wrong with bytes from outside. `Display` is the text that programs know.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum CryptError {
    /// The text of [`base64::decode`] is none.
    Base64,
    /// The text of [`hex::decode`] has this odd size.
    HexSize(usize),
    /// The text of [`hex::decode`] has another byte than small hexadecimal digits.
    HexText,
    /// The text of [`des::decode`] has this size, which is not that of one block or more.
    DesSize(usize),
    /// The deciphered text of [`des::decode`] does not end in a padding.
    DesText,
    /// The key of [`xor`] is empty.
    EmptyKey,
}

impl fmt::Display for CryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 => f.write_str("Invalid base64 text"),
            Self::HexSize(size) => write!(f, "Invalid hex text size {size}"),
            Self::HexText => f.write_str("Invalid hex text"),
            Self::DesSize(size) => write!(f, "Invalid des crypt text length {size}"),
            Self::DesText => f.write_str("Invalid des crypt text"),
            Self::EmptyKey => f.write_str("Can't xor empty string"),
        }
    }
}

impl std::error::Error for CryptError {}

/// Writes `text` xor `key` into `out`, which is as long as `text`; the key is repeated.
pub fn xor(text: &[u8], key: &[u8], out: &mut [u8]) -> Result<(), CryptError> {
    assert_eq!(text.len(), out.len(), "one byte for each byte");
    if key.is_empty() {
        return Err(CryptError::EmptyKey);
    }
    let pieces = text.chunks(key.len()).zip(out.chunks_mut(key.len()));
    for (text, out) in pieces {
        for ((out, a), b) in out.iter_mut().zip(text).zip(key) {
            *out = a ^ b;
        }
    }
    Ok(())
}

/// A key from eight random bytes: never one whose bytes cancel out, so never zero.
pub fn key_from_random(mut bytes: [u8; 8]) -> [u8; 8] {
    if bytes.iter().fold(0, |all, byte| all ^ byte) == 0 {
        bytes[0] |= 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xor_repeats_the_key() {
        let mut out = [0; 6];
        xor(b"abcdef", &[1, 2, 3], &mut out).unwrap();
        assert_eq!(out, *b"\x60\x60\x60\x65\x67\x65");
        xor(b"", b"a", &mut []).unwrap();
        assert_eq!(xor(b"a", b"", &mut [0]), Err(CryptError::EmptyKey));
    }

    #[test]
    fn a_random_key_is_never_zero() {
        assert_eq!(key_from_random([0; 8]), [1, 0, 0, 0, 0, 0, 0, 0]);
        let key = [4, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(key_from_random(key), key);
    }
}

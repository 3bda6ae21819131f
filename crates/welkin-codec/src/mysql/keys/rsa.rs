//! The password under the server's public key, for a first login by `caching_sha2_password` without TLS.
//!
//! Only the public half of RSA is here, so there is no secret exponent whose use could be timed. Padding:
//! OAEP with SHA-1 and an empty label (RFC 8017, section 7.1); key: PEM of a SubjectPublicKeyInfo.

use num_bigint::BigUint;
use sha1::{Digest, Sha1};

use crate::mysql::KeyError;

const HASH_BYTES: usize = 20;
/// Longest key that is taken, in bytes: 8192 bits.
const KEY_BYTES_MAX: usize = 1024;

/// What is sent for `password`. `seed`: bytes that nobody can guess.
pub fn encrypt_password(
    password: &[u8],
    scramble: &[u8],
    pem: &[u8],
    seed: [u8; HASH_BYTES],
) -> Result<Vec<u8>, KeyError> {
    let key = read_key(pem)?;
    let secret: Vec<u8> = password
        .iter()
        .chain(&[0])
        .zip(scramble.iter().cycle())
        .map(|(a, b)| a ^ b)
        .collect();
    let padded = pad(&secret, seed, key.size)?;
    let encrypted = BigUint::from_bytes_be(&padded).modpow(&key.exponent, &key.modulus);
    let bytes = encrypted.to_bytes_be();
    let mut out = vec![0; key.size - bytes.len()];
    out.extend(bytes);
    Ok(out)
}

/// OAEP.
fn pad(secret: &[u8], seed: [u8; HASH_BYTES], size: usize) -> Result<Vec<u8>, KeyError> {
    let zeros = size
        .checked_sub(2 * HASH_BYTES + 2 + secret.len())
        .ok_or(KeyError::Long)?;
    let mut block = Sha1::digest(b"").to_vec();
    block.resize(HASH_BYTES + zeros, 0);
    block.push(1);
    block.extend_from_slice(secret);
    mask(&mut block, &seed);
    let mut masked_seed = seed;
    mask(&mut masked_seed, &block);
    let mut out = vec![0];
    out.extend(masked_seed);
    out.extend(block);
    Ok(out)
}

/// Covers `bytes` with what SHA-1 makes of `seed` (MGF1).
fn mask(bytes: &mut [u8], seed: &[u8]) {
    for (counter, part) in (0_u32..).zip(bytes.chunks_mut(HASH_BYTES)) {
        let hash = Sha1::new()
            .chain_update(seed)
            .chain_update(counter.to_be_bytes())
            .finalize();
        part.iter_mut()
            .zip(hash)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
}

struct Key {
    modulus: BigUint,
    exponent: BigUint,
    /// Of the modulus, in bytes.
    size: usize,
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;

fn read_key(pem: &[u8]) -> Result<Key, KeyError> {
    let der = decode_pem(pem).ok_or(KeyError::Key)?;
    parse_key(&der).ok_or(KeyError::Key)
}

fn parse_key(der: &[u8]) -> Option<Key> {
    let mut info = element(&mut &der[..], SEQUENCE)?;
    element(&mut info, SEQUENCE)?; // which algorithm
    let bits = element(&mut info, BIT_STRING)?;
    let (0, mut bits) = bits.split_first().map(|(unused, bits)| (*unused, bits))? else {
        return None;
    };
    let mut numbers = element(&mut bits, SEQUENCE)?;
    let modulus = BigUint::from_bytes_be(element(&mut numbers, INTEGER)?);
    let exponent = BigUint::from_bytes_be(element(&mut numbers, INTEGER)?);
    let size = (modulus.bits() as usize).div_ceil(8);
    let sound = size <= KEY_BYTES_MAX && modulus.bit(0) && exponent.bits() <= 64;
    sound.then_some(Key {
        modulus,
        exponent,
        size,
    })
}

/// The content of the DER element of this type at the beginning of `bytes`, which is taken.
fn element<'a>(bytes: &mut &'a [u8], kind: u8) -> Option<&'a [u8]> {
    let (&[found, first], mut rest) = bytes.split_first_chunk()?;
    let len = match first {
        0..=0x7f => usize::from(first),
        0x81 | 0x82 => {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            rest = after;
            digits
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    (found == kind).then_some(content)
}

fn decode_pem(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, body) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = body.split_once("-----END PUBLIC KEY-----")?;
    let body: Vec<u8> = body
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let mut der = vec![0; crate::crypt::base64::decoded_len_max(body.len())];
    let len = crate::crypt::base64::decode(&body, &mut der).ok()?;
    der.truncate(len);
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A key pair of 1024 bits that was made for this test.
    const PEM: &[u8] = include_bytes!("rsa_test_key.pem");
    const PRIVATE_HEX: &[u8] = include_bytes!("rsa_test_private.hex");

    #[test]
    fn the_server_gets_the_password_back() {
        let scramble = *b"12345678abcdefghijkl";
        let password = b"a password longer than the scramble";
        let sent = encrypt_password(password, &scramble, PEM, [7; HASH_BYTES]).unwrap();
        let key = read_key(PEM).unwrap();
        assert_eq!(sent.len(), key.size);
        let private = BigUint::parse_bytes(PRIVATE_HEX.trim_ascii(), 16).unwrap();
        let opened = BigUint::from_bytes_be(&sent).modpow(&private, &key.modulus);
        let opened = opened.to_bytes_be();
        // The leading zero is no digit.
        let (seed, block) = opened.split_at(HASH_BYTES);
        let (mut seed, mut block) = (seed.to_vec(), block.to_vec());
        mask(&mut seed, &block);
        assert_eq!(seed, [7; HASH_BYTES]);
        mask(&mut block, &seed);
        let start = block
            .iter()
            .skip(HASH_BYTES)
            .position(|byte| *byte == 1)
            .unwrap();
        let secret: Vec<u8> = block[HASH_BYTES + start + 1..]
            .iter()
            .zip(scramble.iter().cycle())
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(secret, [password, &b"\0"[..]].concat());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let refused =
            |pem: &[u8]| encrypt_password(b"p", &[1; 20], pem, [0; HASH_BYTES]).unwrap_err();
        assert_eq!(refused(b""), KeyError::Key);
        assert_eq!(refused(&PEM[..PEM.len() / 2]), KeyError::Key);
        let empty = b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----";
        assert_eq!(refused(empty), KeyError::Key);
        let long = encrypt_password(&[b'p'; 200], &[1; 20], PEM, [0; HASH_BYTES]);
        assert_eq!(long, Err(KeyError::Long));
    }
}

//! The keys of a sealed file: from the passphrase to the file's key, from that to those of header and
//! payload.

use std::io;

use ring::aead::{self, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hkdf, hmac};

use super::{SALT, damaged};

/// The payload's key, and the count of chunks.
pub(super) struct Stream {
    pub(super) key: LessSafeKey,
    count: u64,
}

impl Stream {
    pub(super) fn new(file_key: &[u8], nonce: &[u8]) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, nonce);
        let secret = salt.extract(file_key);
        let okm = secret.expand(&[b"payload"], &CHACHA20_POLY1305);
        // 32 bytes, which HKDF always has.
        let key = UnboundKey::from(okm.expect("a key's length is in HKDF's range"));
        Self {
            key: LessSafeKey::new(key),
            count: 0,
        }
    }

    pub(super) fn next(&mut self, last: bool) -> io::Result<Nonce> {
        let mut nonce = [0; aead::NONCE_LEN];
        nonce[3..11].copy_from_slice(&self.count.to_be_bytes());
        nonce[11] = u8::from(last);
        self.count = self.count.checked_add(1).ok_or_else(damaged)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

pub(super) fn zero_nonce() -> Nonce {
    // The wrapping key is made of a fresh salt and used once.
    Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

pub(super) fn header_key(file_key: &[u8]) -> hmac::Key {
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(file_key);
    let okm = secret.expand(&[b"header"], hmac::HMAC_SHA256);
    okm.expect("a key's length is in HKDF's range").into()
}

pub(super) fn wrap_key(passphrase: &str, salt: &[u8; SALT], work: u8) -> io::Result<LessSafeKey> {
    let mut salted = b"age-encryption.org/v1/scrypt".to_vec();
    salted.extend_from_slice(salt);
    let mut key = [0; 32];
    let cost = scrypt::Params::new(work, 8, 1).map_err(io::Error::other)?;
    scrypt::scrypt(passphrase.as_bytes(), &salted, &cost, &mut key).map_err(io::Error::other)?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key);
    key.map(LessSafeKey::new)
        .map_err(|_| io::Error::other("the passphrase gives no key"))
}

pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}

//! What a client of SCRAM (RFC 5802, RFC 7677) computes: its proof that it knows the password, and the
//! signature by which it knows the server. The conversation around it is the driver's.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Rounds that a server may ask for. MongoDB asks for 15,000, careful ones for some 600,000; each costs
/// the client about half a microsecond, and a hostile server would ask for two thousand million.
pub const ROUNDS_MAX: u32 = 1_000_000;

/// The digest that all of an exchange is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SCRAM-SHA-1.
    Sha1,
    /// SCRAM-SHA-256.
    Sha256,
}

/// Results of this many bytes at most; SHA-1 has 20 of them.
const DIGEST_BYTES_MAX: usize = 32;

/// A digest's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    bytes: [u8; DIGEST_BYTES_MAX],
    len: usize,
}

impl Bytes {
    fn new(from: &[u8]) -> Self {
        let mut bytes = [0; DIGEST_BYTES_MAX];
        bytes[..from.len()].copy_from_slice(from);
        let len = from.len();
        Self { bytes, len }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn xor(&mut self, other: &Self) {
        for (byte, other) in self.bytes.iter_mut().zip(other.bytes) {
            *byte ^= other;
        }
    }
}

/// What both sides send at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the client sends as `p`.
    pub client: Bytes,
    /// What the server must send as `v`.
    pub server: Bytes,
}

/// The proof of a client whose password (prepared as the mechanism asks) is `password`, by the server's
/// salt and number of rounds. `auth_message` is the conversation so far. `None`: the server asks for
/// no rounds, or for more than [`ROUNDS_MAX`].
pub fn prove(
    hash: Hash,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    auth_message: &[u8],
) -> Option<Proof> {
    if rounds == 0 || rounds > ROUNDS_MAX {
        return None;
    }
    let salted = salted_password(hash, password, salt, rounds);
    let mut client = hash.authenticate(salted.as_slice(), b"Client Key");
    let stored = hash.digest(client.as_slice());
    client.xor(&hash.authenticate(stored.as_slice(), auth_message));
    let server_key = hash.authenticate(salted.as_slice(), b"Server Key");
    let server = hash.authenticate(server_key.as_slice(), auth_message);
    Some(Proof { client, server })
}

/// PBKDF2 (RFC 8018) for as many bytes as the digest has.
fn salted_password(hash: Hash, password: &[u8], salt: &[u8], rounds: u32) -> Bytes {
    match hash {
        Hash::Sha1 => rounds_of::<Hmac<Sha1>>(password, salt, rounds),
        Hash::Sha256 => rounds_of::<Hmac<Sha256>>(password, salt, rounds),
    }
}

fn rounds_of<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], rounds: u32) -> Bytes {
    let keyed = keyed::<M>(password);
    let mut last = Bytes::new(&finish(
        keyed
            .clone()
            .chain_update(salt)
            .chain_update(1_u32.to_be_bytes()),
    ));
    let mut all = last;
    for _ in 1..rounds {
        last = Bytes::new(&finish(keyed.clone().chain_update(last.as_slice())));
        all.xor(&last);
    }
    all
}

fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("an HMAC takes keys of every length")
}

fn finish<M: Mac>(code: M) -> hmac::digest::Output<M> {
    code.finalize().into_bytes()
}

impl Hash {
    /// The digest of `text`.
    pub fn digest(self, text: &[u8]) -> Bytes {
        match self {
            Self::Sha1 => Bytes::new(&Sha1::digest(text)),
            Self::Sha256 => Bytes::new(&Sha256::digest(text)),
        }
    }

    fn authenticate(self, key: &[u8], text: &[u8]) -> Bytes {
        match self {
            Self::Sha1 => Bytes::new(&finish(keyed::<Hmac<Sha1>>(key).chain_update(text))),
            Self::Sha256 => Bytes::new(&finish(keyed::<Hmac<Sha256>>(key).chain_update(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::base64;
    use super::*;

    fn decoded(text: &[u8]) -> Vec<u8> {
        let mut out = vec![0; base64::decoded_len_max(text.len())];
        let len = base64::decode(text, &mut out).unwrap();
        out.truncate(len);
        out
    }

    /// The example of RFC 5802, section 5.
    #[test]
    fn the_proof_of_sha_1_is_the_published_one() {
        let salt = decoded(b"QSXCR+Q6sek8bf92");
        let message = b"n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
        let proof = prove(Hash::Sha1, b"pencil", &salt, 4096, message).unwrap();
        assert_eq!(
            proof.client.as_slice(),
            decoded(b"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
        );
        assert_eq!(
            proof.server.as_slice(),
            decoded(b"rmF9pqV8S7suAoZWja4dJRkFsKQ=")
        );
    }

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_proof_of_sha_256_is_the_published_one() {
        let salt = decoded(b"W22ZaJ0SNY7soEsUEjb6gQ==");
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = prove(Hash::Sha256, b"pencil", &salt, 4096, message).unwrap();
        assert_eq!(
            proof.client.as_slice(),
            decoded(b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        );
        assert_eq!(
            proof.server.as_slice(),
            decoded(b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
    }

    #[test]
    fn rounds_without_end_are_refused() {
        assert_eq!(prove(Hash::Sha1, b"", b"", 0, b""), None);
        assert_eq!(prove(Hash::Sha1, b"", b"", ROUNDS_MAX + 1, b""), None);
    }
}

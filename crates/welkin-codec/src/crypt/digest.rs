//! The standard digests, each in one call.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

/// MD5 (RFC 1321).
pub fn md5(text: &[u8]) -> [u8; 16] {
    Md5::digest(text).into()
}

/// SHA-1 (RFC 3174).
pub fn sha1(text: &[u8]) -> [u8; 20] {
    Sha1::digest(text).into()
}

/// HMAC with MD5 (RFC 2104).
pub fn hmac_md5(key: &[u8], text: &[u8]) -> [u8; 16] {
    authenticate(Hmac::<Md5>::new_from_slice(key), text).into()
}

/// HMAC with SHA-1 (RFC 2104).
pub fn hmac_sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    authenticate(Hmac::<Sha1>::new_from_slice(key), text).into()
}

fn authenticate<M: Mac>(
    keyed: Result<M, hmac::digest::InvalidLength>,
    text: &[u8],
) -> hmac::digest::Output<M> {
    let mut code = keyed.expect("an HMAC takes keys of every length");
    code.update(text);
    code.finalize().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOX: &[u8] = b"The quick brown fox jumps over the lazy dog";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_are_the_published_ones() {
        assert_eq!(hex(&md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(&md5(FOX)), "9e107d9d372bb6826bd81d3542a419d6");
        assert_eq!(hex(&sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(
            hex(&sha1(b"abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
    }

    #[test]
    fn codes_take_keys_of_every_length() {
        let code = |key: &[u8], text: &[u8]| hex(&hmac_sha1(key, text));
        assert_eq!(
            code(b"key", FOX),
            "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"
        );
        assert_eq!(code(b"", b""), "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
        assert_eq!(
            code(&[b'k'; 64], b"x"),
            "2c31eadf68d9ba971ad29339d28ce725b03c11f6"
        );
        assert_eq!(
            code(&[b'k'; 65], b"x"),
            "7209aca75ec680871725fd309aa689746677dbd4"
        );
        let code = |key: &[u8]| hex(&hmac_md5(key, b"data"));
        assert_eq!(code(b"key"), "9d5c73ef85594d34ec4438b7c97e51d8");
        assert_eq!(code(&[b'k'; 80]), "c5555a7b5c7f347eac4e0a40ab462e48");
    }
}

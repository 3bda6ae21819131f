//! Logging in: the server's greeting, and the proofs that a client knows the password.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{Cursor, MysqlError};

/// Bytes of the scramble that count.
pub const SCRAMBLE_BYTES: usize = 20;
const VERSION: u8 = 10;

/// What a server says first.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Greeting<'a> {
    /// Its version, as text.
    pub version: &'a [u8],
    /// What makes the proof good for this connection only.
    pub scramble: [u8; SCRAMBLE_BYTES],
    /// What it can, in bits.
    pub capabilities: u32,
    /// How it wants to be convinced; empty: it does not say.
    pub plugin: &'a [u8],
}

/// Reads the body of the first packet, which is no [`super::Failure`].
pub fn read_greeting(body: &[u8]) -> Result<Greeting<'_>, MysqlError> {
    let mut cursor = Cursor(body);
    match cursor.u8()? {
        VERSION => {}
        other => return Err(MysqlError::Version(other)),
    }
    let version = cursor.zero_ended();
    cursor.u32()?; // number of the connection
    let mut scramble = [0; SCRAMBLE_BYTES];
    scramble[..8].copy_from_slice(cursor.bytes(8)?);
    cursor.u8()?;
    let low = cursor.u16()?;
    let mut greeting = Greeting {
        version,
        scramble,
        capabilities: low.into(),
        plugin: b"",
    };
    if cursor.0.is_empty() {
        return Ok(greeting);
    }
    cursor.bytes(3)?; // character set, status
    greeting.capabilities |= u32::from(cursor.u16()?) << 16;
    // The length of the scramble is 21 always; then nothing of use.
    cursor.bytes(11)?;
    greeting.scramble[8..].copy_from_slice(cursor.bytes(12)?);
    // Its zero, which is sometimes missing.
    let _ = cursor.u8();
    greeting.plugin = cursor.zero_ended();
    Ok(greeting)
}

/// `mysql_native_password`: `sha1(password) xor sha1(scramble sha1(sha1(password)))`; nothing for no password.
pub fn native_token(password: &[u8], scramble: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let mask = Sha1::new()
        .chain_update(scramble)
        .chain_update(twice)
        .finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

/// `caching_sha2_password`: `sha256(password) xor sha256(sha256(sha256(password)) scramble)`.
pub fn caching_sha2_token(password: &[u8], scramble: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    let mask = Sha256::new()
        .chain_update(twice)
        .chain_update(scramble)
        .finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn tokens_are_those_of_the_server() {
        let token = native_token(b"p", b"12345678abcdefghijkl");
        assert_eq!(hex(&token), "78b510aec814e183a902c2758973fa4d15edd1cf");
        assert!(native_token(b"", b"12345678abcdefghijkl").is_empty());
        let token = caching_sha2_token(b"p", b"12345678abcdefghijkl");
        assert_eq!(
            hex(&token),
            "5721ae607752bd3032a467f827b49490996db0a5460b23d802dfffeb0b48e419"
        );
        assert!(caching_sha2_token(b"", b"12345678abcdefghijkl").is_empty());
    }

    #[test]
    fn a_greeting_is_read_as_far_as_it_goes() {
        let body = b"\x0a5.5.5-10.11\0\x01\0\0\x0012345678\0\xff\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0";
        let greeting = read_greeting(body).unwrap();
        assert_eq!(greeting.version, b"5.5.5-10.11");
        assert_eq!(&greeting.scramble, b"12345678abcdefghijkl");
        assert_eq!(greeting.capabilities, 0x81ff_f7ff);
        assert_eq!(greeting.plugin, b"mysql_native_password");
        for cut in 0..body.len() {
            // Any result, no panic.
            let _ = read_greeting(&body[..cut]);
        }
        assert_eq!(read_greeting(b"\x09"), Err(MysqlError::Version(9)));
    }
}

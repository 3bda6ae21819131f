//! Encryption by a passphrase, in the format of age, version 1 (<https://age-encryption.org/v1>): what is
//! written here is opened by `age -d`, what `age -p` wrote is opened here.
//!
//! ```text
//! age-encryption.org/v1
//! -> scrypt <salt> <log2 of the work>
//! <the file key, wrapped by a key made of passphrase and salt>
//! --- <HMAC of the lines above>
//! 16 bytes of nonce, then chunks of 64 KiB, each with a tag of 16 bytes (ChaCha20-Poly1305)
//! ```
//!
//! A chunk's nonce counts and says whether it is the last one, so that a part of a file is not taken for
//! the whole.

mod keys;
mod open;
#[cfg(test)]
mod tests;
mod write;

use std::io;

use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

pub use open::Opener;
pub use write::Sealer;

const VERSION_LINE: &str = "age-encryption.org/v1";
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const SALT: usize = 16;
const FILE_KEY: usize = 16;
const STREAM_NONCE: usize = 16;
/// 64 MiB and a fifth of a second; age's own takes four times that, more than a master should.
const WORK: u8 = 16;
/// A file that asks for more (1 GiB) is not worked on.
const WORK_MAX: u8 = 20;

/// Why a sealed file is not opened.
#[derive(Debug)]
pub enum SealError {
    /// It is not of this format, or not sealed by a passphrase.
    Foreign(&'static str),
    /// The passphrase is another.
    Passphrase,
    /// It was sealed by this passphrase and is not as it was written.
    Damaged,
    /// Reading or writing failed.
    Io(io::Error),
}

impl From<io::Error> for SealError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged or cut off")
}

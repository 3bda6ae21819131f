//! Logins that need arithmetic on public keys, and with it the largest dependencies of this crate: a build
//! without the feature `mysql-keys` has `keys/absent.rs` instead.

mod ed25519;
mod rsa;

use super::KeyError;

pub use rsa::encrypt_password;

/// `client_ed25519` of MariaDB: the scramble signed by Ed25519 (RFC 8032), where SHA-512 of the password
/// itself, of whatever length, stands for that of the secret key.
pub fn ed25519_token(password: &[u8], scramble: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(ed25519::sign(password, scramble).to_vec())
}

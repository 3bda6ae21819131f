//! Stands in for `keys.rs` in a build without the feature `mysql-keys`: no login of that kind succeeds.

use super::KeyError;

/// Fails.
pub fn ed25519_token(_password: &[u8], _scramble: &[u8]) -> Result<Vec<u8>, KeyError> {
    Err(KeyError::Absent)
}

/// Fails.
pub fn encrypt_password(
    _password: &[u8],
    _scramble: &[u8],
    _pem: &[u8],
    _seed: [u8; 20],
) -> Result<Vec<u8>, KeyError> {
    Err(KeyError::Absent)
}

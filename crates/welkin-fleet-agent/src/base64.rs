//! Secrets travel as base64, as JSON has no bytes.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;

/// The bytes; the error does not show the text.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text)
        .map_err(|_| "the content is no base64".to_owned())
}

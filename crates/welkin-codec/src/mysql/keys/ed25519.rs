//! Signatures whose secret is a password.

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::{Digest, Sha512};

/// The signature of `text` under the key that SHA-512 makes of `secret`, of whatever length.
pub fn sign(secret: &[u8], text: &[u8]) -> [u8; 64] {
    let secret = ExpandedSecretKey::from_bytes(&Sha512::digest(secret).into());
    let public = VerifyingKey::from(&secret);
    raw_sign::<Sha512>(&secret, text, &public).to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, section 7.1, test 2: there too the secret is hashed as it is.
    #[test]
    fn a_text_is_signed_as_the_standard_says() {
        let secret = b"\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
        let signature: String = sign(secret, b"\x72")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            signature,
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }
}

//! What must hold for every text that base64, hexadecimal digits or DES are read from. The property
//! tests and the fuzz target share this file.

use welkin_codec::crypt::des::{self, Padding};
use welkin_codec::crypt::{CryptError, base64, cipher_feedback, hex};

/// Reading any bytes ends without a panic, within the room promised, and what is read is written
/// again as something that reads the same.
pub fn check_any_bytes(bytes: &[u8]) {
    check_base64(bytes);
    check_hex(bytes);
    check_des(bytes);
    check_cipher_feedback(bytes);
}

fn check_base64(text: &[u8]) {
    let mut out = vec![0; base64::decoded_len_max(text.len())];
    if let Ok(len) = base64::decode(text, &mut out) {
        assert_eq!(decoded(&encoded(&out[..len])), Ok(out[..len].to_vec()));
    }
    assert_eq!(decoded(&encoded(text)), Ok(text.to_vec()));
}

/// The base64 form of `bytes`.
pub fn encoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; base64::encoded_len(bytes.len())];
    base64::encode(bytes, &mut out);
    out
}

/// What a base64 text stands for.
pub fn decoded(text: &[u8]) -> Result<Vec<u8>, CryptError> {
    let mut out = vec![0; base64::decoded_len_max(text.len())];
    let len = base64::decode(text, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn check_hex(text: &[u8]) {
    let mut out = vec![0; text.len() / 2];
    if hex::decode(text, &mut out).is_ok() {
        let mut again = vec![0; text.len()];
        hex::encode(&out, &mut again);
        assert_eq!(again, text);
    }
    let (mut digits, mut back) = (vec![0; text.len() * 2], vec![0; text.len()]);
    hex::encode(text, &mut digits);
    hex::decode(&digits, &mut back).expect("digits are read back");
    assert_eq!(back, text);
}

fn check_des(text: &[u8]) {
    let key = *b"\x01\x23\x45\x67\x89\xab\xcd\xef";
    for padding in [Padding::Iso7816_4, Padding::Pkcs7] {
        let mut out = vec![0; text.len()];
        if let Ok(len) = des::decode(key, text, padding, &mut out) {
            let mut again = vec![0; des::encoded_len(len)];
            des::encode(key, &out[..len], padding, &mut again);
            assert_eq!(again, text);
        }
        let mut sealed = vec![0; des::encoded_len(text.len())];
        des::encode(key, text, padding, &mut sealed);
        let mut back = vec![0; sealed.len()];
        let len = des::decode(key, &sealed, padding, &mut back).expect("it is padded");
        assert_eq!(&back[..len], text);
    }
}

fn check_cipher_feedback(text: &[u8]) {
    let key = &text[..text.len().min(cipher_feedback::KEY_BYTES_MAX)];
    if let Some(parts) = cipher_feedback::parts(text) {
        let mut out = vec![0; parts.1.len()];
        cipher_feedback::decrypt(parts, key, &mut out);
        let mut again = vec![0; text.len()];
        cipher_feedback::encrypt(&out, key, parts.0, &mut again);
        assert_eq!(again, text);
    }
}

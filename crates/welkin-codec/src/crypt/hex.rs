//! Bytes as hexadecimal digits, always small letters.

use super::CryptError;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes two digits for each byte into `out`, which is twice as long as `bytes`.
pub fn encode(bytes: &[u8], out: &mut [u8]) {
    assert_eq!(out.len(), bytes.len() * 2, "two digits a byte");
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (byte, pair) in bytes.iter().zip(pairs) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
}

/// Writes the bytes that `text` stands for into `out`, which is half as long as an even `text`.
pub fn decode(text: &[u8], out: &mut [u8]) -> Result<(), CryptError> {
    let (pairs, odd) = text.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(CryptError::HexSize(text.len()));
    }
    assert_eq!(out.len(), pairs.len(), "one byte for two digits");
    for (&[high, low], byte) in pairs.iter().zip(out) {
        *byte = value(high)? << 4 | value(low)?;
    }
    Ok(())
}

fn value(digit: u8) -> Result<u8, CryptError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(CryptError::HexText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_small_digits_stand_for_a_byte() {
        let mut text = [0; 6];
        encode(&[0, 0xff, 0x1a], &mut text);
        assert_eq!(&text, b"00ff1a");
        let mut bytes = [0; 3];
        decode(&text, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0xff, 0x1a]);
    }

    #[test]
    fn all_other_bytes_are_refused() {
        assert_eq!(decode(b"abc", &mut [0]), Err(CryptError::HexSize(3)));
        for text in [b"AB", b"0g", b"W0", b"0`", b"/0", b"0:", b" 0"] {
            assert_eq!(decode(text, &mut [0]), Err(CryptError::HexText));
        }
    }
}

//! Single DES over whole texts: each block by itself (ECB), the last one padded.
//!
//! A padding is always there, a block of its own when the text fills its blocks.

use des::Des;
use des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use super::CryptError;

const BLOCK: usize = 8;

/// How the last block is filled; the numbers are the ones programs give.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Padding {
    /// 0x80, then zeros (ISO 7816-4).
    Iso7816_4 = 0,
    /// As many bytes as are missing, each of which is their number (PKCS #7).
    Pkcs7 = 1,
}

impl Padding {
    /// The padding with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Iso7816_4),
            1 => Some(Self::Pkcs7),
            _ => None,
        }
    }

    fn fill(self, room: &mut [u8]) {
        match self {
            Self::Iso7816_4 => {
                room.fill(0);
                room[0] = 0x80;
            }
            Self::Pkcs7 => room.fill(room.len() as u8),
        }
    }

    /// How many bytes of the last block are padding.
    fn length(self, block: [u8; BLOCK]) -> Option<usize> {
        match self {
            Self::Iso7816_4 => {
                let marker = block.iter().rposition(|&byte| byte != 0)?;
                (block[marker] == 0x80).then_some(BLOCK - marker)
            }
            Self::Pkcs7 => {
                let count = block[BLOCK - 1];
                let length = usize::from(count);
                let padding = block.get(BLOCK.checked_sub(length)?..)?;
                (length > 0 && padding.iter().all(|&byte| byte == count)).then_some(length)
            }
        }
    }
}

/// Size of the enciphered form of `len` bytes.
pub const fn encoded_len(len: usize) -> usize {
    (len / BLOCK + 1) * BLOCK
}

/// Writes the enciphered `text` into `out`, whose size is [`encoded_len`].
pub fn encode(key: [u8; 8], text: &[u8], padding: Padding, out: &mut [u8]) {
    assert_eq!(out.len(), encoded_len(text.len()), "room as asked for");
    let cipher = Des::new(&key.into());
    out[..text.len()].copy_from_slice(text);
    padding.fill(&mut out[text.len()..]);
    let (blocks, _) = out.as_chunks_mut::<BLOCK>();
    for block in blocks {
        cipher.encrypt_block(block.into());
    }
}

/// Whether an enciphered text can have this size.
pub fn check_size(size: usize) -> Result<(), CryptError> {
    match size > 0 && size.is_multiple_of(BLOCK) {
        true => Ok(()),
        false => Err(CryptError::DesSize(size)),
    }
}

/// Writes the deciphered `text` into `out`, which is as long, and gives the size without the padding.
pub fn decode(
    key: [u8; 8],
    text: &[u8],
    padding: Padding,
    out: &mut [u8],
) -> Result<usize, CryptError> {
    check_size(text.len())?;
    out.copy_from_slice(text);
    let cipher = Des::new(&key.into());
    let (blocks, _) = out.as_chunks_mut::<BLOCK>();
    for block in &mut *blocks {
        cipher.decrypt_block(block.into());
    }
    let padded = blocks.last().and_then(|last| padding.length(*last));
    Ok(text.len() - padded.ok_or(CryptError::DesText)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    fn encoded(key: [u8; 8], text: &[u8], padding: Padding) -> Vec<u8> {
        let mut out = vec![0; encoded_len(text.len())];
        encode(key, text, padding, &mut out);
        out
    }

    #[test]
    fn known_texts_are_enciphered_as_known() {
        let check = |text: &[u8], padding, number: u64| {
            assert_eq!(encoded(KEY, text, padding), number.to_be_bytes());
        };
        check(b"", Padding::Iso7816_4, 0x384c_312b_2a80_7fe6);
        check(b"", Padding::Pkcs7, 0x8207_ea5d_3e19_a5fd);
        check(b"a", Padding::Iso7816_4, 0xea05_bb52_49b3_d910);
        check(b"a", Padding::Pkcs7, 0xf719_ab45_976c_89e7);
        check(b"1234567", Padding::Iso7816_4, 0x46b1_2a6b_6956_a553);
        check(b"1234567", Padding::Pkcs7, 0x5f23_49e6_0bff_2729);
        let key = 0x1334_5779_9bbc_dff1u64.to_be_bytes();
        let text = 0x0123_4567_89ab_cdefu64.to_be_bytes();
        let known = 0x85e8_1354_0f0a_b405u64.to_be_bytes();
        assert_eq!(encoded(key, &text, Padding::Iso7816_4)[..8], known);
    }

    #[test]
    fn a_text_that_is_not_whole_blocks_is_refused() {
        for size in [0, 7, 9] {
            let (text, mut out) = (vec![0; size], vec![0; size]);
            let error = decode(KEY, &text, Padding::Pkcs7, &mut out);
            assert_eq!(error, Err(CryptError::DesSize(size)));
        }
    }

    #[test]
    fn the_end_of_a_text_is_its_padding_or_an_error() {
        let iso = |block: &[u8; 8]| Padding::Iso7816_4.length(*block);
        assert_eq!(iso(b"abc\x80\0\0\0\0"), Some(5));
        assert_eq!(iso(b"\x80\0\0\0\0\0\0\0"), Some(8));
        assert_eq!(iso(b"abcdefg\x80"), Some(1));
        assert_eq!(iso(&[0; 8]), None);
        assert_eq!(iso(b"abc\x80\0\0\0\x01"), None);
        let pkcs7 = |block: &[u8; 8]| Padding::Pkcs7.length(*block);
        assert_eq!(pkcs7(b"abcde\x03\x03\x03"), Some(3));
        assert_eq!(pkcs7(&[8; 8]), Some(8));
        assert_eq!(pkcs7(b"abcde\x01\x03\x03"), None);
        assert_eq!(pkcs7(b"abcdefg\0"), None);
        assert_eq!(pkcs7(&[9; 8]), None);
        assert_eq!(pkcs7(&[0xff; 8]), None);
    }
}

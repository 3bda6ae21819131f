//! Base64 with the standard alphabet, read as leniently and as strictly as skynet reads it.
//!
//! Within a group of four, bytes outside of the alphabet are skipped; at the end of the text missing
//! `=` are supplied; after a padded group another may follow. An error is a group without a whole byte
//! (the line end after a complete last group begins one), a letter behind `=`, and bits that are set
//! and belong to no byte. No crate reads by these rules, hence own code.

use super::CryptError;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// In [`VALUES`]: not a letter of the alphabet.
const NONE: u8 = 0xff;

/// Value of each letter.
static VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// Size of the encoded form of `len` bytes.
pub const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

/// Writes the encoded form of `bytes` into `out`, whose size is [`encoded_len`].
pub fn encode(bytes: &[u8], out: &mut [u8]) {
    assert_eq!(out.len(), encoded_len(bytes.len()), "room as asked for");
    let letter = |bits: u32| ALPHABET[(bits & 63) as usize];
    let (triples, rest) = bytes.as_chunks::<3>();
    let (groups, _) = out.as_chunks_mut::<4>();
    for (&[a, b, c], group) in triples.iter().zip(groups.iter_mut()) {
        let bits = u32::from_be_bytes([0, a, b, c]);
        *group = [
            letter(bits >> 18),
            letter(bits >> 12),
            letter(bits >> 6),
            letter(bits),
        ];
    }
    if let Some(last) = groups.get_mut(triples.len()) {
        let bits = match *rest {
            [a] => u32::from(a) << 16,
            [a, b] => u32::from_be_bytes([0, a, b, 0]),
            _ => unreachable!("a group is left only for one or two bytes"),
        };
        *last = [letter(bits >> 18), letter(bits >> 12), b'=', b'='];
        if rest.len() == 2 {
            last[2] = letter(bits >> 6);
        }
    }
}

/// Most bytes that a text of `len` letters decodes to.
pub const fn decoded_len_max(len: usize) -> usize {
    len.div_ceil(4) * 3
}

/// Writes what `text` stands for into `out` (of at least [`decoded_len_max`]) and gives its size.
pub fn decode(text: &[u8], out: &mut [u8]) -> Result<usize, CryptError> {
    let (mut rest, mut len) = (text, 0);
    while !rest.is_empty() {
        let (read, wrote) = decode_plain(rest, &mut out[len..]);
        rest = &rest[read..];
        len += wrote;
        if !rest.is_empty() {
            let (group, bytes) = next_group(&mut rest)?;
            out[len..len + bytes].copy_from_slice(&group[..bytes]);
            len += bytes;
        }
    }
    Ok(len)
}

/// Decodes groups of four letters with nothing between: how much was read and written.
fn decode_plain(text: &[u8], out: &mut [u8]) -> (usize, usize) {
    let (groups, _) = text.as_chunks::<4>();
    let (triples, _) = out.as_chunks_mut::<3>();
    let mut count = 0;
    for (group, triple) in groups.iter().zip(triples) {
        let [a, b, c, d] = group.map(|letter| VALUES[usize::from(letter)]);
        if (a | b | c | d) == NONE {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        let [_, bytes @ ..] = bits.to_be_bytes();
        *triple = bytes;
        count += 1;
    }
    (count * 4, count * 3)
}

/// Takes one group off `text`; its bytes and how many there are.
fn next_group(text: &mut &[u8]) -> Result<([u8; 3], usize), CryptError> {
    let (mut bits, mut letters, mut pads) = (0u32, 0, 0);
    while letters + pads < 4
        && let Some((&byte, rest)) = text.split_first()
    {
        *text = rest;
        match VALUES[usize::from(byte)] {
            NONE if byte == b'=' => pads += 1,
            NONE => {}
            _ if pads > 0 => return Err(CryptError::Base64),
            value => {
                bits |= u32::from(value) << (18 - 6 * letters);
                letters += 1;
            }
        }
    }
    let [_, bytes @ ..] = bits.to_be_bytes();
    match letters {
        2 if bits & 0xffff == 0 => Ok((bytes, 1)),
        3 if bits & 0xff == 0 => Ok((bytes, 2)),
        4 => Ok((bytes, 3)),
        _ => Err(CryptError::Base64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut out = vec![0; encoded_len(bytes.len())];
        encode(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = vec![0; decoded_len_max(text.len())];
        let len = decode(text.as_bytes(), &mut out).ok()?;
        out.truncate(len);
        Some(out)
    }

    #[test]
    fn the_encoded_form_is_the_standard_one() {
        for (bytes, text) in [
            ("", ""),
            ("a", "YQ=="),
            ("ab", "YWI="),
            ("abc", "YWJj"),
            ("abcd", "YWJjZA=="),
        ] {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encoded(&[0xff, 0, 0x10].repeat(3)), "/wAQ/wAQ/wAQ");
    }

    #[test]
    fn what_is_no_letter_is_skipped_within_a_group() {
        for text in ["Y Q#=\t=", "YQ", "YQ=", " \nYQ==", "YQ=\n="] {
            assert_eq!(decoded(text).as_deref(), Some(b"a".as_slice()), "{text:?}");
        }
        assert_eq!(decoded("YQ==YWI=").as_deref(), Some(b"aab".as_slice()));
        assert_eq!(decoded("YWJj\nYWJj").as_deref(), Some(b"abcabc".as_slice()));
    }

    #[test]
    fn a_group_without_a_byte_and_bits_that_belong_to_none_are_errors() {
        for text in [
            "Y", "Y===", "====", "=", "YR==", "YWJ=", "YWJj=", "YWJj\n", "-_==", "Y=Q=", "YQ=Y",
            "YQ==\n",
        ] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }
}

//! Questions about all bytes of a short text, eight at a time. Names and most texts are shorter than what
//! a loop over them, or a call to a function made for long ones, takes.

/// The lowest bit of each byte.
pub const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
pub const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Whether `holds` is true of all words that together are the text. Words overlap where they do not fit,
/// and the bytes behind a text of less than eight are `fill`.
#[inline]
pub fn all_words(text: &[u8], fill: u8, holds: impl Fn(u64) -> bool) -> bool {
    if let Some(last) = text.last_chunk::<8>() {
        let (words, _) = text.as_chunks::<8>();
        let mut words = words.iter().chain([last]);
        return words.all(|word| holds(u64::from_le_bytes(*word)));
    }
    let fill = ONES * u64::from(fill);
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let halves = [*first, *last].map(|half| u64::from(u32::from_le_bytes(half)));
        return holds(halves[0] | halves[1] << 32);
    }
    match *text {
        [] => true,
        [a] => holds(fill << 8 | u64::from(a)),
        [a, b] => holds(fill << 16 | u64::from(u16::from_le_bytes([a, b]))),
        [a, b, c, ..] => holds(fill << 24 | u64::from(u32::from_le_bytes([a, b, c, 0]))),
    }
}

/// Where the first zero byte of the word is, its lowest byte being the first.
#[inline]
fn zero_of(word: u64) -> Option<usize> {
    // The lowest bit that is set belongs to the first zero; those above may be others' borrow.
    let zeros = word.wrapping_sub(ONES) & !word & HIGHS;
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

/// Where the first zero byte is.
#[inline(always)] // what is behind the first word is not
pub fn first_zero(bytes: &[u8]) -> Option<usize> {
    match bytes.first_chunk::<8>() {
        Some(word) => match zero_of(u64::from_le_bytes(*word)) {
            None => first_zero_behind(bytes),
            found => found,
        },
        None => first_zero_of_few(bytes),
    }
}

/// Not within the first word.
#[cold]
fn first_zero_behind(bytes: &[u8]) -> Option<usize> {
    let mut at = 8;
    while let Some(word) = bytes[at..].first_chunk::<8>() {
        if let Some(found) = zero_of(u64::from_le_bytes(*word)) {
            return Some(at + found);
        }
        at += 8;
    }
    first_zero_of_few(&bytes[at..]).map(|found| at + found)
}

/// Of less than eight bytes, as at the end of a document.
#[inline]
fn first_zero_of_few(bytes: &[u8]) -> Option<usize> {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        let behind = 8 * (bytes.len() as u32 - 4);
        return zero_of(first | last << behind | u64::MAX << 32 << behind);
    }
    bytes.iter().position(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_asked_about_once_or_more() {
        for len in 0..40 {
            let mut text = vec![b'a'; len];
            let is_ascii = |text: &[u8]| all_words(text, 1, |word| word & HIGHS == 0);
            assert!(is_ascii(&text), "{len}");
            for at in 0..len {
                text[at] = 0x80;
                assert!(!is_ascii(&text), "{at} of {len}");
                text[at] = b'a';
            }
        }
    }

    #[test]
    fn the_first_zero_is_found() {
        for len in 0..20 {
            let mut bytes = vec![1; len];
            assert_eq!(first_zero(&bytes), None);
            for at in (0..len).rev() {
                bytes[at] = 0;
                assert_eq!(first_zero(&bytes), Some(at), "{len}");
            }
        }
    }
}

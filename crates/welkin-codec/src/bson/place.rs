//! The names of an array's elements as they are read: `0`, `1`, `2`.
//!
//! Servers write nothing else, so a name is not read digit by digit but compared with the one that is due,
//! in one word together with the zero behind it.

/// Digits of the longest name that fits into a word with its zero.
const DIGITS_MAX: u32 = 7;

/// The name that is due, and its number.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The name, its first digit lowest, and zeros.
    word: u64,
    /// The bits of the name and of the zero behind it.
    mask: u64,
    /// What the word grows by: a one in its last digit.
    step: u64,
    /// How many digits; once there are more than [`DIGITS_MAX`], neither they nor the word count on.
    digits: u32,
    number: i64,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            word: b'0'.into(),
            mask: 0xffff,
            step: 1,
            digits: 1,
            number: 0,
        }
    }
}

impl Place {
    /// The number of the name that is due.
    #[inline]
    pub fn number(&self) -> i64 {
        self.number
    }

    /// Bytes of the name that is due if `bytes` are it and a zero, and whatever stands behind. `None` also
    /// for a name that is too long for them.
    #[inline]
    pub fn matches(&self, bytes: [u8; 8]) -> Option<usize> {
        let differ = (u64::from_le_bytes(bytes) ^ self.word) & self.mask;
        (differ == 0 && self.digits <= DIGITS_MAX).then_some(self.digits as usize)
    }

    /// Goes on to the next name.
    #[inline]
    pub fn advance(&mut self) {
        self.number += 1;
        self.word = self.word.wrapping_add(self.step);
        // The last digit is the highest.
        if self.word >= self.step.wrapping_mul(u64::from(b'9' + 1)) {
            self.carry();
        }
    }

    /// After the last digit has passed 9.
    fn carry(&mut self) {
        if self.digits > DIGITS_MAX {
            return;
        }
        let mut step = self.step;
        loop {
            self.word -= step * 10;
            if step == 1 {
                break;
            }
            step >>= 8;
            self.word += step;
            if (self.word / step) as u8 <= b'9' {
                return;
            }
        }
        self.digits += 1;
        self.word = self.word << 8 | u64::from(b'1');
        self.mask = self.mask << 8 | 0xff;
        self.step <<= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, fill: u8) -> [u8; 8] {
        let mut bytes = [fill; 8];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn the_due_name_is_known_and_no_other() {
        let mut place = Place::default();
        for number in 0..12_345 {
            assert_eq!(place.number(), number);
            let name = number.to_string();
            assert_eq!(
                place.matches(word(&format!("{name}\0"), b'0')),
                Some(name.len())
            );
            assert_eq!(place.matches(word(&name, b'0')), None);
            assert_eq!(place.matches(word(&(number + 1).to_string(), 0)), None);
            assert_eq!(place.matches([0; 8]), None);
            place.advance();
        }
    }

    #[test]
    fn names_too_long_for_a_word_are_unknown() {
        let mut place = Place {
            word: u64::from_le_bytes(word("9999999", 0)),
            mask: u64::MAX,
            step: 1 << 48,
            digits: 7,
            number: 9_999_999,
        };
        assert_eq!(place.matches(word("9999999", 0)), Some(7));
        for number in 10_000_000..10_000_012 {
            place.advance();
            assert_eq!(place.number(), number);
            assert_eq!(place.matches(word(&number.to_string(), 0)), None);
        }
    }
}

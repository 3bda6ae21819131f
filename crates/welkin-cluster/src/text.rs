//! The words of launch texts. Names of nodes and services may hold any bytes, so `clusterd` writes what
//! a text cannot hold as `%` and two hex digits.

/// The words between blanks.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// A decimal number.
pub fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The bytes that a word stands for.
pub fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.split_at_checked(2).filter(|_| first == b'%');
        let escaped = digits.and_then(|(digits, behind)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, behind))
        });
        let (byte, behind) = escaped.unwrap_or((first, behind));
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_can_be_written_as_a_word() {
        assert_eq!(unescaped(b"@svc"), b"@svc");
        assert_eq!(unescaped(b"a%20b%00%25"), b"a b\0%");
        assert_eq!(unescaped(b"%"), b"%");
        assert_eq!(unescaped(b"%2"), b"%2");
        assert_eq!(unescaped(b"%zz"), b"%zz");
    }
}

//! Words and numbers as the gate's texts have them: read as C's `scanf` and `strtol` read them, since
//! programs write these texts for those.

use welkin_runtime::{Address, Node};

/// The words between blanks.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// The number that a word begins with; what follows it is ignored. `None`: no digit, or too large.
pub fn number(word: &[u8]) -> Option<i32> {
    let unsigned = word.strip_prefix(b"-").or(word.strip_prefix(b"+"));
    let digits = leading(unsigned.unwrap_or(word), u8::is_ascii_digit);
    let value: i32 = digits.parse().ok()?;
    Some(if word[0] == b'-' { -value } else { value })
}

/// `:hex`. `None`: it is no address; `:0` is one, nobody's.
pub fn address(word: &[u8]) -> Option<Address> {
    let digits = leading(word.strip_prefix(b":")?, u8::is_ascii_hexdigit);
    u32::from_str_radix(digits, 16).ok().map(Address)
}

/// The service that `:hex` or `.name` means.
pub fn service(node: &Node, word: &[u8]) -> Option<Address> {
    match word.strip_prefix(b".") {
        Some(name) => node.name_query(name),
        None => address(word).filter(|address| !address.is_none()),
    }
}

fn leading(text: &[u8], wanted: fn(&u8) -> bool) -> &str {
    let end = text.iter().take_while(|byte| wanted(byte)).count();
    std::str::from_utf8(&text[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_ends_where_its_digits_do() {
        assert_eq!(number(b"12ab"), Some(12));
        assert_eq!(number(b"-1"), Some(-1));
        for none in [&b""[..], b"x", b"-", b"--1", b"2147483648"] {
            assert_eq!(number(none), None);
        }
    }

    #[test]
    fn a_service_has_an_address_or_a_local_name() {
        let node = Node::builder().build();
        node.name_register(b"a", Address(9));
        assert_eq!(service(&node, b".a"), Some(Address(9)));
        assert_eq!(service(&node, b":1F"), Some(Address(31)));
        for none in [&b""[..], b".b", b"a", b":", b":0", b":123456789"] {
            assert_eq!(service(&node, none), None);
        }
    }
}

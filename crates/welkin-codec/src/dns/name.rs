//! Names: labels, each behind its length, up to an empty one. A reply shortens them: two bytes that
//! begin with the bits 11 say where in the message the name goes on.

use super::{Cursor, DnsError};

const LABEL_BYTES_MAX: usize = 63;
/// With the lengths and the empty label (RFC 1035, section 3.1).
const NAME_BYTES_MAX: usize = 255;

const KIND_BITS: u8 = 0xc0;
const POINTER: u8 = 0xc0;
const LABEL: u8 = 0x00;

/// Appends `name`, given with dots between its labels.
pub(super) fn write(message: &mut Vec<u8>, name: &[u8]) -> Result<(), DnsError> {
    // A length for the first label, the final empty label.
    if name.len() + 2 > NAME_BYTES_MAX {
        return Err(DnsError::Name);
    }
    for label in name.split(|byte| *byte == b'.') {
        if label.is_empty() || label.len() > LABEL_BYTES_MAX {
            return Err(DnsError::Name);
        }
        message.push(label.len() as u8);
        message.extend(label);
    }
    message.push(0);
    Ok(())
}

/// Reads the name at the cursor, in small letters with dots between its labels, and goes behind it.
///
/// A dot inside a label becomes a byte that no name to ask for has, so that the text is never mistaken
/// for that of another name.
pub(super) fn read(from: &mut Cursor<'_>) -> Result<Vec<u8>, DnsError> {
    let mut text = Vec::new();
    let mut cursor = *from;
    let mut jumped = false;
    // Each pointer leads before where the part it ends began, so this gets smaller with each.
    let mut part = cursor.at;
    loop {
        let length = cursor.byte()?;
        match length & KIND_BITS {
            LABEL => {
                let label = cursor.take(length.into())?;
                if !jumped {
                    from.at = cursor.at;
                }
                if label.is_empty() {
                    text.pop();
                    return Ok(text);
                }
                text.extend(label.iter().map(|byte| match byte {
                    b'.' => b'\\',
                    other => other.to_ascii_lowercase(),
                }));
                text.push(b'.');
                if text.len() + 1 > NAME_BYTES_MAX {
                    return Err(DnsError::Compression);
                }
            }
            POINTER => {
                let low = cursor.byte()?;
                if !jumped {
                    from.at = cursor.at;
                }
                let target = usize::from(length & !KIND_BITS) << 8 | usize::from(low);
                if target >= part {
                    return Err(DnsError::Compression);
                }
                jumped = true;
                part = target;
                cursor.at = target;
            }
            _ => return Err(DnsError::Compression),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(message: &[u8], at: usize) -> Result<(String, usize), DnsError> {
        let mut cursor = Cursor { message, at };
        let text = read(&mut cursor)?;
        Ok((String::from_utf8(text).unwrap(), cursor.at))
    }

    #[test]
    fn a_shortened_name_goes_on_where_it_points() {
        let message = b"\x03COM\0\x01a\xc0\0\x01b\xc0\x05!";
        assert_eq!(read_at(message, 0), Ok(("com".into(), 5)));
        assert_eq!(read_at(message, 5), Ok(("a.com".into(), 9)));
        assert_eq!(read_at(message, 9), Ok(("b.a.com".into(), 13)));
    }

    #[test]
    fn names_that_point_at_themselves_or_forward_are_refused() {
        for message in [
            &b"\xc0\0"[..],
            b"\x01a\xc0\0",
            b"\xc0\x02\xc0\0",
            b"\xc0\x03\0\0",
        ] {
            assert_eq!(
                read_at(message, 0),
                Err(DnsError::Compression),
                "{message:x?}"
            );
        }
        assert_eq!(read_at(b"\xc0\x02\xc0\0", 2), Err(DnsError::Compression));
    }

    #[test]
    fn names_that_are_cut_too_long_or_of_another_kind_are_refused() {
        for message in [&b""[..], b"\x01", b"\x02a", b"\x01a", b"\xc0"] {
            assert_eq!(read_at(message, 0), Err(DnsError::Cut), "{message:x?}");
        }
        assert_eq!(read_at(b"\x41a\0", 0), Err(DnsError::Compression));
        let long = [&b"\x3f"[..], &[b'x'; 63]].concat().repeat(4);
        assert_eq!(
            read_at(&[&long[..], b"\0"].concat(), 0),
            Err(DnsError::Compression)
        );
    }

    #[test]
    fn a_dot_inside_a_label_is_not_a_dot() {
        assert_eq!(read_at(b"\x03a.b\0", 0), Ok(("a\\b".into(), 5)));
        assert_eq!(read_at(b"\0", 0), Ok((String::new(), 1)));
    }

    #[test]
    fn only_what_the_format_can_hold_is_written() {
        let written = |name: &[u8]| {
            let mut message = Vec::new();
            write(&mut message, name).map(|()| message)
        };
        assert_eq!(written(b"a.bc").unwrap(), b"\x01a\x02bc\0");
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            &"x".repeat(64),
            &"a.".repeat(200),
        ] {
            assert_eq!(written(name.as_bytes()), Err(DnsError::Name), "{name}");
        }
        let longest = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61));
        let message = written(longest.as_bytes()).unwrap();
        assert_eq!(message.len(), NAME_BYTES_MAX);
        assert_eq!(read_at(&message, 0), Ok((longest, NAME_BYTES_MAX)));
    }
}

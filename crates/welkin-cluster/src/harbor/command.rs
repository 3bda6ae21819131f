//! What `.cslave` tells the native service, as text.

/// One command.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Command<'a> {
    /// The sender of the message has this global name.
    Name(&'a [u8]),
    /// A connection that this node made to harbor `id`.
    Connecting { fd: i32, id: u8 },
    /// A connection from harbor `id`, which has said so.
    Accepted { fd: i32, id: u8 },
    /// The harbor will not be connected.
    Down(u8),
}

/// `None`: not a command. A node without a network (id 0) is nobody's peer.
pub(super) fn parse(text: &[u8]) -> Option<Command<'_>> {
    if let Some(name) = text.strip_prefix(b"N ") {
        return Some(Command::Name(name));
    }
    let text = str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace();
    let command = words.next()?;
    let fd = match command {
        "S" | "A" => words.next()?.parse().ok()?,
        "D" => 0,
        _ => return None,
    };
    let id = words.next()?.parse().ok().filter(|&id| id != 0)?;
    if words.next().is_some() {
        return None;
    }
    Some(match command {
        "S" => Command::Connecting { fd, id },
        "A" => Command::Accepted { fd, id },
        _ => Command::Down(id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_and_nonsense_is_not() {
        assert_eq!(parse(b"N A b"), Some(Command::Name(b"A b")));
        assert_eq!(parse(b"N "), Some(Command::Name(b"")));
        assert_eq!(
            parse(b"S 7 255"),
            Some(Command::Connecting { fd: 7, id: 255 })
        );
        assert_eq!(parse(b"A 7 1"), Some(Command::Accepted { fd: 7, id: 1 }));
        assert_eq!(parse(b"D 3"), Some(Command::Down(3)));
        for wrong in [
            "", "S", "S 7", "S 7 256", "S 7 0", "A x 1", "D 1 2", "X 1 2", "N",
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}

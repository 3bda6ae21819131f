//! Commands: an array of texts, or of nothing where an argument is missing. The caller counts the room
//! first, so that a command is written once and in place.

/// How many bytes a command takes.
#[derive(Copy, Clone, Debug, Default)]
pub struct Room(pub usize);

impl Room {
    /// A command with this many parts, its name counted.
    pub fn add_head(&mut self, parts: usize) {
        self.0 += 1 + digits(parts) + 2;
    }

    /// One part; `None`: the null.
    pub fn add(&mut self, part: Option<&[u8]>) {
        self.0 += match part {
            Some(part) => 1 + digits(part.len()) + 2 + part.len() + 2,
            None => NULL.len(),
        };
    }
}

const NULL: &[u8] = b"$-1\r\n";

/// Writes a command of so many parts to the beginning of `out`, which has the room, and gives what is
/// left of `out`.
pub fn write_command<'a, 'b>(
    out: &'a mut [u8],
    count: usize,
    parts: impl Iterator<Item = Option<&'b [u8]>>,
) -> &'a mut [u8] {
    let mut out = write_number(out, b'*', count);
    for part in parts {
        out = match part {
            Some(part) => {
                let out = write_number(out, b'$', part.len());
                write(write(out, part), b"\r\n")
            }
            None => write(out, NULL),
        };
    }
    out
}

fn write<'a>(out: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let (place, rest) = out.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    rest
}

fn write_number(out: &mut [u8], kind: u8, number: usize) -> &mut [u8] {
    let len = digits(number);
    let (place, rest) = out.split_at_mut(1 + len + 2);
    place[0] = kind;
    let mut left = number;
    for digit in place[1..=len].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    place[1 + len..].copy_from_slice(b"\r\n");
    rest
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(parts: &[Option<&[u8]>]) -> Vec<u8> {
        let mut room = Room::default();
        room.add_head(parts.len());
        parts.iter().for_each(|part| room.add(*part));
        let mut out = vec![0; room.0];
        let rest = write_command(&mut out, parts.len(), parts.iter().copied());
        assert!(rest.is_empty(), "the room was counted");
        out
    }

    #[test]
    fn commands_are_arrays_of_texts() {
        let set = [Some(&b"SET"[..]), Some(b"k"), None, Some(b"0123456789")];
        let bytes = b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$-1\r\n$10\r\n0123456789\r\n";
        assert_eq!(command(&set), bytes);
        assert_eq!(command(&[Some(b"")]), b"*1\r\n$0\r\n\r\n");
    }
}

//! What a connection has received and no answer has used, for the database drivers' readers.
//!
//! While values are built from these bytes Lua may collect garbage, and so run code of programs that comes
//! back to the same reader: it is marked busy meanwhile and takes nothing. If building runs out of memory it
//! stays marked; its connection ends by that error.
//!
//! No limit of its own: it holds one answer that is not whole, of bytes that have really come, and what
//! came behind it.

use crate::border::LuaError;

/// Used bytes are cut off when there are more than these.
const USED_BYTES_MAX: usize = 64 * 1024;
/// An empty buffer with more room than this gives it back.
const IDLE_BYTES_MAX: usize = 1 << 20;

/// Bytes of one connection.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Bytes at the beginning that answers have used.
    used: usize,
    busy: bool,
}

impl Inbox {
    /// Adds what has come.
    pub fn feed(&mut self, text: &[u8]) -> Result<(), LuaError> {
        self.check_idle()?;
        if self.used == self.bytes.len() {
            self.bytes.clear();
            self.used = 0;
            if self.bytes.capacity() > IDLE_BYTES_MAX {
                self.bytes = Vec::new();
            }
        } else if self.used > USED_BYTES_MAX {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(text);
        Ok(())
    }

    /// Bytes that no answer has used. They stay where they are until `feed`.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// The first `len` of them are used now.
    pub fn skip(&mut self, len: usize) {
        self.used += len;
    }

    /// Marks it until [`Inbox::leave`].
    pub fn enter(&mut self) -> Result<(), LuaError> {
        self.check_idle()?;
        self.busy = true;
        Ok(())
    }

    /// See [`Inbox::enter`].
    pub fn leave(&mut self) {
        self.busy = false;
    }

    fn check_idle(&self) -> Result<(), LuaError> {
        if self.busy {
            return Err(LuaError::new("an answer is being read"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_bytes_go_and_others_stay() {
        let mut inbox = Inbox::default();
        inbox.feed(&vec![b'a'; USED_BYTES_MAX + 1]).unwrap();
        inbox.feed(b"bc").unwrap();
        inbox.skip(USED_BYTES_MAX + 1);
        assert_eq!(inbox.unread(), b"bc");
        inbox.feed(b"d").unwrap();
        assert_eq!((inbox.used, inbox.unread()), (0, &b"bcd"[..]));
        inbox.skip(3);
        assert!(inbox.unread().is_empty());
    }

    #[test]
    fn nothing_comes_in_while_an_answer_is_read() {
        let mut inbox = Inbox::default();
        inbox.enter().unwrap();
        assert!(inbox.feed(b"a").is_err());
        assert!(inbox.enter().is_err());
        inbox.leave();
        assert!(inbox.feed(b"a").is_ok());
    }
}

//! What services tell a `clustersender`: packed values, of which the first is a word.
//!
//! `call` and `send` have the values for the far service right behind the address, packed already as
//! they go over the wire; `req` and `push`, the older form, have a pointer to them. `changenode` is
//! `clusterd`'s.

use std::borrow::Cow;

use welkin_codec::cluster::To;
use welkin_codec::seri::{Reader, Token};
use welkin_runtime::Payload;

use crate::raw;

/// What is asked for.
#[derive(Debug)]
pub enum Command<'a> {
    /// A request, to be answered if its sender waits.
    Request {
        /// Whom it is for; the error says why nobody.
        to: Result<To<'a>, String>,
        /// Packed values.
        message: Values<'a>,
    },
    /// Connect there; `None`: close and stay closed.
    Change(Option<&'a str>),
    /// Anything else: what is wrong with it.
    Unknown(&'static str),
}

/// Packed values for the far service.
#[derive(Debug)]
pub enum Values<'a> {
    /// They lie in the command.
    Here(&'a [u8]),
    /// They came by a pointer.
    Apart(Payload),
}

impl Values<'_> {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Values::Here(bytes) => bytes,
            Values::Apart(payload) => payload.as_bytes(),
        }
    }
}

/// Reads a command.
#[inline]
pub fn read(bytes: &[u8]) -> Command<'_> {
    let mut reader = Reader::new(bytes);
    match reader.next() {
        Ok(Some(Token::String(b"call" | b"send"))) => {
            let to = target(&mut reader);
            let message = Values::Here(&bytes[bytes.len() - reader.left()..]);
            Command::Request { to, message }
        }
        Ok(Some(Token::String(b"req" | b"push"))) => {
            let to = target(&mut reader);
            match (reader.next(), reader.next()) {
                (Ok(Some(Token::Pointer(pointer))), Ok(Some(Token::Integer(size)))) => {
                    match raw::take(pointer, size) {
                        Some(payload) => Command::Request {
                            to,
                            message: Values::Apart(payload),
                        },
                        None => Command::Unknown("Invalid request message"),
                    }
                }
                _ => Command::Unknown("Invalid request message"),
            }
        }
        Ok(Some(Token::String(b"changenode"))) => match reader.next() {
            Ok(Some(Token::String(host))) => match std::str::from_utf8(host) {
                Ok(host) => Command::Change(Some(host)),
                Err(_) => Command::Unknown("an address is no text"),
            },
            Ok(Some(Token::Boolean(false))) => Command::Change(None),
            _ => Command::Unknown("changenode needs an address or false"),
        },
        _ => Command::Unknown("unknown command, there are call, send, req, push, changenode"),
    }
}

#[inline]
fn target<'a>(reader: &mut Reader<'a>) -> Result<To<'a>, String> {
    let kind = match reader.next() {
        // The low 32 bits are the address.
        Ok(Some(Token::Integer(n))) => return Ok(To::Address(n as u32)),
        Ok(Some(Token::Float(n))) => return Ok(To::Address(n as i64 as u32)),
        Ok(Some(Token::String(name))) => {
            let name = Cow::Borrowed(name);
            let to = To::Name(name);
            return match to.check() {
                Ok(()) => Ok(to),
                Err(wrong) => {
                    let To::Name(name) = &to else { unreachable!() };
                    Err(format!("{wrong}: {}", String::from_utf8_lossy(name)))
                }
            };
        }
        Ok(Some(Token::Boolean(_))) => "boolean",
        Ok(Some(Token::Table { .. })) => "table",
        Ok(Some(Token::Pointer(_))) => "userdata",
        Ok(Some(Token::Nil)) | Ok(None) => "nil",
        Err(_) => "broken value",
    };
    Err(format!("name is not a string, it's a {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use welkin_codec::seri::Writer;

    fn packed(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut Writer::new(&mut bytes));
        bytes
    }

    #[test]
    fn the_values_of_a_call_are_left_as_they_are() {
        let bytes = packed(|w| {
            w.string(b"call").unwrap();
            w.integer(0x1_0000_0007);
            w.string(b"echo").unwrap();
            w.nil();
        });
        let Command::Request { to, message } = read(&bytes) else {
            panic!("a request");
        };
        assert_eq!(to, Ok(To::Address(7)));
        assert_eq!(message.as_bytes(), b"\x24echo\0");
    }

    #[test]
    fn what_can_be_no_target_is_told() {
        let target = |value: &dyn Fn(&mut Writer<'_, Vec<u8>>)| {
            let bytes = packed(|w| {
                w.string(b"send").unwrap();
                value(w);
            });
            match read(&bytes) {
                Command::Request { to, .. } => to.map(To::into_owned),
                _ => panic!("a request"),
            }
        };
        assert_eq!(target(&|w| w.float(7.9)), Ok(To::Address(7)));
        let length = "name length is invalid, must be between 1 and 255 characters: ";
        assert_eq!(target(&|w| w.string(b"").unwrap()), Err(length.into()));
        let kind = |kind: &str| Err(format!("name is not a string, it's a {kind}"));
        assert_eq!(target(&|w| w.boolean(true)), kind("boolean"));
        assert_eq!(target(&|w| w.table(1)), kind("table"));
        assert_eq!(target(&|_| {}), kind("nil"));
    }

    #[test]
    fn pointers_that_can_be_none_are_refused() {
        for (pointer, size) in [(0, 1), (8, 1), (0x7f00_0000_0001, 1)] {
            let bytes = packed(|w| {
                w.string(b"req").unwrap();
                w.integer(7);
                w.pointer(pointer);
                w.integer(size);
            });
            assert!(matches!(read(&bytes), Command::Unknown(_)));
        }
    }

    #[test]
    fn any_other_bytes_are_no_command() {
        for bytes in [&b""[..], b"\x0c", b"\xff\xff", b"\x24nope"] {
            assert!(matches!(read(bytes), Command::Unknown(_)));
        }
    }
}

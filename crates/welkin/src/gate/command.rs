//! The text commands of a gate.
//!
//! A command may be shortened to any beginning of its word, and where several words begin so, the
//! first of the list is meant; nothing at all is a `kick`, of nobody. Programs rely on the words only,
//! but old ones may hold such short forms.

use welkin_runtime::Address;

use super::text::{address, number, words};

/// What a text asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// Close this connection.
    Kick(i32),
    /// Packages of `fd` go to `agent`, as if from `client`. Nobody as agent: to the watchdog again.
    Forward {
        /// The connection.
        fd: i32,
        /// Who receives.
        agent: Address,
        /// Whom the messages seem to come from.
        client: Address,
    },
    /// All packages go to this service.
    Broker(&'a [u8]),
    /// Begin to read from this connection.
    Start(i32),
    /// Stop listening.
    Close,
    /// A known word with parameters that mean nothing.
    Nothing,
}

/// Reads a text. `None`: the word is unknown.
pub fn parse(text: &[u8]) -> Option<Command<'_>> {
    let end = text.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    let mut words = words(rest);
    let command = if b"kick".starts_with(word) {
        words.next().and_then(number).map(Command::Kick)
    } else if b"forward".starts_with(word) {
        forward(words)
    } else if b"broker".starts_with(word) {
        words.next().map(Command::Broker)
    } else if b"start".starts_with(word) {
        words.next().and_then(number).map(Command::Start)
    } else if b"close".starts_with(word) {
        Some(Command::Close)
    } else {
        return None;
    };
    Some(command.unwrap_or(Command::Nothing))
}

fn forward<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<Command<'a>> {
    Some(Command::Forward {
        fd: number(words.next()?)?,
        agent: address(words.next()?)?,
        client: address(words.next()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_with_its_parameters() {
        assert_eq!(parse(b"kick 7"), Some(Command::Kick(7)));
        assert_eq!(parse(b"broker  .a\n"), Some(Command::Broker(b".a")));
        assert_eq!(parse(b"start 7"), Some(Command::Start(7)));
        assert_eq!(parse(b"close"), Some(Command::Close));
        let forward = Command::Forward {
            fd: 7,
            agent: Address(10),
            client: Address(0),
        };
        assert_eq!(parse(b"forward 7 :a :0"), Some(forward));
    }

    #[test]
    fn the_beginning_of_a_word_is_enough() {
        assert_eq!(parse(b"k 7"), Some(Command::Kick(7)));
        assert_eq!(parse(b"cl"), Some(Command::Close));
        assert_eq!(parse(b" 7"), Some(Command::Kick(7)));
        assert_eq!(parse(b"kicks 7"), None);
    }

    #[test]
    fn senseless_parameters_do_nothing() {
        for text in [
            &b""[..],
            b"kick",
            b"kick x",
            b"start 99999999999",
            b"broker",
            b"forward 7",
            b"forward 7 a b",
        ] {
            assert_eq!(parse(text), Some(Command::Nothing));
        }
    }
}

//! What services send each other, and how a service is addressed.
//!
//! A message owns its bytes; posting it is a move. Nothing here knows what the bytes mean.

use std::fmt;

use crate::payload::Payload;

/// Where a service lives: the harbor id in the high byte, a running number from 1 in the low 24 bits.
///
/// Zero is never a service; as a source it means the engine (timer, sockets, monitor).
#[derive(Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd, Debug, Default)]
pub struct Address(pub u32);

impl Address {
    /// Nobody, or as a source: the engine.
    pub const NONE: Address = Address(0);
    /// The bits of the running number.
    pub(crate) const NUMBER_MASK: u32 = 0x00ff_ffff;

    /// The node this address belongs to; 0 on a node without harbor.
    pub fn harbor(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// Whether this is [`Address::NONE`].
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{:08x}", self.0)
    }
}

/// Message kinds; the numbers are skynet's and part of the contract with programs and peers.
pub mod kind {
    /// Plain text, also a log line to the logger.
    pub const TEXT: u8 = 0;
    /// The answer to a request, or a timer that fired.
    pub const RESPONSE: u8 = 1;
    /// A message of the multicast service.
    pub const MULTICAST: u8 = 2;
    /// A packet of a client; also how the monitor service hears that a service ended.
    pub const CLIENT: u8 = 3;
    /// Engine to service, such as "open the log again".
    pub const SYSTEM: u8 = 4;
    /// To the harbor service.
    pub const HARBOR: u8 = 5;
    /// An event of a socket.
    pub const SOCKET: u8 = 6;
    /// The request with this session fails.
    pub const ERROR: u8 = 7;
    /// Reserved.
    pub const QUEUE: u8 = 8;
    /// Debug requests.
    pub const DEBUG: u8 = 9;
    /// Packed Lua values.
    pub const LUA: u8 = 10;
    /// Packed values of a snax service.
    pub const SNAX: u8 = 11;
    /// A trace mark in front of a request.
    pub const TRACE: u8 = 12;
}

/// One message.
#[derive(Debug)]
pub struct Message {
    /// Who sent it.
    pub source: Address,
    /// The number that the answer carries too; 0 when none is wanted.
    pub session: i32,
    /// One of [`kind`].
    pub kind: u8,
    /// The bytes, owned.
    pub payload: Payload,
}

impl Message {
    /// A message without bytes.
    pub fn bare(source: Address, session: i32, kind: u8) -> Message {
        Message {
            source,
            session,
            kind,
            payload: Payload::empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_as_eight_digits() {
        assert_eq!(Address(0x0100_000a).to_string(), ":0100000a");
        assert_eq!(Address(0x0100_000a).harbor(), 1);
    }

    #[test]
    fn a_message_is_small() {
        assert!(size_of::<Message>() <= 40);
    }
}

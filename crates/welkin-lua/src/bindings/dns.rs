//! The Lua module `welkin.dns`, behind `skynet.dns`: messages to and from name servers.
//!
//! Asking, waiting and remembering is the Lua module's; here are the bytes, and numbers for queries
//! that nobody can guess.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use welkin_codec::dns::{Reply, read_reply, write_query};

use super::info::push_owned;
use super::push_functions;
use super::skynet::Entry;
use crate::border::LuaError;
use crate::lua_fn;

const FUNCTIONS: &[Entry] = &[(c"query", query), (c"reply", reply), (c"random", random)];

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        push_functions(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `query(id, name, type) -> text`: the message to send, or nothing if the name cannot be asked for.
    fn query(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (id, name, kind) = (state.check_int(1), state.check_text(2), state.check_int(3));
        let (Ok(id), Ok(kind)) = (id.try_into(), kind.try_into()) else {
            return Err(LuaError::new("a number beyond 65535"));
        };
        let Ok(message) = write_query(id, name, kind) else {
            return Ok(0);
        };
        push_owned(state, message);
        Ok(1)
    }

    /// `reply(text) -> id, type, ttl, found`: `found` is the addresses with blanks between them, a line
    /// end, and the name they belong to. Raises what is wrong with the message.
    fn reply(call: &mut Call) -> LuaResult {
        let reply = read_reply(call.state.check_text(1)).map_err(|error| LuaError::plain(error.to_string()))?;
        call.state.push_int(reply.id.into());
        call.state.push_int(reply.kind.into());
        call.state.push_int(reply.ttl_s.into());
        push_owned(call.state, found(reply));
        Ok(4)
    }

    /// `random() -> 0..65535`, not to be guessed from those before.
    fn random(call: &mut Call) -> LuaResult {
        // Its keys come from the system and are secret; each call has others.
        let number = RandomState::new().hash_one(()) as u16;
        call.state.push_int(number.into());
        Ok(1)
    }
}

fn found(reply: Reply) -> Vec<u8> {
    let texts: Vec<_> = reply.addresses.iter().map(text).collect();
    let mut found = texts.join(" ").into_bytes();
    found.push(b'\n');
    found.extend(reply.name);
    found
}

/// As programs know addresses: IPv6 in eight groups, nothing left out.
fn text(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let mut text = String::new();
            for (index, group) in ip.segments().iter().enumerate() {
                let colon = if index == 0 { "" } else { ":" };
                // Writing to a string cannot fail.
                let _ = write!(text, "{colon}{group:x}");
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_in_full() {
        let written = |address: &str| text(&address.parse().unwrap());
        assert_eq!(written("10.0.0.1"), "10.0.0.1");
        assert_eq!(written("2001:db8::1"), "2001:db8:0:0:0:0:0:1");
        assert_eq!(written("::ffff:10.0.0.1"), "0:0:0:0:0:ffff:a00:1");
    }

    #[test]
    fn what_is_found_comes_as_addresses_and_a_name() {
        let reply = Reply {
            id: 1,
            name: b"a.test".to_vec(),
            kind: 1,
            addresses: vec!["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            ttl_s: 5,
        };
        assert_eq!(found(reply), b"10.0.0.1 0:0:0:0:0:0:0:1\na.test");
    }
}

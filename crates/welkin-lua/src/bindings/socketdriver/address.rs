//! Where to connect or listen, as programs write it: `host, port`, or one text `host:port` or
//! `[v6]:port` with nil for the port.

use std::borrow::Cow;
use std::ffi::c_int;

use mlua_sys as ffi;

use crate::border::LuaError;
use crate::state::State;

/// A host and a port of a call's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    /// Name or number of the host; the bytes belong to an argument of the call.
    host: &'a [u8],
    /// 0: none, or one that the system chooses.
    pub(super) port: u16,
}

/// What is wrong with `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    Address,
    Port,
}

impl<'a> Endpoint<'a> {
    /// Reads the host at `arg` and the port behind it. As in skynet only the port of a joined text is
    /// checked; of a number the low 16 bits count.
    pub(super) fn arguments(state: State, arg: c_int) -> Result<Self, LuaError> {
        let host = state.check_text(arg);
        if state.type_of(arg + 1) > ffi::LUA_TNIL {
            let port = state.check_int(arg + 1) as u16;
            return Ok(Self { host, port });
        }
        Self::split(host).map_err(|mistake| {
            let what = match mistake {
                Mistake::Address => "address",
                Mistake::Port => "port in address",
            };
            LuaError::new(format!("Invalid {what} {}.", String::from_utf8_lossy(host)))
        })
    }

    /// Every address of this node.
    pub(super) fn any_host(port: i64) -> Self {
        Self {
            host: b"",
            port: port as u16,
        }
    }

    fn split(text: &'a [u8]) -> Result<Self, Mistake> {
        let position = |byte| text.iter().position(|&b| b == byte).ok_or(Mistake::Address);
        let (host, port) = match text.strip_prefix(b"[") {
            Some(bracketed) => {
                let end = position(b']')?;
                let port = text[end + 1..].strip_prefix(b":").ok_or(Mistake::Address)?;
                (&bracketed[..end - 1], port)
            }
            None => {
                let colon = position(b':')?;
                (&text[..colon], &text[colon + 1..])
            }
        };
        let digits = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
        let port = str::from_utf8(port)
            .ok()
            .filter(|_| digits)
            .and_then(|port| port.parse().ok());
        Ok(Self {
            host,
            port: port.ok_or(Mistake::Port)?,
        })
    }

    /// The host for the engine. Bytes that are no text become a host that nobody finds.
    pub(super) fn host(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<(Cow<'_, str>, u16), Mistake> {
        Endpoint::split(text.as_bytes()).map(|endpoint| (endpoint.host(), endpoint.port))
    }

    #[test]
    fn a_joined_address_is_split() {
        assert_eq!(split("127.0.0.1:80"), Ok(("127.0.0.1".into(), 80)));
        assert_eq!(split("[::1]:65535"), Ok(("::1".into(), 65535)));
        assert_eq!(split("[]:1"), Ok(("".into(), 1)));
        assert_eq!(split(":0"), Ok(("".into(), 0)));
    }

    #[test]
    fn mistakes_in_an_address_are_told_apart_from_those_in_its_port() {
        for text in ["", "127.0.0.1", "[::1", "[::1:1", "[::1]1", "[::1]", "["] {
            assert_eq!(split(text), Err(Mistake::Address), "{text}");
        }
        for text in [
            "h:", "h:abc", "h:99999", "h:65536", "h:-1", "h:+1", "h: 1", "::1:80", "[::1]:",
        ] {
            assert_eq!(split(text), Err(Mistake::Port), "{text}");
        }
    }
}

//! The Lua module `client.socket`: a small blocking socket for client programs and test clients.
//!
//! It goes past the socket engine: a connection is a file descriptor of the process, not a socket
//! number of a service, and nothing of it arrives as a message. What waits (`connect`, `send`,
//! `usleep`) stops its service but not the worker, whose queue another thread goes on with meanwhile.

mod stdin;

use std::net::{Ipv4Addr, Shutdown, SocketAddrV4};
use std::time::Duration;

use stdin::Typed;
use welkin_net::{NetError, client};
use welkin_runtime::blocking;

use super::info::push_owned;
use super::push_functions;
use super::skynet::Entry;
use crate::border::LuaError;
use crate::state::State;
use crate::{lua_fn, vm};

/// Bytes that one `recv` gives at most; client programs rely on it.
const RECEIVE_BYTES_MAX: usize = 4096;

const FUNCTIONS: &[Entry] = &[
    (c"connect", connect),
    (c"send", send),
    (c"recv", recv),
    (c"shutdown", shutdown),
    (c"close", close),
    (c"usleep", usleep),
    (c"readstdin", readstdin),
];

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        push_functions(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `connect(ip, port) -> fd`: `ip` is an IPv4 address in digits.
    fn connect(call: &mut Call) -> LuaResult {
        let (ip, port) = (call.state.check_text(1), call.state.check_int(2));
        let Some(fd) = connect_to(ip, port) else {
            let ip = String::from_utf8_lossy(ip);
            return Err(LuaError::new(format!("Connect {ip} {port} failed")));
        };
        call.state.push_int(fd.into());
        Ok(1)
    }

    /// `send(fd, text)`: comes back when all is sent.
    fn send(call: &mut Call) -> LuaResult {
        let (fd, data) = (descriptor(call.state), call.state.check_text(2));
        blocking(|| client::send(fd, data)).map_err(socket_error)?;
        Ok(0)
    }

    /// `recv(fd) -> text or nothing`: what is there; an empty text at the end of the stream.
    fn recv(call: &mut Call) -> LuaResult {
        let mut room = [0; RECEIVE_BYTES_MAX];
        let fd = descriptor(call.state);
        let Some(count) = client::receive(fd, &mut room).map_err(socket_error)? else {
            return Ok(0);
        };
        call.state.push_bytes(&room[..count]);
        Ok(1)
    }

    /// `shutdown(fd, mode)`: `mode` is `"r"`, `"w"` or both.
    fn shutdown(call: &mut Call) -> LuaResult {
        let fd = descriptor(call.state);
        let which = directions(call.state.check_text(2))?;
        // A connection that the peer has closed already cannot be shut down; it is at its end anyway.
        drop(client::shutdown(fd, which));
        Ok(0)
    }

    /// `close(fd)`: a second time does nothing.
    fn close(call: &mut Call) -> LuaResult {
        drop(client::close(descriptor(call.state)));
        Ok(0)
    }

    /// `usleep(microseconds)`.
    fn usleep(call: &mut Call) -> LuaResult {
        let time = Duration::from_micros(call.state.check_int(1).try_into().unwrap_or(0));
        blocking(|| std::thread::sleep(time));
        Ok(0)
    }

    /// `readstdin() -> text or nil`: the next line typed, without its end. A program of its own ends
    /// with status 1 where no more lines will come, as its users expect of Ctrl-D; a node goes on.
    fn readstdin(call: &mut Call) -> LuaResult {
        match stdin::next_line() {
            Ok(Typed::Line(line)) => push_owned(call.state, line),
            Ok(Typed::Ended) if vm::try_vm(call.state).is_none() => std::process::exit(1),
            Ok(Typed::Waiting | Typed::Ended) => call.state.push_nil(),
            Err(error) => return Err(LuaError::new(error)),
        }
        Ok(1)
    }
}

/// `None`: no address, no port, or nobody there.
fn connect_to(ip: &[u8], port: i64) -> Option<i32> {
    let ip: Ipv4Addr = str::from_utf8(ip).ok()?.parse().ok()?;
    let to = SocketAddrV4::new(ip, port.try_into().ok()?);
    blocking(|| client::connect(to)).ok()
}

/// The first argument; what cannot be a descriptor becomes one that never exists.
fn descriptor(state: State) -> i32 {
    state.check_int(1).try_into().unwrap_or(-1)
}

fn directions(mode: &[u8]) -> Result<Shutdown, LuaError> {
    if let Some(other) = mode.iter().find(|c| !b"rw".contains(c)) {
        return Err(LuaError::new(format!(
            "Invalid mode {}",
            char::from(*other)
        )));
    }
    match (mode.contains(&b'r'), mode.contains(&b'w')) {
        (true, true) => Ok(Shutdown::Both),
        (true, false) => Ok(Shutdown::Read),
        (false, true) => Ok(Shutdown::Write),
        (false, false) => Err(LuaError::new("mode should be r or/and w")),
    }
}

fn socket_error(error: NetError) -> LuaError {
    LuaError::new(format!("socket error: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_made_of_r_and_w() {
        assert_eq!(directions(b"r").unwrap(), Shutdown::Read);
        assert_eq!(directions(b"ww").unwrap(), Shutdown::Write);
        assert_eq!(directions(b"wr").unwrap(), Shutdown::Both);
        let text = |mode| format!("{:?}", directions(mode).unwrap_err());
        assert!(text(b"rx").contains("Invalid mode x"));
        assert!(text(b"").contains("mode should be r or/and w"));
    }

    #[test]
    fn names_and_odd_ports_are_not_connected_to() {
        assert_eq!(connect_to(b"localhost", 80), None);
        assert_eq!(connect_to(b"127.0.0.1", 65536), None);
        assert_eq!(connect_to(b"127.0.0.1", -1), None);
    }
}

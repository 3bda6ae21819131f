//! `udp`, `udp_connect`, `udp_listen`, `udp_dial` and `udp_address`: sockets for datagrams. Their
//! callbacks are the business of `skynet.socket`.

use std::net::SocketAddr;

use mlua_sys as ffi;

use super::address::Endpoint;
use super::{arguments, net, node, owner};
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

lua_fn! {
    /// `udp([host[, port]]) -> id`: bound if a host or a port is given.
    fn udp(call: &mut Call) -> LuaResult {
        let state = call.state;
        let result = match local_endpoint(state)? {
            Some(at) => net(state).udp(node(state), owner(state), Some(&at.host()), at.port),
            None => net(state).udp(node(state), owner(state), None, 0),
        };
        let id = result.map_err(|_| LuaError::new("udp init failed"))?;
        state.push_int(id.into());
        Ok(1)
    }

    /// `udp_connect(id, host[, port])`: sets where `send` sends to.
    fn udp_connect(call: &mut Call) -> LuaResult {
        let state = call.state;
        let id = arguments::id(state, 1);
        let to = Endpoint::arguments(state, 2)?;
        net(state)
            .udp_connect(node(state), id, &to.host(), to.port)
            .map_err(|_| LuaError::new("udp connect failed"))?;
        Ok(0)
    }

    /// `udp_listen(host[, port]) -> id`: bound to an address of `host`.
    fn udp_listen(call: &mut Call) -> LuaResult {
        let state = call.state;
        let failed = || LuaError::new("udp listen host failed");
        let at = Endpoint::arguments(state, 1)?;
        if at.port == 0 {
            return Err(failed());
        }
        let id = net(state)
            .udp_listen(node(state), owner(state), &at.host(), at.port)
            .map_err(|_| failed())?;
        state.push_int(id.into());
        Ok(1)
    }

    /// `udp_dial(host[, port]) -> id`: not bound, sends to an address of `host`.
    fn udp_dial(call: &mut Call) -> LuaResult {
        let state = call.state;
        let to = Endpoint::arguments(state, 1)?;
        let id = net(state)
            .udp_dial(node(state), owner(state), &to.host(), to.port)
            .map_err(|_| LuaError::new("udp dial host failed"))?;
        state.push_int(id.into());
        Ok(1)
    }

    /// `udp_address(address) -> ip, port`: reads the address of a UDP event.
    fn udp_address(call: &mut Call) -> LuaResult {
        let bytes = call.state.check_text(1);
        let Some(address) = welkin_net::address::decode(bytes) else {
            return Err(LuaError::new("Invalid udp address"));
        };
        push_ip(call.state, address);
        call.state.push_int(address.port().into());
        Ok(2)
    }
}

/// The arguments of `udp`: nothing, a host or `host:port`, a port, or both.
fn local_endpoint<'a>(state: State) -> Result<Option<Endpoint<'a>>, LuaError> {
    if state.type_of(1) > ffi::LUA_TNIL {
        return Endpoint::arguments(state, 1).map(Some);
    }
    if state.type_of(2) <= ffi::LUA_TNIL {
        return Ok(None);
    }
    Ok(Some(Endpoint::any_host(state.check_int(2))))
}

/// Pushes the address without its port. Its text is formatted on the frame: a push may raise.
fn push_ip(state: State, address: SocketAddr) {
    use std::io::Write as _;
    // An IPv6 address has at most 45 characters.
    let mut text = [0; 48];
    let mut rest = &mut text[..];
    write!(rest, "{}", address.ip()).expect("an address fits");
    let written = 48 - rest.len();
    state.push_bytes(&text[..written]);
}

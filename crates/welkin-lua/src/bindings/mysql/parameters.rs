//! Lua values as the parameters of a prepared statement.

use mlua_sys as ffi;
use welkin_codec::mysql::{BODY_BYTES_MAX, HEADER_BYTES, Parameter, write_execute};

use crate::border::LuaError;
use crate::state::State;

/// The packet that runs statement `id` with the values from index 2 on.
pub fn execute(state: State, id: u32) -> Result<Vec<u8>, LuaError> {
    let parameters = (2..=state.top())
        .map(|index| parameter(state, index))
        .collect::<Result<Vec<_>, _>>()?;
    let mut packet = vec![0; HEADER_BYTES];
    write_execute(&mut packet, id, &parameters);
    let len = packet.len() - HEADER_BYTES;
    if len >= BODY_BYTES_MAX {
        return Err(LuaError::new(format!(
            "unsigned overflow: {len} bytes of parameters, 16 MiB are the limit"
        )));
    }
    packet[..3].copy_from_slice(&(len as u32).to_le_bytes()[..3]);
    Ok(packet)
}

/// Calls nothing of Lua that could raise.
fn parameter<'a>(state: State, index: i32) -> Result<Parameter<'a>, LuaError> {
    Ok(match state.type_of(index) {
        ffi::LUA_TNIL => Parameter::Null,
        ffi::LUA_TBOOLEAN => Parameter::Bool(state.to_bool(index)),
        ffi::LUA_TNUMBER => match state.to_int(index) {
            Some(integer) => Parameter::Integer(integer),
            None => Parameter::Float(state.to_num(index).unwrap_or_default()),
        },
        ffi::LUA_TSTRING => Parameter::Bytes(state.string(index).unwrap_or_default()),
        _ => {
            let name = state.type_name(index);
            return Err(LuaError::new(format!("invalid parameter type {name}")));
        }
    })
}

//! Values that Lua has no type for, made and told: each a string of a zero byte, the type's number and
//! its content.

use std::sync::atomic::{AtomicU32, Ordering};

use mlua_sys as ffi;
use welkin_codec::bson::{Special, kind};

use super::decode::{push_fixed, push_parts};
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

/// `bson.null`.
pub(super) const NULL: &[u8] = &[0, kind::NULL];
/// `bson.minkey`.
pub(super) const MIN_KEY: &[u8] = &[0, kind::MIN_KEY];
/// `bson.maxkey`.
pub(super) const MAX_KEY: &[u8] = &[0, kind::MAX_KEY];

/// The increments of timestamps that are made with nil for one.
static INCREMENT: AtomicU32 = AtomicU32::new(0);

lua_fn! {
    /// `date(seconds) -> string`.
    fn date(call: &mut Call) -> LuaResult {
        let seconds = call.state.check_int(1) as i32;
        push_fixed(call.state, kind::DATE, seconds.to_le_bytes());
        Ok(1)
    }

    /// `timestamp(seconds[, increment]) -> string`. Left out the increment is 0; given as nil it is a
    /// number that counts up.
    fn timestamp(call: &mut Call) -> LuaResult {
        let state = call.state;
        let seconds = state.check_int(1) as u32;
        let increment = match state.type_of(2) {
            ffi::LUA_TNONE => 0,
            ffi::LUA_TNIL => INCREMENT.fetch_add(1, Ordering::Relaxed),
            _ => state.check_int(2) as u32,
        };
        let content = u64::from(seconds) << 32 | u64::from(increment);
        push_fixed(state, kind::TIMESTAMP, content.to_le_bytes());
        Ok(1)
    }

    /// `int64(integer) -> string`: encoded in 64 bits, however small it is.
    fn int64(call: &mut Call) -> LuaResult {
        push_fixed(call.state, kind::INT64, call.state.check_int(1).to_le_bytes());
        Ok(1)
    }

    /// `binary(bytes) -> string`.
    fn binary(call: &mut Call) -> LuaResult {
        let bytes = call.state.check_text(1);
        push_parts(call.state, kind::BINARY, [b"\0", bytes, b"", b""]);
        Ok(1)
    }

    /// `regex(pattern[, options]) -> string`.
    fn regex(call: &mut Call) -> LuaResult {
        let state = call.state;
        let pattern = state.check_text(1);
        let options = match state.is_none_or_nil(2) {
            true => b"",
            false => state.check_text(2),
        };
        push_parts(state, kind::REGEX, [pattern, b"\0", options, b"\0"]);
        Ok(1)
    }

    /// `type(value) -> name, ...`: what a value of a decoded document is, and its content.
    fn type_(call: &mut Call) -> LuaResult {
        let state = call.state;
        let name = match state.type_of(1) {
            ffi::LUA_TSTRING => {
                let text = state.string(1).unwrap_or_default();
                match Special::split(text) {
                    None => c"string",
                    Some((kind, content)) => return push_special(state, kind, content),
                }
            }
            ffi::LUA_TNUMBER => c"number",
            ffi::LUA_TBOOLEAN => c"boolean",
            ffi::LUA_TTABLE => c"table",
            ffi::LUA_TNIL => {
                state.push_lit(c"nil");
                return Ok(1);
            }
            _ => return Err(LuaError::new(format!("Invalid type {}", state.type_name(1)))),
        };
        state.push_lit(name);
        state.push_value(1);
        Ok(2)
    }
}

fn push_special(state: State, kind: u8, content: &[u8]) -> LuaResult {
    let special =
        Special::parse(kind, content).map_err(|error| LuaError::new(error.to_string()))?;
    Ok(match special {
        Special::Null => push_named(state, c"nil"),
        Special::MinKey => push_named(state, c"minkey"),
        Special::MaxKey => push_named(state, c"maxkey"),
        Special::Date(seconds) => {
            state.push_lit(c"date");
            state.push_int(seconds.into());
            2
        }
        Special::Int64(value) => {
            state.push_lit(c"int64");
            state.push_int(value);
            2
        }
        Special::Timestamp(bytes) => {
            let content = u64::from_le_bytes(*bytes);
            state.push_lit(c"timestamp");
            state.push_int((content >> 32) as i64);
            state.push_int((content as u32).into());
            3
        }
        Special::ObjectId(bytes) => {
            state.push_lit(c"objectid");
            let mut digits = [0; 24];
            welkin_codec::crypt::hex::encode(bytes, &mut digits);
            state.push_bytes(&digits);
            2
        }
        Special::Binary { subtype, bytes } => {
            state.push_lit(c"binary");
            state.push_bytes(bytes);
            state.push_int(subtype.into());
            3
        }
        Special::Regex { pattern, options } => {
            state.push_lit(c"regex");
            state.push_bytes(pattern);
            state.push_bytes(options);
            3
        }
        Special::Raw { bytes, .. } => {
            state.push_lit(c"unsupported");
            state.push_bytes(bytes);
            2
        }
    })
}

fn push_named(state: State, name: &'static std::ffi::CStr) -> std::ffi::c_int {
    state.push_lit(name);
    1
}

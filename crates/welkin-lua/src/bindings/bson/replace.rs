//! Documents that are changed in place: `makeindex`, then `document.key = value` for fields of a fixed
//! size. The type of a field stays, and so does the document's length.
//!
//! The index is a table beside the document: the key, and where the value is with its type.

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_codec::bson::{Document, Special, Value, kind};

use super::own_document;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

/// Which user value of a document is its index.
const INDEX: c_int = 1;

/// An entry is the value's offset, times this, plus its type.
const KINDS: i64 = 256;

lua_fn! {
    /// `document:makeindex() -> document`.
    fn makeindex(call: &mut Call) -> LuaResult {
        let state = call.state;
        let bytes = own_document(state, 1)?;
        let mut document = Document::new(bytes).map_err(invalid)?;
        state.set_top(1);
        state.create_table(0, c_int::try_from(document.elements_ahead()).unwrap_or(0));
        while let Some(element) = document.next().map_err(invalid)? {
            let Some((kind, size)) = fixed(element.value) else {
                continue;
            };
            // Behind the value: the other elements and the document's end.
            let offset = bytes.len() - 1 - document.bytes_ahead() - size;
            state.push_bytes(element.name);
            state.push_int(offset as i64 * KINDS + i64::from(kind));
            state.raw_set(2);
        }
        // SAFETY: a document has one user value; this takes the table on top.
        unsafe { ffi::lua_setiuservalue(call.L, 1, INDEX) };
        Ok(1)
    }

    /// `document.key = value`.
    fn newindex(call: &mut Call) -> LuaResult {
        let state = call.state;
        let len = own_document(state, 1)?.len();
        // SAFETY: a document has one user value.
        if unsafe { ffi::lua_getiuservalue(call.L, 1, INDEX) } != ffi::LUA_TTABLE {
            return Err(LuaError::new("call makeindex first"));
        }
        state.push_value(2);
        state.raw_get(-2);
        let Some(entry) = state.to_int(-1) else {
            let key = state.text(2).map(String::from_utf8_lossy).unwrap_or_else(|| state.type_name(2).into());
            return Err(LuaError::new(format!("Can't replace key : {key}")));
        };
        let (offset, kind) = (entry.div_euclid(KINDS), entry.rem_euclid(KINDS) as u8);
        let mut content = [0; 12];
        let size = value(state, kind, &mut content)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if offset.checked_add(size).is_none_or(|end| end >= len) {
            return Err(LuaError::new("the index is not this document's"));
        }
        // SAFETY: within the document's own bytes, as just checked; no reference to them is held.
        unsafe {
            let place = state.to_userdata(1).cast::<u8>().add(offset);
            std::ptr::copy_nonoverlapping(content.as_ptr(), place, size);
        }
        Ok(0)
    }
}

fn invalid(error: impl std::fmt::Display) -> LuaError {
    LuaError::new(error.to_string())
}

/// Type and size of a value that can be replaced.
fn fixed(value: Value<'_>) -> Option<(u8, usize)> {
    Some(match value {
        Value::Double(_) => (kind::DOUBLE, 8),
        Value::Boolean(_) => (kind::BOOLEAN, 1),
        Value::ObjectId(_) => (kind::OBJECT_ID, 12),
        Value::Date(_) => (kind::DATE, 8),
        Value::Timestamp(_) => (kind::TIMESTAMP, 8),
        Value::Int32(_) => (kind::INT32, 4),
        Value::Int64(_) => (kind::INT64, 8),
        _ => return None,
    })
}

/// Writes the argument as a value of this type; its size.
fn value(state: State, kind: u8, content: &mut [u8; 12]) -> Result<usize, LuaError> {
    let mut put = |bytes: &[u8]| {
        content[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    };
    match kind {
        kind::BOOLEAN => put(&[state.to_bool(3).into()]),
        kind::DOUBLE => {
            // SAFETY: raises or gives a number; nothing is owned.
            let number = unsafe { ffi::luaL_checknumber(state.ptr(), 3) };
            put(&number.to_le_bytes())
        }
        kind::INT32 => put(&(integer(state, 32)? as i32).to_le_bytes()),
        kind::INT64 => put(&integer(state, 64)?.to_le_bytes()),
        _ => {
            let text = state.check_text(3);
            let special = Special::split(text).filter(|(found, _)| *found == kind);
            match special.map(|(kind, content)| Special::parse(kind, content)) {
                Some(Ok(Special::Date(seconds))) => {
                    put(&welkin_codec::bson::date_ms(seconds).to_le_bytes())
                }
                Some(Ok(Special::Timestamp(bytes))) => put(bytes),
                Some(Ok(Special::ObjectId(bytes))) => put(bytes),
                _ => Err(LuaError::new(format!(
                    "Type mismatch, need bson type {kind}"
                ))),
            }
        }
    }
}

/// The argument, which must be an integer and no float.
fn integer(state: State, bits: u32) -> Result<i64, LuaError> {
    // SAFETY: a live thread.
    if unsafe { ffi::lua_isinteger(state.ptr(), 3) } != 0 {
        return Ok(state.to_int(3).unwrap_or_default());
    }
    state.push_where(1);
    state.push_num(state.to_num(3).unwrap_or_default());
    state.push_tostring(-1);
    state.remove(-2);
    state.push_bytes(match bits {
        32 => b" must be a 32bit integer ",
        _ => b" must be a 64bit integer ",
    });
    state.concat(3);
    Err(LuaError::Raise)
}

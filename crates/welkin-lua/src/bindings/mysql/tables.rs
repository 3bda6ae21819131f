//! What a server says beside rows, as programs get it.

use std::ffi::CStr;

use welkin_codec::mysql::{Failure, Outcome, Value};
use welkin_lua_vm::Value as LuaValue;

use crate::state::State;

fn set_int(state: State, name: &'static CStr, value: i64) {
    state.push_int(value);
    state.raw_set_lit(-2, name);
}

fn set_text(state: State, name: &'static CStr, value: &[u8]) {
    state.push_bytes(value);
    state.raw_set_lit(-2, name);
}

/// Pushes the table of a statement that is done.
pub fn push_outcome(state: State, outcome: &Outcome<'_>) {
    state.create_table(0, 5);
    set_int(state, c"affected_rows", outcome.affected_rows.cast_signed());
    set_int(state, c"insert_id", outcome.insert_id.cast_signed());
    set_int(state, c"server_status", outcome.status.into());
    set_int(state, c"warning_count", outcome.warnings.into());
    if !outcome.message.is_empty() {
        set_text(state, c"message", outcome.message);
    }
}

/// Pushes the table of a statement that was refused.
pub fn push_failure(state: State, failure: &Failure<'_>) {
    state.create_table(0, 4);
    state.push_bool(true);
    state.raw_set_lit(-2, c"badresult");
    set_text(state, c"err", failure.message);
    set_int(state, c"errno", failure.errno.into());
    if let Some(sqlstate) = failure.sqlstate {
        set_text(state, c"sqlstate", sqlstate);
    }
}

/// A value of a row for its table. It points into `value`.
#[inline]
pub fn describe(value: &Value<'_>) -> LuaValue {
    match value {
        Value::Null => LuaValue::NIL,
        Value::Integer(number) => LuaValue::integer(*number),
        Value::Float(number) => LuaValue::float(*number),
        Value::Bytes(bytes) => LuaValue::text(bytes),
        Value::Time(text) => LuaValue::text(text.as_bytes()),
    }
}

//! A document to Lua values.
//!
//! The bytes are a server's, which may be a stranger's: the reader checks each length, tables are made no
//! larger than the bytes can fill, documents within documents are counted.

use std::convert::Infallible;
use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_codec::bson::{BsonError, Document, Place, READ_DEPTH_MAX, Value, kind};
use welkin_lua_vm::Value as LuaValue;

use super::described_bytes;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

lua_fn! {
    /// `decode(document) -> table`; nothing for what is no userdata.
    fn decode(call: &mut Call) -> LuaResult {
        let state = call.state;
        let given = state.argument(1);
        if !matches!(given.lua_type, ffi::LUA_TLIGHTUSERDATA | ffi::LUA_TUSERDATA) {
            return Ok(0);
        }
        let read = described_bytes(state, &given).and_then(|bytes| push_table(state, bytes));
        match read {
            Ok(()) => Ok(1),
            Err(error) => Err(LuaError::new(error.to_string())),
        }
    }
}

/// Pushes the document at the start of `bytes` as a table. After an error the stack holds what there was
/// and a part of it.
pub fn push_table(state: State, bytes: &[u8]) -> Result<(), BsonError> {
    document(state, Document::new(bytes)?, 0, state.top() + 1)
}

/// What makes room on the stack for a table's own values and one level more.
#[inline]
fn check_level(state: State, depth: u32) -> Result<(), BsonError> {
    // The outermost has the room that every C function has, and needs no more.
    match depth == 0 || depth <= READ_DEPTH_MAX && state.check_stack(ffi::LUA_MINSTACK) {
        true => Ok(()),
        false => Err(BsonError::Depth),
    }
}

/// Pushes the document as a table, to index `table`.
fn document(
    state: State,
    mut document: Document<'_>,
    depth: u32,
    table: c_int,
) -> Result<(), BsonError> {
    check_level(state, depth)?;
    // A table that grows field by field is rehashed at each power of two; looking ahead is cheaper.
    state.create_table(0, room(document.elements_ahead()));
    while let Some(element) = document.next()? {
        let put = |value: &LuaValue| state.store(table, element.name, value);
        store(state, element.value, (depth, table), put)?;
    }
    Ok(())
}

/// The same for an array.
fn array(state: State, mut items: Document<'_>, depth: u32, table: c_int) -> Result<(), BsonError> {
    check_level(state, depth)?;
    state.create_table(room(items.items_ahead()), 0);
    let mut place = Place::default();
    while let Some((number, value)) = items.next_item(&mut place)? {
        let put = |value: &LuaValue| state.store_item(table, number.wrapping_add(1), value);
        store(state, value, (depth, table), put)?;
    }
    Ok(())
}

fn room(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}

/// Hands the value to `put`: numbers, texts and what is like them as they are, others on the stack, on top of
/// the table that is so deep.
// Always inlined behind the reader, and `put` in each arm, so that no value is moved about in memory.
#[inline(always)]
fn store(
    state: State,
    value: Value<'_>,
    (depth, table): (u32, c_int),
    put: impl Fn(&LuaValue),
) -> Result<(), BsonError> {
    match value {
        Value::Int32(value) => put(&LuaValue::integer(value.into())),
        Value::String(text) => put(&LuaValue::text(text)),
        Value::Double(value) => put(&LuaValue::float(value)),
        Value::Boolean(value) => put(&LuaValue::boolean(value)),
        Value::Int64(value) => put(&LuaValue::integer(value)),
        Value::Document(inner) => {
            document(state, inner, depth + 1, table + 1)?;
            put(&LuaValue::OTHER);
        }
        Value::Array(inner) => {
            array(state, inner, depth + 1, table + 1)?;
            put(&LuaValue::OTHER);
        }
        other => {
            push_special(state, other);
            put(&LuaValue::OTHER);
        }
    }
    Ok(())
}

/// Pushes the string that stands for a value that Lua has no type for.
fn push_special(state: State, value: Value<'_>) {
    match value {
        Value::ObjectId(bytes) => push_fixed(state, kind::OBJECT_ID, *bytes),
        // Seconds, of which skynet keeps the lower 32 bits.
        Value::Date(ms) => push_fixed(state, kind::DATE, ((ms / 1000) as i32).to_le_bytes()),
        Value::Timestamp(bytes) => push_fixed(state, kind::TIMESTAMP, *bytes),
        Value::Binary { subtype, bytes } => {
            push_parts(state, kind::BINARY, [&[subtype], bytes, b"", b""])
        }
        Value::Regex { pattern, options } => {
            push_parts(state, kind::REGEX, [pattern, b"\0", options, b"\0"]);
        }
        Value::Raw { kind, bytes } => push_parts(state, kind, [bytes, b"", b"", b""]),
        Value::Null => state.push_bytes(super::values::NULL),
        Value::MinKey => state.push_bytes(super::values::MIN_KEY),
        Value::MaxKey => state.push_bytes(super::values::MAX_KEY),
        // The others have a type.
        _ => state.push_nil(),
    }
}

/// Pushes the string that stands for a value of `N` bytes.
pub(super) fn push_fixed<const N: usize>(state: State, kind: u8, content: [u8; N]) {
    let mut text = [0; 16];
    text[1] = kind;
    text[2..N + 2].copy_from_slice(&content);
    state.push_bytes(&text[..N + 2]);
}

/// Pushes the string that stands for a value of these parts.
pub(super) fn push_parts(state: State, kind: u8, parts: [&[u8]; 4]) {
    let room = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    let written: Result<(), Infallible> = state.push_filled(room, |out| {
        out[1] = kind;
        let mut at = 2;
        for part in parts {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        Ok(at)
    });
    let Ok(()) = written;
}

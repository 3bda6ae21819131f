//! From a table of Lua to a version: read raw, checked, and every table that is met anew a table of its own.

use mlua_sys as ffi;
use welkin_lua_vm::{Kind, Value as Found};

use super::{Builder, Key, Value};
use crate::border::LuaError;
use crate::sharedata::tree::{Text, TooMuch};
use crate::state::State;

/// Tables inside tables. One that contains itself ends here too.
const DEPTH_MAX: u32 = 200;
/// A border may lie far behind the entries there are; items are laid in a row only if at least one in so many
/// is there.
const SPARSE: usize = 4;

/// Fills table `number` of the version with what the table at `index`, a positive one, has. Raises nothing
/// as long as the table has none of the values that are refused anyway.
pub fn fill(
    state: State,
    index: i32,
    builder: &mut Builder,
    number: u32,
    depth: u32,
) -> Result<(), LuaError> {
    if depth > DEPTH_MAX || !state.check_stack(2) {
        return Err(LuaError::plain("C stack overflow"));
    }
    reserve(state, index, builder, number)?;
    let (mut key, mut value) = (Found::NIL, Found::NIL);
    let mut place = 0;
    loop {
        place = state.entry(index, place, &mut key, &mut value);
        if place == 0 {
            return Ok(());
        }
        let name = key_of(state, builder, &key)?;
        let held = match value.kind {
            Kind::Other if value.lua_type == ffi::LUA_TTABLE => {
                let below = builder.table(number, name).map_err(too_much)?;
                fill(state, state.top(), builder, below, depth + 1)?;
                state.pop(1);
                Value::Table(below)
            }
            Kind::Nil | Kind::Other => {
                let name = state.name_of_type(value.lua_type);
                return Err(LuaError::plain(format!("Unsupport value type {name}")));
            }
            Kind::False => Value::Boolean(false),
            Kind::True => Value::Boolean(true),
            Kind::Integer => Value::Integer(value.bits.cast_signed()),
            Kind::Float => Value::Float(f64::from_bits(value.bits)),
            Kind::Text => Value::Text(text_of(builder, &value)?),
        };
        builder.put(number, name, held).map_err(too_much)?;
    }
}

/// Counts the entries, and makes room for them.
fn reserve(state: State, index: i32, builder: &mut Builder, number: u32) -> Result<(), LuaError> {
    let length = state.raw_len(index);
    let (mut inside, mut outside) = (0, 0);
    let (mut key, mut value) = (Found::NIL, Found::NIL);
    let mut place = 0;
    loop {
        place = state.entry(index, place, &mut key, &mut value);
        if place == 0 {
            break;
        }
        if value.kind == Kind::Other {
            state.pop(1);
        }
        match key.kind == Kind::Integer && (1..=length as u64).contains(&key.bits) {
            true => inside += 1,
            false => outside += 1,
        }
    }
    let (items, fields) = match length / SPARSE <= inside {
        true => (length, outside),
        false => (0, inside + outside),
    };
    let room = builder.reserve(number, length as i64, items, fields);
    room.map_err(too_much)
}

fn key_of(state: State, builder: &mut Builder, key: &Found) -> Result<Key, LuaError> {
    match key.kind {
        Kind::Integer => Ok(Key::Integer(key.bits.cast_signed())),
        Kind::Text => Ok(Key::Text(text_of(builder, key)?)),
        Kind::Float => {
            let key = f64::from_bits(key.bits);
            Err(LuaError::plain(format!("Invalid key {key:?}")))
        }
        _ => {
            let name = state.name_of_type(key.lua_type);
            Err(LuaError::plain(format!("Invalid key type {name}")))
        }
    }
}

fn text_of(builder: &mut Builder, found: &Found) -> Result<Text, LuaError> {
    // SAFETY: a text of a table that is on the stack, of the length that Lua gave with it.
    let bytes = unsafe { std::slice::from_raw_parts(found.bits as *const u8, found.len) };
    builder.text(bytes).map_err(too_much)
}

fn too_much(_: TooMuch) -> LuaError {
    LuaError::plain("too much data under one name: 4 GB of strings or 1000 million entries")
}

//! The Lua module `welkin.resp`, behind `skynet.db.redis`: commands as one text each, and answers out of
//! what a connection has received.
//!
//! Arguments are turned into texts on the stack, where they stay while the command is written. A reader
//! keeps the bytes of one connection until an answer is whole and then builds it in one pass.

mod answer;

use mlua_sys as ffi;
use welkin_codec::resp::{Room, crc16, key_slot, write_command};

use super::object;
use super::skynet::Entry;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;
use answer::Reader;

const FUNCTIONS: &[Entry] = &[
    (c"command", command),
    (c"command_of", command_of),
    (c"crc16", crc),
    (c"next", next),
    (c"pipeline", pipeline),
    (c"reader", reader),
    (c"slot", slot),
    (c"unread", unread),
];

/// Most parts in one text of a pipeline, so that they fit on the stack.
const PIPELINE_PARTS_MAX: i32 = 10_000;

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module::<Reader>(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `command(name, ...) -> text`; a nil is sent as the null.
    fn command(call: &mut Call) -> LuaResult {
        call.state.check_text(1);
        push_command(call.state, 1)
    }

    /// `command_of(name, list) -> text`: the arguments are `list[1]` to `list[list.n or #list]`.
    fn command_of(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.check_text(1);
        state.check_type(2, ffi::LUA_TTABLE);
        state.set_top(2);
        state.push_lit(c"n");
        state.get(2);
        let count = if state.type_of(-1) == ffi::LUA_TNIL {
            // SAFETY: a live thread; may call a metamethod, nothing is owned here.
            unsafe { ffi::luaL_len(call.L, 2) }
        } else {
            state.to_int(-1).ok_or_else(|| LuaError::new("field n is no count"))?
        };
        state.pop(1);
        push_items(state, 2, count)?;
        state.remove(2);
        push_command(state, 1)
    }

    /// `pipeline(list, from) -> text, next`: the commands of `list` from this one on, each a list of its
    /// parts. `next` is where to go on, if not all went into this text.
    fn pipeline(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.check_type(1, ffi::LUA_TTABLE);
        let (first, count) = (state.check_int(2), state.raw_len(1) as i64);
        state.set_top(1);
        let mut at = first;
        while at <= count && (at == first || state.top() < PIPELINE_PARTS_MAX) {
            push_operation(state, at)?;
            at += 1;
        }
        push_operations(state)?;
        if at > count {
            return Ok(1);
        }
        state.push_int(at);
        Ok(2)
    }

    /// `crc16(text) -> 0..65535`
    fn crc(call: &mut Call) -> LuaResult {
        call.state.push_int(crc16(call.state.check_text(1)).into());
        Ok(1)
    }

    /// `slot(key) -> 0..16383`: where a cluster keeps it.
    fn slot(call: &mut Call) -> LuaResult {
        call.state.push_int(key_slot(call.state.check_text(1)).into());
        Ok(1)
    }

    /// `reader() -> userdata`: reads the answers of one connection.
    fn reader(call: &mut Call) -> LuaResult {
        object::push::<Reader>(call.state, 0);
        Ok(1)
    }

    /// `next(reader[, text]) -> ok, value`: the next answer, after `text` was added to what has come;
    /// nothing if it is not whole. Not ok: the value is an error, or an array with one in it. Raises
    /// when it is no answer.
    fn next(call: &mut Call) -> LuaResult {
        let state = call.state;
        let reader = object::check::<Reader>(state, 1, c"reader expected")?;
        if state.type_of(2) == ffi::LUA_TSTRING {
            let text = state.check_text(2);
            // SAFETY: a live object, and the text lies on the stack; Lua is not called here.
            unsafe { (*reader).inbox.feed(text) }?;
        }
        answer::push_next(state, reader)
    }

    /// `unread(reader) -> integer`: bytes that no answer has used.
    fn unread(call: &mut Call) -> LuaResult {
        let reader = object::check::<Reader>(call.state, 1, c"reader expected")?;
        // SAFETY: a live object.
        let unread = unsafe { (*reader).inbox.unread().len() };
        call.state.push_int(unread as i64);
        Ok(1)
    }
}

/// Pushes `list[1]` to `list[count]`.
fn push_items(state: State, list: i32, count: i64) -> Result<(), LuaError> {
    let room = i32::try_from(count.max(0)).unwrap_or(i32::MAX);
    if !state.check_stack(room.saturating_add(ffi::LUA_MINSTACK)) {
        return Err(LuaError::new(format!("too many arguments: {count}")));
    }
    for index in 1..=count {
        state.raw_get_i(list, index);
    }
    Ok(())
}

/// Makes texts of the values from `first` on, by the rules of `tostring`; nil stays.
fn make_texts(state: State, first: i32) {
    for index in first..=state.top() {
        match state.type_of(index) {
            ffi::LUA_TSTRING | ffi::LUA_TNIL => {}
            // Changed in place.
            ffi::LUA_TNUMBER => {
                state.text(index);
            }
            _ => {
                state.push_tostring(index);
                state.replace(index);
            }
        }
    }
}

/// The text of the command whose parts are all values from `first` on.
fn push_command(state: State, first: i32) -> LuaResult {
    make_texts(state, first);
    let last = state.top();
    let count = (last - first + 1) as usize;
    let mut room = Room::default();
    room.add_head(count);
    (first..=last).for_each(|index| room.add(state.string(index)));
    state.push_filled(room.0, |out| -> Result<usize, LuaError> {
        write_command(out, count, (first..=last).map(|index| state.string(index)));
        Ok(room.0)
    })?;
    Ok(1)
}

/// Pushes how many parts the command `list[at]` has, and them.
fn push_operation(state: State, at: i64) -> Result<(), LuaError> {
    let broken = |what: &str| Err(LuaError::new(format!("pipeline: command {at} {what}")));
    if !state.check_stack(ffi::LUA_MINSTACK) {
        return broken("has too many parts");
    }
    if state.raw_get_i(1, at) != ffi::LUA_TTABLE {
        return broken("is no table");
    }
    let list = state.top();
    let count = state.raw_len(list) as i64;
    if count == 0 {
        return broken("is empty");
    }
    push_items(state, list, count)?;
    for index in list + 1..=state.top() {
        if state.type_of(index) == ffi::LUA_TNIL {
            return broken("has a nil in it");
        }
    }
    make_texts(state, list + 1);
    state.push_int(count);
    state.replace(list);
    Ok(())
}

/// One text of all commands on the stack above the first value, each as its count and its parts.
fn push_operations(state: State) -> Result<(), LuaError> {
    let last = state.top();
    let commands = move || {
        let mut at = 2;
        std::iter::from_fn(move || {
            let count = (at <= last).then(|| state.to_int(at))?? as i32;
            at += count + 1;
            Some((at - count, count))
        })
    };
    let mut room = Room::default();
    for (first, count) in commands() {
        room.add_head(count as usize);
        (first..first + count).for_each(|index| room.add(state.string(index)));
    }
    state.push_filled(room.0, |mut out| -> Result<usize, LuaError> {
        for (first, count) in commands() {
            let parts = (first..first + count).map(|index| state.string(index));
            out = write_command(out, count as usize, parts);
        }
        Ok(room.0)
    })
}

//! Answers as Lua values.

use mlua_sys as ffi;
use welkin_codec::resp::{Scan, Token, token};

use crate::bindings::inbox::Inbox;
use crate::border::{LuaError, LuaResult};
use crate::state::State;

/// Reads the answers of one connection.
#[derive(Debug, Default)]
pub struct Reader {
    pub inbox: Inbox,
    scan: Scan,
}

impl Reader {
    /// Length of the next answer, if it is whole.
    fn end(&mut self) -> Result<Option<usize>, LuaError> {
        self.scan
            .end(self.inbox.unread())
            .map_err(|error| LuaError::plain(error.to_string()))
    }
}

/// Pushes whether the next answer is good, and its value; nothing if it is not whole.
pub fn push_next(state: State, reader: *mut Reader) -> LuaResult {
    // SAFETY: a live object, on the stack of this call. The bytes stay where they are while it is busy,
    // and are not used after that.
    unsafe {
        (*reader).inbox.enter()?;
        let end = (*reader).end();
        if !matches!(end, Ok(Some(_))) {
            (*reader).inbox.leave();
        }
        let Some(len) = end? else {
            return Ok(0);
        };
        let unread: *const [u8] = (*reader).inbox.unread();
        state.push_bool(true);
        let place = state.top();
        let mut good = true;
        push_value(state, &mut &(&*unread)[..len], &mut good);
        (*reader).inbox.skip(len);
        (*reader).inbox.leave();
        if !good {
            state.push_bool(false);
            state.replace(place);
        }
    }
    Ok(2)
}

/// Pushes the value at the beginning of `bytes`, which holds it whole, and takes its bytes.
fn push_value(state: State, bytes: &mut &[u8], good: &mut bool) {
    // `Scan` has looked through all of it.
    let Ok(Some((token, used))) = token(bytes) else {
        return state.push_nil();
    };
    *bytes = &bytes[used..];
    match token {
        Token::Status(text) | Token::Bulk(text) => state.push_bytes(text),
        Token::Error(text) => {
            *good = false;
            state.push_bytes(text);
        }
        Token::Integer(number) => state.push_int(number),
        Token::Float(number) => state.push_num(number),
        Token::Null => state.push_nil(),
        Token::Array(count) => push_array(state, bytes, count, good),
    }
}

fn push_array(state: State, bytes: &mut &[u8], count: usize, good: &mut bool) {
    // The depth is limited by `Scan`, so the stack has room enough, here only asked for.
    state.check_stack(ffi::LUA_MINSTACK);
    // All items are there, each with four bytes at least.
    state.create_table(i32::try_from(count).unwrap_or(0), 0);
    for index in 1..=count {
        push_value(state, bytes, good);
        state.raw_set_i(-2, index as i64);
    }
}

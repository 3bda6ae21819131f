//! Reading the plain text of a session: by number of bytes, by lines, or whatever there is.

use super::{Held, held};
use crate::lua_fn;
use crate::state::State;

lua_fn! {
    /// `read(session, size) -> text`: nothing if there are not so many. Without `size` all there is.
    fn read(call: &mut Call) -> LuaResult {
        let state = call.state;
        let held = held(state)?;
        let there = unread_len(held);
        let size = match state.is_none_or_nil(2) {
            true => there,
            false => usize::try_from(state.check_int(2)).unwrap_or(0),
        };
        if size > there || (there == 0 && state.is_none_or_nil(2)) {
            return Ok(0);
        }
        push(state, held, size, 0);
        Ok(1)
    }

    /// `readline(session, sep) -> text`: nothing if no line is whole.
    fn readline(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (held, sep) = (held(state)?, state.check_text(2));
        // SAFETY: a live object; Lua is not called while the reference is there.
        let unread = unsafe { (*held).inbox.unread() };
        let end = match sep.len() {
            0 => Some(0),
            len => unread.windows(len).position(|window| window == sep),
        };
        let Some(end) = end else {
            return Ok(0);
        };
        push(state, held, end, sep.len());
        Ok(1)
    }

    /// `unread(session) -> integer`: bytes of plain text that are there.
    fn unread(call: &mut Call) -> LuaResult {
        let there = unread_len(held(call.state)?);
        call.state.push_int(there as i64);
        Ok(1)
    }
}

fn unread_len(held: *mut Held) -> usize {
    // SAFETY: a live object, by `held`.
    unsafe { (*held).inbox.unread().len() }
}

/// Pushes the first `size` bytes, which are there, and passes over `more` behind them.
fn push(state: State, held: *mut Held, size: usize, more: usize) {
    // SAFETY: a live object; the bytes stay at their place until more is fed, which only a call with this
    // session does.
    unsafe {
        let unread: *const [u8] = (*held).inbox.unread();
        (*held).inbox.skip(size + more);
        state.push_bytes(&(&*unread)[..size]);
    }
}

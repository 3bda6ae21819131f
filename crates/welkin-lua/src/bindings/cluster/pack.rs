//! Frames out of messages.

use std::borrow::Cow;
use std::ffi::c_void;

use mlua_sys as ffi;
use welkin_codec::cluster::{
    PART, RESULT_SHORT_MAX, TRACE_MAX, To, next_session, parts, write_begin, write_error,
    write_part, write_request, write_result, write_result_begin, write_result_part, write_trace,
};
use welkin_runtime::Payload;

use super::super::socketdriver::arguments;
use super::{bytes, is_text, push_frame};
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

/// Frees the block and gives the error.
fn refuse(block: *mut c_void, size: usize, text: String) -> LuaError {
    // SAFETY: the program gave the block away with the call.
    drop(unsafe { Payload::from_raw(block, size) });
    LuaError::new(text)
}

/// Whom a request is for. The name lies on the stack.
fn target<'a>(state: State) -> Result<To<'a>, String> {
    if state.type_of(1) == ffi::LUA_TNUMBER {
        let number = match state.to_int(1) {
            Some(number) => number,
            None => state.to_num(1).unwrap_or(0.0) as i64,
        };
        return Ok(To::Address(number as u32));
    }
    let Some(name) = state.string(1) else {
        let kind = state.type_name(1);
        return Err(format!("name is not a string, it's a {kind}"));
    };
    let to = To::Name(Cow::Borrowed(name));
    match to.check() {
        Ok(()) => Ok(to),
        Err(error) => Err(format!("{error}: {}", String::from_utf8_lossy(name))),
    }
}

/// Pushes frame, next session and the frames of the parts.
fn pack(state: State, push: bool) -> LuaResult {
    if state.is_none_or_nil(3) {
        return Err(LuaError::new("Invalid request message"));
    }
    let session = state.check_int(2);
    let (block, size) = arguments::given_block(state, 3);
    let number = match u32::try_from(session) {
        Ok(number) if number > 0 && session <= i64::from(i32::MAX) => number,
        _ => {
            let text = format!("Invalid request session {session}");
            return Err(refuse(block, size, text));
        }
    };
    let to = match target(state) {
        Ok(to) => to,
        Err(text) => return Err(refuse(block, size, text)),
    };
    let Ok(total) = u32::try_from(size) else {
        let text = format!("a message of {size} bytes is too large for the cluster");
        return Err(refuse(block, size, text));
    };
    // SAFETY: the block is the program's and given away with the call; it is freed at the end. Should a
    // push raise before, it is not.
    let message = unsafe { bytes(block.cast(), size) };
    state.set_top(4);
    let to = &to;
    let results = if size < PART {
        let session = if push { 0 } else { number };
        push_frame(state, size, |sink| {
            write_request(sink, to, session, message)
        });
        state.push_int(next_session(number).into());
        2
    } else {
        push_frame(state, 0, |sink| write_begin(sink, to, number, total, push));
        state.push_int(next_session(number).into());
        state.create_table(size.div_ceil(PART) as i32, 0);
        for (n, (part, last)) in (1..).zip(parts(message)) {
            push_frame(state, PART, |sink| write_part(sink, number, part, last));
            state.raw_set_i(-2, n);
        }
        3
    };
    // SAFETY: as above; nobody uses it any more.
    drop(unsafe { Payload::from_raw(block, size) });
    Ok(results)
}

lua_fn! {
    /// `packrequest(address, session, pointer, size) -> frame, next session[, frames of the parts]`.
    fn packrequest(call: &mut Call) -> LuaResult {
        pack(call.state, false)
    }

    /// `packpush(address, session, pointer, size)`: the same, without an answer.
    fn packpush(call: &mut Call) -> LuaResult {
        pack(call.state, true)
    }

    /// `packtrace(tag) -> frame`.
    fn packtrace(call: &mut Call) -> LuaResult {
        let tag = call.state.check_text(1);
        if tag.len() > TRACE_MAX {
            return Err(LuaError::new(format!("trace tag is too long : {}", tag.len())));
        }
        push_frame(call.state, tag.len(), |sink| {
            write_trace(sink, tag);
        });
        Ok(1)
    }

    /// `packresponse(session, ok, text)` or `(session, ok, pointer, size) -> frame`, or an array of them.
    fn packresponse(call: &mut Call) -> LuaResult {
        let state = call.state;
        let session = state.check_int(1) as u32;
        let ok = state.to_bool(2);
        let result = if is_text(state, 3) {
            state.check_text(3)
        } else if state.is_none_or_nil(3) {
            &[]
        } else {
            let (pointer, size) = arguments::block(state, 3);
            // SAFETY: a block that the program lends for the call; see `block`.
            unsafe { bytes(pointer.cast(), size) }
        };
        let size = result.len();
        if !ok {
            push_frame(state, size.min(PART), |sink| write_error(sink, session, result));
        } else if size <= RESULT_SHORT_MAX {
            push_frame(state, size, |sink| write_result(sink, session, result));
        } else {
            state.create_table(1 + size.div_ceil(PART) as i32, 0);
            push_frame(state, 4, |sink| write_result_begin(sink, session, size as u32));
            state.raw_set_i(-2, 1);
            for (n, (part, last)) in (2..).zip(parts(result)) {
                push_frame(state, PART, |sink| write_result_part(sink, session, part, last));
                state.raw_set_i(-2, n);
            }
        }
        Ok(1)
    }
}

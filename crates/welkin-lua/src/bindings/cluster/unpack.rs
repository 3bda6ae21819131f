//! Messages out of frames.

use welkin_codec::cluster::{Request, Response, To};
use welkin_runtime::Payload;

use super::super::socketdriver::arguments;
use super::{bytes, is_text, push_block};
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

fn push_target(state: State, to: &To<'_>) {
    match to {
        To::Address(address) => state.push_int((*address).into()),
        To::Name(name) => state.push_bytes(name),
    }
}

lua_fn! {
    /// `unpackrequest(pointer, size)` or `(text)`, of the body of a frame. A message: address, session,
    /// pointer, size[, nil, true: a push]. A begin: address, session, nil, size, true, is push. A part:
    /// false, session, pointer, size, more follows. A trace: its tag.
    fn unpackrequest(call: &mut Call) -> LuaResult {
        let state = call.state;
        let body = if is_text(state, 1) {
            state.check_text(1)
        } else {
            let (pointer, size) = arguments::block(state, 1);
            // SAFETY: a block that the program lends for the call; see `block`.
            unsafe { bytes(pointer.cast(), size) }
        };
        let request = Request::read(body).map_err(|bad| LuaError::new(bad.to_string()))?;
        // What follows copies names out of `body`; a `To` read from a frame owns nothing.
        match request {
            Request::Short { to, session, message } => {
                push_target(state, &to);
                state.push_int(session.into());
                push_block(state, Payload::copy_from(message));
                if session != 0 {
                    return Ok(4);
                }
                state.push_nil();
                state.push_bool(true);
                Ok(6)
            }
            Request::Begin { to, session, size, push } => {
                push_target(state, &to);
                state.push_int(session.into());
                state.push_nil();
                state.push_int(size.into());
                state.push_bool(true);
                state.push_bool(push);
                Ok(6)
            }
            Request::Part { session, bytes, last } => {
                state.push_bool(false);
                state.push_int(session.into());
                push_block(state, Payload::copy_from(bytes));
                state.push_bool(!last);
                Ok(5)
            }
            Request::Trace(tag) => {
                state.push_bytes(tag);
                Ok(1)
            }
        }
    }

    /// `unpackresponse(body) -> session, ok, data[, true: more follows]`; of a begin the data is the
    /// size. Nothing: malformed.
    fn unpackresponse(call: &mut Call) -> LuaResult {
        let state = call.state;
        let Ok((session, response)) = Response::read(state.check_text(1)) else {
            return Ok(0);
        };
        state.push_int(session.into());
        state.push_bool(!matches!(response, Response::Error(_)));
        match response {
            Response::Error(data) | Response::Result(data) | Response::Last(data) => {
                state.push_bytes(data);
                Ok(3)
            }
            Response::Begin(size) => {
                state.push_int(size.into());
                state.push_bool(true);
                Ok(4)
            }
            Response::Part(data) => {
                state.push_bytes(data);
                state.push_bool(true);
                Ok(4)
            }
        }
    }
}

//! Native parts of the MongoDB driver: the Lua modules `skynet.mongo.driver`, which programs may know,
//! and `welkin.mongo`, by which our driver takes a reply apart without a bare pointer in between.

use mlua_sys as ffi;
use welkin_codec::crypt::scram::{self, Hash};
use welkin_codec::mongo::{self, HEADER_BYTES, MESSAGE_BYTES_MAX, Reply, ReplyError};

use super::bson::{document_bytes, push_table};
use super::push_functions;
use super::skynet::Entry;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

const DRIVER: &[Entry] = &[(c"length", length), (c"op_msg", op_msg), (c"reply", reply)];

const PRIVATE: &[Entry] = &[
    (c"answers", answers),
    (c"document", document),
    (c"rest", rest),
];

lua_fn! {
    /// Pushes the module `skynet.mongo.driver`.
    fn open_driver(call: &mut Call) -> LuaResult {
        push_functions(call.state, DRIVER);
        Ok(1)
    }

    /// Pushes the module `welkin.mongo`.
    fn open_private(call: &mut Call) -> LuaResult {
        push_functions(call.state, PRIVATE);
        Ok(1)
    }

    /// Pushes the module `welkin.scram`: one function.
    fn open_scram(call: &mut Call) -> LuaResult {
        push_functions(call.state, &[(c"prove", prove)]);
        Ok(1)
    }

    /// `op_msg(id, flags, document) -> packet`.
    fn op_msg(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (id, flags) = (state.check_int(1) as i32, state.check_int(2) as u32);
        if !matches!(state.type_of(3), ffi::LUA_TLIGHTUSERDATA | ffi::LUA_TUSERDATA) {
            return Err(LuaError::new("opmsg require cmd document"));
        }
        let document = document_bytes(state, 3).map_err(|error| LuaError::new(error.to_string()))?;
        let Some(header) = mongo::header(id, flags, document.len()) else {
            return Err(LuaError::new(format!("a document of {} bytes is too long", document.len())));
        };
        state.push_filled(HEADER_BYTES + document.len(), |out| {
            out[..HEADER_BYTES].copy_from_slice(&header);
            out[HEADER_BYTES..].copy_from_slice(document);
            Ok::<_, LuaError>(out.len())
        })?;
        Ok(1)
    }

    /// `length(4 bytes) -> integer`: how many bytes of the message follow them.
    fn length(call: &mut Call) -> LuaResult {
        call.state.push_int(mongo::rest_of_message(length_bytes(call.state)?));
        Ok(1)
    }

    /// `reply(string) -> true, integer, lightuserdata`: which request is answered, and the document, which
    /// is within the string; false for what is too short.
    fn reply(call: &mut Call) -> LuaResult {
        let state = call.state;
        let Some(reply) = mongo::read_reply(state.check_text(1)) else {
            state.push_bool(false);
            return Ok(1);
        };
        let reply = whole(reply)?;
        state.push_bool(true);
        state.push_int(reply.response_to.into());
        state.push_light(reply.document.as_ptr().cast_mut().cast());
        Ok(3)
    }

    /// `rest(4 bytes) -> integer`: as `length`, but a message that cannot be one raises.
    fn rest(call: &mut Call) -> LuaResult {
        let rest = mongo::rest_of_message(length_bytes(call.state)?);
        if !(1..=MESSAGE_BYTES_MAX as i64).contains(&rest) {
            let text = format!("Invalid mongo message : {rest} bytes, at most {MESSAGE_BYTES_MAX} are possible");
            return Err(LuaError::new(text));
        }
        call.state.push_int(rest);
        Ok(1)
    }

    /// `answers(string) -> integer`: which request a reply answers. One that is cut raises nothing yet,
    /// as that is the concern of who asked.
    fn answers(call: &mut Call) -> LuaResult {
        let Some(reply) = mongo::read_reply(call.state.check_text(1)) else {
            return Err(LuaError::new("Invalid mongo message : cut"));
        };
        let reply = reply.and_then(|reply| match reply.check_sections() {
            Err(ReplyError::Cut { .. }) | Ok(()) => Ok(reply),
            Err(error) => Err(error),
        });
        match reply {
            Ok(reply) => call.state.push_int(reply.response_to.into()),
            Err(error) => return Err(invalid(error)),
        }
        Ok(1)
    }

    /// `document(string) -> table`: the document of a reply.
    fn document(call: &mut Call) -> LuaResult {
        let state = call.state;
        let Some(reply) = mongo::read_reply(state.check_text(1)) else {
            return Err(LuaError::new("Invalid mongo message : cut"));
        };
        let reply = whole(reply)?;
        match push_table(state, reply.document) {
            Ok(()) => Ok(1),
            Err(error) => Err(LuaError::new(error.to_string())),
        }
    }

    /// `prove(hash, password, salt, rounds, conversation) -> proof, signature`: what to send, and what the
    /// server must send. `hash` is `sha1` or `sha256`.
    fn prove(call: &mut Call) -> LuaResult {
        let state = call.state;
        let hash = match state.check_text(1) {
            b"sha1" => Hash::Sha1,
            b"sha256" => Hash::Sha256,
            _ => return Err(LuaError::Argument(1, c"sha1 or sha256 expected")),
        };
        let (password, salt) = (state.check_text(2), state.check_text(3));
        let rounds = state.check_int(4);
        let conversation = state.check_text(5);
        // Thousands of rounds: others go on meanwhile.
        let proof = u32::try_from(rounds).ok().and_then(|rounds| {
            welkin_runtime::blocking(|| scram::prove(hash, password, salt, rounds, conversation))
        });
        let Some(proof) = proof else {
            let most = scram::ROUNDS_MAX;
            return Err(LuaError::new(format!("the server asks for {rounds} rounds of hashing, 1 to {most} are possible")));
        };
        state.push_bytes(proof.client.as_slice());
        state.push_bytes(proof.server.as_slice());
        Ok(2)
    }
}

fn invalid(error: ReplyError) -> LuaError {
    LuaError::new(error.to_string())
}

/// A reply with exactly one document.
fn whole(reply: Result<Reply<'_>, ReplyError>) -> Result<Reply<'_>, LuaError> {
    let reply = reply.map_err(invalid)?;
    reply.check_sections().map_err(invalid)?;
    Ok(reply)
}

fn length_bytes(state: State) -> Result<[u8; 4], LuaError> {
    let bytes = state.check_text(1).first_chunk();
    bytes
        .copied()
        .ok_or_else(|| LuaError::new("a length has 4 bytes"))
}

//! The Lua module `welkin.mysql`, behind `skynet.db.mysql`: results out of what a connection has received,
//! packets with parameters, and the proofs of a login.
//!
//! A reader keeps the bytes of one connection and the result that is being built: rows are pushed as they
//! come, so a long result is neither kept twice nor read twice.

mod parameters;
mod prepared;
mod result;
mod tables;

use mlua_sys as ffi;
use welkin_codec::mysql::{
    self, KeyError, MysqlError, Reply, caching_sha2_token, ed25519_token, encrypt_password,
    native_token, read_greeting, read_reply,
};
use welkin_runtime::built_without;

use super::crypt::random_bytes;
use super::info::push_owned;
use super::object;
use super::skynet::Entry;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;
use result::Results;

const FUNCTIONS: &[Entry] = &[
    (c"encrypt_password", encrypt),
    (c"execute", execute),
    (c"failure", failure),
    (c"greeting", greeting),
    (c"packet", packet),
    (c"prepared", read_prepared),
    (c"reader", reader),
    (c"result", read_result),
    (c"token", token),
    (c"unread", unread),
];

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module::<Results>(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `reader() -> userdata`: reads the answers of one connection.
    fn reader(call: &mut Call) -> LuaResult {
        object::push::<Results>(call.state, result::VALUES);
        Ok(1)
    }

    /// `unread(reader) -> integer`: bytes that no answer has used.
    fn unread(call: &mut Call) -> LuaResult {
        let reader = check(call.state)?;
        // SAFETY: a live object.
        let unread = unsafe { (*reader).inbox.unread().len() };
        call.state.push_int(unread as i64);
        Ok(1)
    }

    /// `packet(reader[, text]) -> body, sequence`: the next packet, after `text` was added to what has come;
    /// nothing if it is not whole.
    fn packet(call: &mut Call) -> LuaResult {
        let state = call.state;
        let reader = fed(state)?;
        // SAFETY: a live object; the body stays at its place until more is fed, and is copied before.
        unsafe {
            let unread: *const [u8] = (*reader).inbox.unread();
            let Some(packet) = mysql::packet(&*unread).map_err(raise)? else {
                return Ok(0);
            };
            (*reader).inbox.skip(packet.size());
            state.push_bytes(packet.body);
            state.push_int(packet.sequence.into());
        }
        Ok(2)
    }

    /// `result(reader, text, binary, compact) -> result, more`: the next result, after `text` (or nil) was
    /// added; nothing if it is not whole. `more`: another one follows.
    fn read_result(call: &mut Call) -> LuaResult {
        let state = call.state;
        let reader = fed(state)?;
        let (binary, compact) = (state.to_bool(3), state.to_bool(4));
        result::push_next(state, reader, binary, compact)
    }

    /// `prepared(reader[, text]) -> statement`, or what a failure is as a result; nothing if it is not whole.
    fn read_prepared(call: &mut Call) -> LuaResult {
        let reader = fed(call.state)?;
        prepared::push_next(call.state, reader)
    }

    /// `greeting(body) -> version, scramble, capabilities, plugin`
    fn greeting(call: &mut Call) -> LuaResult {
        let state = call.state;
        let greeting = read_greeting(state.check_text(1)).map_err(raise)?;
        state.push_bytes(greeting.version);
        state.push_bytes(&greeting.scramble);
        state.push_int(greeting.capabilities.into());
        state.push_bytes(greeting.plugin);
        Ok(4)
    }

    /// `failure(body) -> errno, message, sqlstate`: nothing if it is none.
    fn failure(call: &mut Call) -> LuaResult {
        let state = call.state;
        let Ok(Reply::Failure(failure)) = read_reply(state.check_text(1), false) else {
            return Ok(0);
        };
        state.push_int(failure.errno.into());
        state.push_bytes(failure.message);
        match failure.sqlstate {
            Some(sqlstate) => state.push_bytes(sqlstate),
            None => state.push_nil(),
        }
        Ok(3)
    }

    /// `token(plugin, password, scramble) -> text`: nothing for a plugin that is not known here.
    fn token(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (password, scramble) = (state.check_text(2), state.check_text(3));
        let token = match state.check_text(1) {
            b"mysql_native_password" => native_token(password, scramble),
            b"caching_sha2_password" => caching_sha2_token(password, scramble),
            b"client_ed25519" => ed25519_token(password, scramble).map_err(key_error)?,
            _ => return Ok(0),
        };
        push_owned(state, token);
        Ok(1)
    }

    /// `encrypt_password(password, scramble, pem) -> text`
    fn encrypt(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (password, scramble, pem) = (state.check_text(1), state.check_text(2), state.check_text(3));
        let mut seed = [0; 20];
        for part in seed.chunks_mut(8) {
            part.copy_from_slice(&random_bytes()?[..part.len()]);
        }
        let sent = encrypt_password(password, scramble, pem, seed).map_err(key_error)?;
        push_owned(state, sent);
        Ok(1)
    }

    /// `execute(id, ...) -> text`: the packet that runs a statement with these parameters.
    fn execute(call: &mut Call) -> LuaResult {
        let id = u32::try_from(call.state.check_int(1))
            .map_err(|_| LuaError::new("prepare_id is no statement's number"))?;
        let packet = parameters::execute(call.state, id)?;
        push_owned(call.state, packet);
        Ok(1)
    }
}

fn key_error(error: KeyError) -> LuaError {
    LuaError::plain(match error {
        KeyError::Absent => built_without("logins to MySQL by public keys", "mysql-keys"),
        _ => error.to_string(),
    })
}

fn check(state: State) -> Result<*mut Results, LuaError> {
    object::check(state, 1, c"reader expected")
}

/// The reader at index 1, with the text at index 2 added.
fn fed(state: State) -> Result<*mut Results, LuaError> {
    let reader = check(state)?;
    if state.type_of(2) == ffi::LUA_TSTRING {
        let text = state.check_text(2);
        // SAFETY: a live object, and the text lies on the stack; Lua is not called here.
        unsafe { (*reader).inbox.feed(text) }?;
    }
    Ok(reader)
}

fn raise(error: MysqlError) -> LuaError {
    LuaError::plain(error.to_string())
}

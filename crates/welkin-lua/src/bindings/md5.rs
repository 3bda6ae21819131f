//! The Lua module `md5`, which is also `md5.core`: digests, and the cipher made of them.

use welkin_codec::crypt::cipher_feedback::{self, KEY_BYTES_MAX, SEED_BYTES_MAX};
use welkin_codec::crypt::{digest, hex, xor};

use super::crypt::random_bytes;
use super::push_functions;
use super::skynet::Entry;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

const FUNCTIONS: &[Entry] = &[
    (c"crypt", crypt),
    (c"decrypt", decrypt),
    (c"exor", exor),
    (c"hmacmd5", hmacmd5),
    (c"sum", sum),
    (c"sumhexa", sumhexa),
];

lua_fn! {
    /// Pushes the module's table: the same one for both names.
    fn open(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.raw_get_lit(mlua_sys::LUA_REGISTRYINDEX, c"_LOADED");
        if state.raw_get_lit(-1, c"md5.core") == mlua_sys::LUA_TTABLE {
            return Ok(1);
        }
        push_functions(state, FUNCTIONS);
        for (name, text) in [
            (c"_COPYRIGHT", c"Copyright (C) the authors of Welkin"),
            (c"_DESCRIPTION", c"MD5 digests and a cipher made of them"),
            (c"_VERSION", c"MD5 1.2"),
        ] {
            state.push_lit(text);
            state.raw_set_lit(-2, name);
        }
        state.push_value(-1);
        state.raw_set_lit(-4, c"md5.core");
        Ok(1)
    }

    /// `sum(text) -> 16 bytes`.
    fn sum(call: &mut Call) -> LuaResult {
        call.state.push_bytes(&digest::md5(call.state.check_text(1)));
        Ok(1)
    }

    /// `sumhexa(text) -> 32 hexadecimal digits`.
    fn sumhexa(call: &mut Call) -> LuaResult {
        push_hex(call.state, digest::md5(call.state.check_text(1)))
    }

    /// `hmacmd5(text, key) -> 32 hexadecimal digits`.
    fn hmacmd5(call: &mut Call) -> LuaResult {
        let (text, key) = (call.state.check_text(1), call.state.check_text(2));
        push_hex(call.state, digest::hmac_md5(key, text))
    }

    /// `exor(a, b) -> text`: of texts of one length.
    fn exor(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (a, b) = (state.check_text(1), state.check_text(2));
        if a.len() != b.len() {
            return Err(LuaError::Argument(2, c"lengths must be equal"));
        }
        push(state, a.len(), |out| {
            // It fails for an empty key, which here belongs to an empty text: nothing to be done.
            let _ = xor(a, b, out);
        })
    }

    /// `crypt(text, key[, seed]) -> text`: without a seed, eight random bytes are one.
    fn crypt(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (text, random) = (state.check_text(1), random_bytes()?);
        let seed = match state.type_of(3) {
            mlua_sys::LUA_TNONE => &random[..],
            _ => state.check_text(3),
        };
        if seed.len() > SEED_BYTES_MAX {
            return Err(LuaError::new(format!("seed too long (> {SEED_BYTES_MAX})")));
        }
        let key = key(state)?;
        push(state, cipher_feedback::encrypted_len(text.len(), seed.len()), |out| {
            cipher_feedback::encrypt(text, key, seed, out);
        })
    }

    /// `decrypt(text, key) -> text`.
    fn decrypt(call: &mut Call) -> LuaResult {
        let state = call.state;
        let Some(parts) = cipher_feedback::parts(state.check_text(1)) else {
            return Err(LuaError::Argument(1, c"invalid cyphered string"));
        };
        let key = key(state)?;
        push(state, parts.1.len(), |out| cipher_feedback::decrypt(parts, key, out))
    }
}

/// The key of the cipher, always the second argument.
fn key<'a>(state: State) -> Result<&'a [u8], LuaError> {
    match state.check_text(2) {
        key if key.len() <= KEY_BYTES_MAX => Ok(key),
        _ => Err(LuaError::new(format!("key too long (> {KEY_BYTES_MAX})"))),
    }
}

/// Pushes `len` bytes that `write` fills in.
fn push(state: State, len: usize, write: impl FnOnce(&mut [u8]) + Copy) -> LuaResult {
    let whole = |out: &mut [u8]| {
        write(out);
        Ok::<_, LuaError>(len)
    };
    state.push_filled(len, whole)?;
    Ok(1)
}

fn push_hex(state: State, digest: [u8; 16]) -> LuaResult {
    let mut digits = [0; 32];
    hex::encode(&digest, &mut digits);
    state.push_bytes(&digits);
    Ok(1)
}

//! The Lua modules `skynet.crypt` and `client.crypt`, one table of functions under two names.
//!
//! The work is `welkin_codec::crypt`'s. Here texts are taken from the stack, where they stay meanwhile,
//! and results are written straight into what becomes a Lua string.

use welkin_codec::crypt::des::Padding;
use welkin_codec::crypt::{
    CryptError, base64, des, dh64, digest, hash64, hex, key_from_random, xor,
};

use super::push_functions;
use super::skynet::Entry;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

const FUNCTIONS: &[Entry] = &[
    (c"base64decode", base64decode),
    (c"base64encode", base64encode),
    (c"desdecode", desdecode),
    (c"desencode", desencode),
    (c"dhexchange", dhexchange),
    (c"dhsecret", dhsecret),
    (c"hashkey", hashkey),
    (c"hexdecode", hexdecode),
    (c"hexencode", hexencode),
    (c"hmac64", hmac64),
    (c"hmac64_md5", hmac64_md5),
    (c"hmac_hash", hmac_hash),
    (c"hmac_sha1", hmac_sha1),
    (c"randomkey", randomkey),
    (c"sha1", sha1),
    (c"xor_str", xor_str),
];

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        let state = call.state;
        push_functions(state, FUNCTIONS);
        state.create_table(0, 2);
        for (name, padding) in [(c"iso7816_4", Padding::Iso7816_4), (c"pkcs7", Padding::Pkcs7)] {
            state.push_int(padding as i64);
            state.raw_set_lit(-2, name);
        }
        state.raw_set_lit(-2, c"padding");
        Ok(1)
    }

    /// `base64encode(text) -> text`.
    fn base64encode(call: &mut Call) -> LuaResult {
        let text = call.state.check_text(1);
        push(call.state, base64::encoded_len(text.len()), |out| {
            base64::encode(text, out);
            Ok(out.len())
        })
    }

    /// `base64decode(text) -> text`.
    fn base64decode(call: &mut Call) -> LuaResult {
        let text = call.state.check_text(1);
        push(call.state, base64::decoded_len_max(text.len()), |out| base64::decode(text, out))
    }

    /// `hexencode(text) -> text`.
    fn hexencode(call: &mut Call) -> LuaResult {
        let text = call.state.check_text(1);
        push(call.state, text.len() * 2, |out| {
            hex::encode(text, out);
            Ok(out.len())
        })
    }

    /// `hexdecode(text) -> text`.
    fn hexdecode(call: &mut Call) -> LuaResult {
        let text = call.state.check_text(1);
        push(call.state, text.len() / 2, |out| {
            hex::decode(text, out)?;
            Ok(out.len())
        })
    }

    /// `desencode(key, text[, padding]) -> text`.
    fn desencode(call: &mut Call) -> LuaResult {
        let key = des_key(call.state)?;
        let text = call.state.check_text(2);
        let padding = des_padding(call.state)?;
        push(call.state, des::encoded_len(text.len()), |out| {
            des::encode(key, text, padding, out);
            Ok(out.len())
        })
    }

    /// `desdecode(key, text[, padding]) -> text`.
    fn desdecode(call: &mut Call) -> LuaResult {
        let key = des_key(call.state)?;
        let text = call.state.check_text(2);
        des::check_size(text.len()).map_err(invalid)?;
        let padding = des_padding(call.state)?;
        push(call.state, text.len(), |out| des::decode(key, text, padding, out))
    }

    /// `xor_str(text, key) -> text`.
    fn xor_str(call: &mut Call) -> LuaResult {
        let (text, key) = (call.state.check_text(1), call.state.check_text(2));
        push(call.state, text.len(), |out| {
            xor(text, key, out)?;
            Ok(out.len())
        })
    }

    /// `hashkey(text) -> 8 bytes`.
    fn hashkey(call: &mut Call) -> LuaResult {
        call.state.push_bytes(&hash64::hashkey(call.state.check_text(1)));
        Ok(1)
    }

    /// `hmac64(x, y) -> 8 bytes`.
    fn hmac64(call: &mut Call) -> LuaResult {
        let (x, y) = (number(call.state, 1, "x")?, number(call.state, 2, "y")?);
        call.state.push_bytes(&hash64::hmac64(x, y));
        Ok(1)
    }

    /// `hmac64_md5(x, y) -> 8 bytes`.
    fn hmac64_md5(call: &mut Call) -> LuaResult {
        let (x, y) = (number(call.state, 1, "x")?, number(call.state, 2, "y")?);
        call.state.push_bytes(&hash64::hmac64_md5(x, y));
        Ok(1)
    }

    /// `hmac_hash(key, text) -> 8 bytes`.
    fn hmac_hash(call: &mut Call) -> LuaResult {
        let key = number(call.state, 1, "key")?;
        call.state.push_bytes(&hash64::hmac_hash(key, call.state.check_text(2)));
        Ok(1)
    }

    /// `dhexchange(key) -> 8 bytes`: what to send to the other side.
    fn dhexchange(call: &mut Call) -> LuaResult {
        let Ok(key) = call.state.check_text(1).try_into() else {
            return Err(LuaError::new("Invalid dh uint64 key"));
        };
        call.state.push_bytes(&dh64::public(not_zero(key)?).to_le_bytes());
        Ok(1)
    }

    /// `dhsecret(x, y) -> 8 bytes`: what the other side sent, and the own key.
    fn dhsecret(call: &mut Call) -> LuaResult {
        let (x, y) = (number(call.state, 1, "x")?, number(call.state, 2, "y")?);
        let secret = dh64::secret(not_zero(x)?, not_zero(y)?);
        call.state.push_bytes(&secret.to_le_bytes());
        Ok(1)
    }

    /// `randomkey() -> 8 bytes`.
    fn randomkey(call: &mut Call) -> LuaResult {
        call.state.push_bytes(&key_from_random(random_bytes()?));
        Ok(1)
    }

    /// `sha1(text) -> 20 bytes`.
    fn sha1(call: &mut Call) -> LuaResult {
        call.state.push_bytes(&digest::sha1(call.state.check_text(1)));
        Ok(1)
    }

    /// `hmac_sha1(key, text) -> 20 bytes`.
    fn hmac_sha1(call: &mut Call) -> LuaResult {
        let (key, text) = (call.state.check_text(1), call.state.check_text(2));
        call.state.push_bytes(&digest::hmac_sha1(key, text));
        Ok(1)
    }
}

/// Pushes what `write` makes of `room` bytes.
fn push(
    state: State,
    room: usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize, CryptError> + Copy,
) -> LuaResult {
    match state.push_filled(room, write) {
        Ok(()) => Ok(1),
        Err(error) => Err(invalid(error)),
    }
}

fn invalid(error: CryptError) -> LuaError {
    LuaError::new(error.to_string())
}

/// An argument of eight bytes, called `name` in the error.
fn number(state: State, arg: i32, name: &str) -> Result<[u8; 8], LuaError> {
    let text = state.check_text(arg);
    text.try_into()
        .map_err(|_| LuaError::new(format!("Invalid uint64 {name}")))
}

/// The number that these bytes are; zero has no place in a key exchange.
fn not_zero(bytes: [u8; 8]) -> Result<u64, LuaError> {
    match u64::from_le_bytes(bytes) {
        0 => Err(LuaError::new("Can't be 0")),
        number => Ok(number),
    }
}

fn des_key(state: State) -> Result<[u8; 8], LuaError> {
    let key = state.check_text(1);
    key.try_into()
        .map_err(|_| LuaError::new(format!("Invalid key size {}, need 8 bytes", key.len())))
}

fn des_padding(state: State) -> Result<Padding, LuaError> {
    let number = match state.is_none_or_nil(3) {
        true => 0,
        false => state.check_int(3),
    };
    Padding::from_number(number)
        .ok_or_else(|| LuaError::new(format!("Invalid padding mode {number}")))
}

/// Bytes that nobody can guess, from the system.
pub(super) fn random_bytes() -> Result<[u8; 8], LuaError> {
    let mut bytes = [0; 8];
    // SAFETY: the pointer and the length describe `bytes`.
    let status = unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) };
    match status {
        0 => Ok(bytes),
        _ => Err(LuaError::new("the system gives no random bytes")),
    }
}

//! Object ids: 12 bytes that differ from all others made anywhere. The time, the machine, the process, and
//! a counter that all services of the process share, each with the highest byte first.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mlua_sys as ffi;
use welkin_codec::bson::kind;
use welkin_codec::crypt::digest;

use super::decode::push_fixed;
use crate::bindings::crypt::random_bytes;
use crate::border::LuaError;
use crate::lua_fn;

/// Hexadecimal digits of an id.
const DIGITS: usize = 24;

/// Bytes of the longest host name that is looked at.
const HOST_BYTES_MAX: usize = 256;

lua_fn! {
    /// `objectid([digits]) -> string`: a new id, or the one with these digits.
    fn objectid(call: &mut Call) -> LuaResult {
        let state = call.state;
        let id = match state.type_of(1) {
            ffi::LUA_TSTRING | ffi::LUA_TNUMBER => {
                let text = state.check_text(1);
                let Ok(digits) = <&[u8; DIGITS]>::try_from(text) else {
                    let text = String::from_utf8_lossy(text);
                    return Err(LuaError::new(format!("Invalid objectid {text}")));
                };
                from_digits(digits)
            }
            _ => new_id()?,
        };
        push_fixed(state, kind::OBJECT_ID, id);
        Ok(1)
    }
}

/// Other characters than digits count as 0; skynet does not check them either.
fn from_digits(digits: &[u8; DIGITS]) -> [u8; 12] {
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
    std::array::from_fn(|at| value(digits[at * 2]) << 4 | value(digits[at * 2 + 1]))
}

fn new_id() -> Result<[u8; 12], LuaError> {
    static COUNTER: OnceLock<AtomicU32> = OnceLock::new();
    static HOST: OnceLock<[u8; 3]> = OnceLock::new();
    let counter = match COUNTER.get() {
        Some(counter) => counter,
        None => {
            let start = u64::from_le_bytes(random_bytes()?) as u32;
            COUNTER.get_or_init(|| AtomicU32::new(start))
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |since| since.as_secs()) as u32;
    let mut id = [0; 12];
    id[..4].copy_from_slice(&seconds.to_be_bytes());
    id[4..7].copy_from_slice(HOST.get_or_init(host));
    id[7..9].copy_from_slice(&(std::process::id() as u16).to_be_bytes());
    let count = counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    id[9..].copy_from_slice(&count[1..]);
    Ok(id)
}

/// Three bytes that stand for this machine.
fn host() -> [u8; 3] {
    let mut name = [0; HOST_BYTES_MAX];
    // SAFETY: the pointer and the length describe `name`. What it holds after an error is a name too.
    unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let digest = digest::md5(&name);
    [digest[0], digest[1], digest[2]]
}

//! The Lua module `skynet.cluster.core`: frames of the cluster protocol, for programs that carry services
//! of their own in the place of ours. The node itself does without it.
//!
//! Messages come and go as the blocks of `skynet.pack`: what is packed into frames is taken over and
//! freed, what is unpacked is a block of the program's. The formats are `welkin_codec::cluster`'s.

mod pack;
mod unpack;

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_codec::seri::Sink;
use welkin_runtime::Payload;

use super::push_functions;
use super::skynet::Entry;
use super::socketdriver::arguments;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

const FUNCTIONS: &[Entry] = &[
    (c"append", append),
    (c"concat", concat),
    (c"isname", isname),
    (c"nodename", nodename),
    (c"packpush", pack::packpush),
    (c"packrequest", pack::packrequest),
    (c"packresponse", pack::packresponse),
    (c"packtrace", pack::packtrace),
    (c"unpackrequest", unpack::unpackrequest),
    (c"unpackresponse", unpack::unpackresponse),
];

/// Longest host name that counts, in bytes.
const HOST_BYTES_MAX: usize = 255;

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        push_functions(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `isname(address) -> true`, or nothing: whether it is a registered name.
    fn isname(call: &mut Call) -> LuaResult {
        let is_name = call.state.text(1).is_some_and(|text| text.starts_with(b"@"));
        if is_name {
            call.state.push_bool(true);
        }
        Ok(is_name.into())
    }

    /// `nodename() -> text`: the host's name and the number of this process.
    fn nodename(call: &mut Call) -> LuaResult {
        call.state.push_filled(HOST_BYTES_MAX + 12, |room| Ok::<_, LuaError>(own_name(room)))?;
        Ok(1)
    }

    /// `append(parts, pointer, size)`: the next part of a large message, and frees the block.
    /// `append(parts, nil, size)`: its size, which comes first.
    fn append(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.check_type(1, ffi::LUA_TTABLE);
        let next = state.raw_len(1) as i64 + 1;
        if state.is_none_or_nil(2) {
            state.set_top(3);
        } else {
            let (pointer, size) = arguments::given_block(state, 2);
            // SAFETY: the block is the program's and given away; see `given_block`. Pushing copies.
            state.push_bytes(unsafe { bytes(pointer.cast(), size) });
            // SAFETY: as above; it is not used any more.
            drop(unsafe { Payload::from_raw(pointer, size) });
        }
        state.raw_set_i(1, next);
        Ok(0)
    }

    /// `concat(parts) -> pointer, size`, or nothing: the message is not what was announced.
    fn concat(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.check_type(1, ffi::LUA_TTABLE);
        let count = state.raw_len(1) as i64;
        state.raw_get_i(1, 1);
        let size = state.to_int(-1).and_then(|size| usize::try_from(size).ok());
        state.pop(1);
        let Some(size) = size else {
            return Ok(0);
        };
        if total(state, count) != Some(size) {
            return Ok(0);
        }
        let mut message = welkin_runtime::PayloadBuf::with_capacity(size);
        for n in 2..=count {
            // No call below raises: reads of strings that were there a moment ago.
            state.raw_get_i(1, n);
            message.extend(state.string(-1).unwrap_or_default());
            state.pop(1);
        }
        push_block(state, message.finish());
        Ok(2)
    }
}

/// Bytes of the parts from the second on; `None`: one is no string.
fn total(state: State, count: i64) -> Option<usize> {
    let mut sum = 0;
    for n in 2..=count {
        let is_string = state.raw_get_i(1, n) == ffi::LUA_TSTRING;
        sum += state.string(-1).map_or(0, <[u8]>::len);
        state.pop(1);
        if !is_string {
            return None;
        }
    }
    Some(sum)
}

/// Writes the node's name; what is no visible character becomes `_`.
fn own_name(room: &mut [u8]) -> usize {
    // SAFETY: the call writes at most that many bytes, and the last one is left alone: it is a NUL.
    let failed = unsafe { libc::gethostname(room.as_mut_ptr().cast(), HOST_BYTES_MAX) };
    let host = room.iter().position(|&byte| byte == 0).unwrap_or(0);
    let host = if failed == 0 { host } else { 0 };
    for byte in &mut room[..host] {
        if *byte <= b' ' {
            *byte = b'_';
        }
    }
    let process = std::process::id().to_string();
    room[host..host + process.len()].copy_from_slice(process.as_bytes());
    host + process.len()
}

/// Frames into the room of a string that Lua makes.
struct Filled<'a> {
    room: &'a mut [u8],
    len: usize,
}

impl Sink for Filled<'_> {
    fn push(&mut self, byte: u8) {
        self.room[self.len] = byte;
        self.len += 1;
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.room[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Pushes the frame that `write` makes around at most `bytes` bytes.
fn push_frame(state: State, bytes: usize, write: impl Fn(&mut Filled<'_>) + Copy) {
    /// A name, and the numbers before and behind it.
    const HEAD_MAX: usize = 300;
    let filled = state.push_filled(bytes + HEAD_MAX, |room| {
        let mut filled = Filled { room, len: 0 };
        write(&mut filled);
        Ok::<_, std::convert::Infallible>(filled.len)
    });
    let Ok(()) = filled;
}

/// A block for the program: pointer and size, for neither of which Lua allocates.
fn push_block(state: State, payload: Payload) {
    let (pointer, size) = payload.into_raw();
    state.push_light(pointer);
    state.push_int(size as i64);
}

/// # Safety
/// `pointer` is null or has `len` bytes for as long as the result is used.
unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> &'a [u8] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: by the contract.
    unsafe { std::slice::from_raw_parts(pointer, len) }
}

/// Whether the value at `index` is there and no pointer.
fn is_text(state: State, index: c_int) -> bool {
    state.type_of(index) == ffi::LUA_TSTRING
}

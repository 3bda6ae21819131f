//! `buffer`, `push`, `pop`, `readline`, `readall` and `clear` of `skynet.socketdriver`: what a
//! connection has received and its service has not read, as a full userdata around [`Chunks`].
//!
//! skynet keeps the list nodes of its buffers in a `pool` table that every call passes. Here it is
//! only looked at where it tells two calls apart: `readline` without one tests for a line.
//!
//! All functions have the userdata's metatable as upvalue: they know their own object by it, without
//! a look-up by name. A text is pushed while its chunks are still in place and these are taken out
//! after, so a push that raises loses nothing.

mod chunks;

use std::ffi::CStr;
use std::mem::MaybeUninit;

use mlua_sys as ffi;
use welkin_runtime::Payload;

use super::socketdriver::{END, arguments, entry};
use crate::lua_fn;
use crate::state::{State, lua_State};
use chunks::Chunks;

/// Name of the metatable in the registry, and of the type in messages.
const METATABLE: &CStr = c"skynet.socketbuffer";

/// What skynet says of a first argument that is no buffer.
const NO_BUFFER: &CStr = c"Need buffer object at param 1";

/// Adds the buffer functions to the table on the top of the stack.
///
/// # Safety
/// `l` is a valid state with a table on the top, and this is called where Lua may raise.
pub unsafe fn add_functions(l: *mut lua_State) {
    let finalizer = [entry(c"__gc", collect), END];
    let functions = [
        entry(c"buffer", buffer),
        entry(c"push", push),
        entry(c"pop", pop),
        entry(c"readline", readline),
        entry(c"readall", readall),
        entry(c"clear", clear),
        END,
    ];
    // SAFETY: both lists end with END. Each `luaL_setfuncs` pops the copy of the metatable on the top
    // as its upvalue, so the first one fills the metatable and the second one the caller's table.
    unsafe {
        if ffi::luaL_newmetatable(l, METATABLE.as_ptr()) != 0 {
            ffi::lua_pushvalue(l, -1);
            ffi::luaL_setfuncs(l, finalizer.as_ptr(), 1);
        }
        ffi::luaL_setfuncs(l, functions.as_ptr(), 1);
    }
}

lua_fn! {
    /// `buffer() -> userdata`: an empty receive buffer.
    fn buffer(call: &mut Call) -> LuaResult {
        // SAFETY: the new userdata has the size of `Chunks` and Lua's alignment, which is no less than a
        // pointer's; it is filled before the metatable makes it a buffer.
        unsafe {
            let place = ffi::lua_newuserdatauv(call.L, size_of::<Chunks>(), 0);
            place.cast::<Chunks>().write(Chunks::default());
        }
        call.state.push_value(ffi::lua_upvalueindex(1));
        call.state.set_metatable(-2);
        Ok(1)
    }

    /// `push(buffer, pool, pointer, size) -> integer`: appends a block of `malloc`, which the buffer
    /// owns from then on. Gives the bytes that are buffered.
    fn push(call: &mut Call) -> LuaResult {
        let state = call.state;
        let chunks = check(state, c"need buffer object at param 1");
        let (pointer, size) = arguments::given_block(state, 3);
        // SAFETY: nothing can raise any more. The block is the caller's to give; that it has `size`
        // bytes is the caller's word, as with all raw pointers in skynet.
        unsafe {
            (*chunks).push(Payload::from_raw(pointer, size));
            state.push_int((*chunks).len() as i64);
        }
        Ok(1)
    }

    /// `pop(buffer, pool, n) -> string, rest`, or `nil, size` when `n` is 0 or more than there is.
    fn pop(call: &mut Call) -> LuaResult {
        let state = call.state;
        let chunks = check(state, NO_BUFFER);
        let n = arguments::size(state, 3);
        // SAFETY: `chunks` lives as long as the userdata, an argument of this call.
        unsafe {
            if n == 0 || n > (*chunks).len() {
                state.push_nil();
            } else {
                push_text(state, chunks, n);
                (*chunks).skip(n);
            }
            state.push_int((*chunks).len() as i64);
        }
        Ok(2)
    }

    /// `readline(buffer, pool, separator) -> string` or nothing: the bytes before the separator, which
    /// is taken too. With nil for the pool: `true` if there is a line, and nothing is taken.
    fn readline(call: &mut Call) -> LuaResult {
        let state = call.state;
        let chunks = check(state, NO_BUFFER);
        let separator = state.check_text(3);
        // SAFETY: as in `pop`.
        unsafe {
            let Some(n) = (*chunks).find(separator) else {
                return Ok(0);
            };
            if state.type_of(2) <= ffi::LUA_TNIL {
                state.push_bool(true);
            } else {
                push_text(state, chunks, n);
                (*chunks).skip(n + separator.len());
            }
        }
        Ok(1)
    }

    /// `readall(buffer, pool) -> string`: everything, `""` if there is nothing.
    fn readall(call: &mut Call) -> LuaResult {
        let chunks = check(call.state, NO_BUFFER);
        // SAFETY: as in `pop`.
        unsafe {
            let n = (*chunks).len();
            push_text(call.state, chunks, n);
            (*chunks).skip(n);
        }
        Ok(1)
    }

    /// `clear(buffer, pool)`: drops everything. nil for the buffer: nothing happens.
    fn clear(call: &mut Call) -> LuaResult {
        if call.state.type_of(1) != ffi::LUA_TNIL {
            let chunks = check(call.state, NO_BUFFER);
            // SAFETY: as in `pop`.
            unsafe { (*chunks).clear() };
        }
        Ok(0)
    }

    /// `__gc`: frees everything. The object stays a valid one, for programs that call this themselves.
    fn collect(call: &mut Call) -> LuaResult {
        if let Some(chunks) = this(call.state) {
            // SAFETY: as in `pop`.
            unsafe { *chunks = Chunks::default() };
        }
        Ok(0)
    }
}

/// The buffer at index 1.
///
/// A raw pointer: a push may run finalizers and these may use the same buffer, so no reference to it
/// lives across one.
fn this(state: State) -> Option<*mut Chunks> {
    let data = state.to_userdata(1);
    if data.is_null() || state.get_metatable(1) == 0 {
        return None;
    }
    // Only `buffer` gives this metatable to a userdata; programs can set it for tables only.
    let ours = state.raw_equal(-1, ffi::lua_upvalueindex(1)) != 0;
    state.pop(1);
    ours.then(|| data.cast())
}

/// The same; raises `message` for anything else.
fn check(state: State, message: &CStr) -> *mut Chunks {
    if let Some(chunks) = this(state) {
        return chunks;
    }
    // SAFETY: nothing is owned here, so nothing is lost when it raises.
    unsafe { ffi::luaL_error(state.ptr(), c"%s".as_ptr(), message.as_ptr()) };
    unreachable!("luaL_error does not return")
}

/// Pushes the next `n` bytes as a string; that many are there.
fn push_text(state: State, chunks: *mut Chunks, n: usize) {
    // SAFETY: `chunks` is a live buffer, borrowed only up to the end of the push, which copies the
    // bytes before it can run other code.
    if let Some(bytes) = unsafe { (*chunks).contiguous(n) } {
        state.push_bytes(bytes);
        return;
    }
    let mut text = MaybeUninit::<ffi::luaL_Buffer>::uninit();
    // SAFETY: the buffer stays at its place until `luaL_pushresultsize`; `slices` gives at most the
    // `n` bytes that were reserved, and ends before Lua is called again.
    unsafe {
        let place = ffi::luaL_buffinitsize(state.ptr(), text.as_mut_ptr(), n).cast::<u8>();
        let mut copied = 0;
        for slice in (*chunks).slices(n) {
            place
                .add(copied)
                .copy_from_nonoverlapping(slice.as_ptr(), slice.len());
            copied += slice.len();
        }
        ffi::luaL_pushresultsize(text.as_mut_ptr(), copied);
    }
}

#[cfg(test)]
mod tests;

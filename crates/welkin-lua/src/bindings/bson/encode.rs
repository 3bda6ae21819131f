//! Lua values to a document.
//!
//! As in packing (`bindings/seri/pack.rs`): a plain walk first, which runs no Lua code and writes into
//! memory that the thread keeps. A table with a `__len` or `__pairs` of its own is user code, which may
//! raise and may itself encode; the values are then walked anew into a buffer that the collector frees.
//!
//! Making the userdata at the end can run finalizers, which may encode as well: `walks` tells that the
//! thread's memory has been used meanwhile, and the second way is taken.

mod bytes;
mod walk;

use std::cell::UnsafeCell;
use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_lua_vm::Kind;

use super::{push_document, upvalue};
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;
use bytes::Bytes;
use walk::{Stop, Walk};

/// Bytes a thread keeps between two calls.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

struct Scratch {
    bytes: Vec<u8>,
    /// How often they have been written anew.
    walks: u64,
}

thread_local! {
    static SCRATCH: UnsafeCell<Scratch> = const {
        UnsafeCell::new(Scratch { bytes: Vec::new(), walks: 0 })
    };
}

lua_fn! {
    /// `encode(table) -> document`: always a document at the top, also of an empty table.
    fn encode(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.set_top(1);
        state.check_type(1, ffi::LUA_TTABLE);
        encoded(state, Walk::table_at_top)
    }

    /// `encode_order(k1, v1, ...) -> document`: the fields in this order.
    fn encode_order(call: &mut Call) -> LuaResult {
        let state = call.state;
        let top = state.top();
        if top % 2 != 0 {
            return Err(LuaError::new("Invalid ordered dict"));
        }
        for key in (1..top).step_by(2) {
            // Numbers become texts in place, now: later on nothing may be made.
            if state.argument(key).kind != Kind::Text && state.text(key).is_none() {
                return Err(LuaError::new(format!("Argument {key} need a string")));
            }
        }
        encoded(state, Walk::pairs_on_stack)
    }

    /// `__gc` of buffers. A program that finds it through `debug` may call it with anything.
    fn free_buffer(call: &mut Call) -> LuaResult {
        let state = call.state;
        if state.type_of(1) == ffi::LUA_TUSERDATA
            && state.get_metatable(1) != 0
            && state.raw_equal(-1, ffi::lua_upvalueindex(1)) != 0
        {
            // SAFETY: only `push_buffer` gives this metatable to a block, after writing a vector to it.
            // An empty one is left, so a second call does nothing.
            drop(unsafe { std::mem::take(&mut *state.to_userdata(1).cast::<Vec<u8>>()) });
        }
        Ok(0)
    }
}

/// Pushes the metatable of buffers.
pub(super) fn push_buffer_metatable(state: State) {
    state.create_table(0, 1);
    state.push_value(-1);
    state.push_closure(free_buffer, 1);
    state.raw_set_lit(-2, c"__gc");
}

/// Pushes a userdata that owns an empty buffer.
fn push_buffer(state: State) -> *mut Vec<u8> {
    // SAFETY: a live thread; Lua aligns the block for any type. The new value owns no memory, so nothing
    // is lost if setting the metatable raises.
    let buffer = unsafe {
        let block = ffi::lua_newuserdatauv(state.ptr(), size_of::<Vec<u8>>(), 0);
        let buffer = block.cast::<Vec<u8>>();
        buffer.write(Vec::new());
        buffer
    };
    state.push_value(upvalue::BUFFER);
    state.set_metatable(-2);
    buffer
}

type Start = fn(&mut Walk, c_int) -> Result<(), Stop>;

/// Pushes the document that the walk `start` writes.
fn encoded(state: State, start: Start) -> LuaResult {
    let top = state.top();
    let scratch = SCRATCH.with(UnsafeCell::get);
    // SAFETY: only this thread reaches its scratch; the plain walk calls no Lua code.
    let bytes = unsafe {
        (*scratch).walks += 1;
        (*scratch).bytes.clear();
        &raw mut (*scratch).bytes
    };
    let walked = start(
        &mut Walk {
            state,
            bytes: Bytes(bytes),
            calls: false,
        },
        top,
    );
    match walked {
        Ok(()) if push_scratch(state, scratch) => return Ok(1),
        Err(Stop::Error(error)) => return Err(error),
        Ok(()) | Err(Stop::UserCode) => {}
    }
    state.set_top(top);
    let bytes = push_buffer(state);
    match start(
        &mut Walk {
            state,
            bytes: Bytes(bytes),
            calls: true,
        },
        top,
    ) {
        Ok(()) => {
            // SAFETY: the userdata is on the stack, so the buffer lives; nobody else knows it.
            let (from, len) = unsafe { ((*bytes).as_ptr(), (*bytes).len()) };
            let to = push_document(state, len);
            // SAFETY: as above; the new block has `len` bytes.
            unsafe { std::ptr::copy_nonoverlapping(from, to, len) };
            Ok(1)
        }
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::UserCode) => unreachable!("this walk calls it"),
    }
}

/// Pushes a document of the scratch's bytes; false: they have been used by somebody else meanwhile.
fn push_scratch(state: State, scratch: *mut Scratch) -> bool {
    // SAFETY: the thread's own; no reference is held while Lua is called.
    let (walks, len) = unsafe { ((*scratch).walks, (*scratch).bytes.len()) };
    let to = push_document(state, len);
    // SAFETY: as above. Nobody has written since, so there are `len` bytes, as in the new block.
    unsafe {
        if (*scratch).walks != walks {
            return false;
        }
        std::ptr::copy_nonoverlapping((*scratch).bytes.as_ptr(), to, len);
        if len > SCRATCH_BYTES_MAX {
            (*scratch).bytes = Vec::new();
        }
    }
    true
}

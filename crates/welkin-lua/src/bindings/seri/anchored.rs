//! What packing keeps in a VM's registry: a string it must not make when it needs it, and buffers that
//! the collector frees.

use std::ffi::{c_int, c_void};

use mlua_sys as ffi;
use welkin_runtime::PayloadBuf;

use crate::state::{State, lua_State};

/// Registry key, by its address, of the string `__pairs`: the plain walk must not make it.
static PAIRS: u8 = 0;

/// Registry key, by its address, of the metatable of buffers.
static BUFFERS: u8 = 0;

/// Pushes the string `__pairs`, or nil when this VM has never been through [`anchor_pairs`].
pub fn push_pairs_name(state: State) -> c_int {
    push_anchored(state, &PAIRS)
}

/// Makes the string `__pairs` and keeps it.
pub fn anchor_pairs(state: State) {
    if push_anchored(state, &PAIRS) == ffi::LUA_TNIL {
        state.push_lit(c"__pairs");
        anchor(state, &PAIRS);
    }
    state.pop(1);
}

/// Pushes a userdata that owns an empty buffer.
pub fn push_buffer(state: State) -> *mut PayloadBuf {
    // SAFETY: a live thread; Lua aligns the block for any type. The new value owns no memory, so
    // nothing is lost if setting the metatable raises.
    let buffer = unsafe {
        let block = ffi::lua_newuserdatauv(state.ptr(), size_of::<PayloadBuf>(), 0);
        let buffer = block.cast::<PayloadBuf>();
        buffer.write(PayloadBuf::new());
        buffer
    };
    if push_anchored(state, &BUFFERS) == ffi::LUA_TNIL {
        state.pop(1);
        state.create_table(0, 1);
        state.push_fn(free_buffer);
        state.raw_set_lit(-2, c"__gc");
        state.push_value(-1);
        anchor(state, &BUFFERS);
    }
    state.set_metatable(-2);
    buffer
}

/// `__gc` of buffers. A program that finds it through `debug` may call it with anything.
unsafe extern "C-unwind" fn free_buffer(l: *mut lua_State) -> c_int {
    // SAFETY: Lua passes the running thread.
    let state = unsafe { State::new(l) };
    if state.type_of(1) == ffi::LUA_TUSERDATA && state.get_metatable(1) != 0 {
        push_anchored(state, &BUFFERS);
        if state.raw_equal(-1, -2) != 0 {
            // SAFETY: only `push_buffer` gives this metatable to a block, after writing a buffer to
            // it. An empty one is left, so a second call does nothing.
            drop(unsafe { std::mem::take(&mut *state.to_userdata(1).cast::<PayloadBuf>()) });
        }
    }
    0
}

fn push_anchored(state: State, key: &'static u8) -> c_int {
    // SAFETY: a live thread (`State`); the address is only compared.
    unsafe { ffi::lua_rawgetp(state.ptr(), ffi::LUA_REGISTRYINDEX, address(key)) }
}

fn anchor(state: State, key: &'static u8) {
    // SAFETY: as above; takes the value on top.
    unsafe { ffi::lua_rawsetp(state.ptr(), ffi::LUA_REGISTRYINDEX, address(key)) }
}

fn address(key: &'static u8) -> *const c_void {
    std::ptr::from_ref(key).cast()
}

//! Where `encode` writes: a buffer that the collector owns, since a metamethod may leave by longjmp.
//!
//! A VM uses one again and again. A metamethod that encodes while a message is being written, and the
//! call after one that was left, find it busy and go on with a new one in its place.

use std::ffi::c_int;

use mlua_sys as ffi;

use crate::state::{State, lua_State};

struct Contents {
    bytes: Vec<u8>,
    is_busy: bool,
}

/// A buffer in a userdata. It is there while the userdata is on the stack or an upvalue.
#[derive(Clone, Copy)]
pub struct Buffer(*mut Contents);

impl Buffer {
    /// Pushes a new one.
    pub fn push(state: State) -> Self {
        // SAFETY: a live thread; Lua aligns the block for any type. Empty, it owns no memory yet.
        let buffer = unsafe {
            let block = ffi::lua_newuserdatauv(state.ptr(), size_of::<Contents>(), 0);
            let contents = block.cast::<Contents>();
            contents.write(Contents {
                bytes: Vec::new(),
                is_busy: false,
            });
            Self(contents)
        };
        state.create_table(0, 1);
        state.push_fn(free);
        state.raw_set_lit(-2, c"__gc");
        state.set_metatable(-2);
        buffer
    }

    /// Pushes the buffer that is the upvalue of this number, empty, to be used until it is given back.
    #[inline]
    pub fn take(state: State, upvalue: c_int) -> Self {
        // SAFETY: only buffers are ever in this upvalue of the module's functions, and it is on the stack.
        // Here and below, no reference to the contents outlives an expression.
        unsafe {
            let mut buffer = Self(state.push_block(upvalue).cast());
            if (*buffer.0).is_busy {
                buffer = Self::push(state);
                state.push_value(-1);
                state.replace(state.upvalue(upvalue));
            }
            (*buffer.0).is_busy = true;
            (*buffer.0).bytes.clear();
            buffer
        }
    }

    /// What is written to; not to be borrowed across a call into Lua.
    #[inline]
    pub fn bytes(self) -> *mut Vec<u8> {
        // SAFETY: the userdata is there (`take`).
        unsafe { &raw mut (*self.0).bytes }
    }

    /// Ends the use; memory above `kept` bytes is freed.
    #[inline]
    pub fn give_back(self, kept: usize) {
        // SAFETY: as above.
        unsafe {
            (*self.0).is_busy = false;
            if (*self.0).bytes.capacity() > kept {
                (*self.0).bytes = Vec::new();
            }
        }
    }

    /// Pushes what was written as a string, and gives the buffer back.
    #[inline]
    pub fn push_bytes(self, state: State, kept: usize) {
        // SAFETY: as above. Lua copies the bytes before it may run a finalizer; should there be no
        // memory for them, the buffer stays busy and is replaced.
        state.push_bytes(unsafe { &(*self.0).bytes });
        self.give_back(kept);
    }
}

/// `__gc` of buffers, which nobody else can reach: their metatable is on no other value, and they are
/// upvalues of native functions.
unsafe extern "C-unwind" fn free(l: *mut lua_State) -> c_int {
    // SAFETY: Lua passes the running thread, and the object.
    drop(unsafe { std::mem::take(&mut (*State::new(l).to_userdata(1).cast::<Contents>()).bytes) });
    0
}

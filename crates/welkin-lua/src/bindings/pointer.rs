//! Pointers that programs hand back: what can be told about them is told before they are used.
//!
//! skynet's interface gives messages to programs as a light userdata and a size, and takes memory from
//! them in the same form. Most of what is wrong with such a pair ends a process on skynet. A pointer's
//! origin cannot be proved here either, but much can be excluded: what no process has as an address,
//! what `malloc` never gives, more bytes than the block has, and the message in work, which is not the
//! program's to give away or to read beyond.

use std::ffi::{CStr, c_int, c_void};

use mlua_sys as ffi;
use welkin_runtime::{is_possible, may_be_block, room};

use crate::border::LuaError;
use crate::state::State;
use crate::vm::{self, VmPtr};

/// Whether `size` bytes at `pointer` may be read, as far as can be told.
pub fn is_readable(state: State, pointer: *const c_void, size: usize) -> bool {
    let fits = vm::try_vm(state).is_none_or(|vm| {
        let message = &vm.current.payload;
        let at = (pointer as usize).wrapping_sub(message.as_ptr() as usize);
        at >= message.len() || size <= message.len() - at
    });
    is_possible(pointer, size) && fits
}

/// Why `size` bytes at `pointer` cannot be a block that the program gives away.
pub fn refuse_given(state: State, pointer: *mut c_void, size: usize) -> Result<(), &'static CStr> {
    if !may_be_block(pointer, size) {
        return Err(c"not the address of a message's memory");
    }
    if pointer.is_null() {
        return Ok(());
    }
    let in_work = |vm: VmPtr| std::ptr::eq(pointer, vm.current.payload.as_ptr().cast());
    if vm::try_vm(state).is_some_and(in_work) {
        return Err(
            c"the message in work, which is freed after it; a callback with forward owns its messages",
        );
    }
    if !has_room(pointer, size) {
        return Err(c"the size is more than the memory has");
    }
    Ok(())
}

/// Whether the block at `pointer` has `size` bytes.
fn has_room(pointer: *mut c_void, size: usize) -> bool {
    // SAFETY: the program says that the block is `malloc`'s and is about to have it freed.
    size <= unsafe { room(pointer) }
}

/// The message described by the pointer at `index` and the size behind it, to be read.
pub fn message(state: State, index: c_int) -> Result<(*mut c_void, usize), LuaError> {
    let pointer = match state.type_of(index) {
        ffi::LUA_TNONE | ffi::LUA_TNIL => std::ptr::null_mut(),
        ffi::LUA_TLIGHTUSERDATA => state.to_userdata(index),
        _ => {
            let name = state.type_name(index);
            return Err(LuaError::new(format!("invalid message pointer ({name})")));
        }
    };
    let size = state.to_int(index + 1).unwrap_or(0);
    match usize::try_from(size) {
        Ok(size) if is_readable(state, pointer, size) => Ok((pointer, size)),
        _ => Err(LuaError::new(format!(
            "invalid message: {size} bytes at {pointer:p}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_address_is_told() {
        let at = |address: usize| std::ptr::without_provenance::<c_void>(address);
        assert!(is_possible(at(0), 0) && !is_possible(at(0), 1));
        assert!(!is_possible(at(8), 0) && !is_possible(at(0xffff), 1));
        assert!(is_possible(at(0x7f00_0000_0010), 100));
        assert!(!is_possible(at(0x7f00_0000_0010), usize::MAX));
        assert!(!is_possible(at(usize::MAX - 15), 0) && !is_possible(at(1 << 48), 0));
    }
}

//! In place of `passing.rs` under `cfg(plain_malloc)`: all blocks are `malloc`'s, for tools that watch them.

use std::ffi::c_void;

pub use libc::realloc as resize;

/// Changes nothing here: there is one heap.
pub struct Passing;

impl Passing {
    /// From here to the value's end.
    pub fn begin() -> Self {
        Self
    }
}

/// A block for Lua; null: no memory.
pub fn take(size: usize) -> *mut c_void {
    // SAFETY: no preconditions.
    unsafe { libc::malloc(size) }
}

/// Gives a block back.
///
/// # Safety
/// It came from here and is not used any more; null is nothing.
pub unsafe fn give(block: *mut c_void) {
    // SAFETY: by the function's own contract.
    unsafe { libc::free(block) };
}

/// Nothing is kept here.
pub fn collect() {}

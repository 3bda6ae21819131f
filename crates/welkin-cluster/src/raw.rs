//! Messages that arrive as a pointer and a size: `skynet.pack` gives such a pair, and the commands `req`
//! and `push` of a `clustersender` take it over. The only unsafe code of the crate.

use std::ffi::c_void;
use std::ptr;

use welkin_runtime::{Payload, may_be_block, room};

/// The block at `address`; `None`: it cannot be one of `size` bytes.
pub fn take(address: usize, size: i64) -> Option<Payload> {
    let size = usize::try_from(size).ok()?;
    if address == 0 && size == 0 {
        return Some(Payload::empty());
    }
    let pointer = ptr::with_exposed_provenance_mut::<c_void>(address);
    // SAFETY: the sender says that the block is `malloc`'s and gives it away.
    if !may_be_block(pointer, size) || size > unsafe { room(pointer) } {
        return None;
    }
    // SAFETY: by the contract of the command the pointer came from `skynet.pack` or `malloc` and is
    // given away with the message; that it has `size` bytes was just looked up.
    Some(unsafe { Payload::from_raw(pointer, size) })
}

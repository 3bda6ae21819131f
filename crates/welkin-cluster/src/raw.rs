//! Messages that arrive as a pointer and a size: `skynet.pack` gives such a pair, and the commands `req`
//! and `push` of a `clustersender` take it over. The only unsafe code of the crate.
//!
//! A pointer's origin cannot be proved. What can be excluded is: what is no address, what `malloc` never
//! gives, and more bytes than the block has.

use std::ffi::c_void;
use std::ptr;

use welkin_runtime::Payload;

/// Addresses that a program on this kind of machine may have: the lowest pages are never mapped.
const ADDRESSES: std::ops::Range<u64> = 0x1_0000..1 << 48;

/// The block at `address`; `None`: it cannot be one of `size` bytes.
pub fn take(address: usize, size: i64) -> Option<Payload> {
    let size = usize::try_from(size).ok()?;
    if address == 0 && size == 0 {
        return Some(Payload::empty());
    }
    let pointer = ptr::with_exposed_provenance_mut::<c_void>(address);
    let aligned = address.is_multiple_of(align_of::<libc::max_align_t>());
    if !ADDRESSES.contains(&(address as u64)) || !aligned || size > room(pointer) {
        return None;
    }
    // SAFETY: by the contract of the command the pointer came from `skynet.pack` or `malloc` and is
    // given away with the message; that it has `size` bytes was just looked up.
    Some(unsafe { Payload::from_raw(pointer, size) })
}

/// Bytes of the block.
#[cfg(target_os = "linux")]
fn room(pointer: *mut c_void) -> usize {
    // SAFETY: the sender says that the block is `malloc`'s and gives it away: it is going to be freed,
    // which reads the same words.
    unsafe { libc::malloc_usable_size(pointer) }
}

/// Elsewhere the size is believed.
#[cfg(not(target_os = "linux"))]
fn room(_: *mut c_void) -> usize {
    usize::MAX
}

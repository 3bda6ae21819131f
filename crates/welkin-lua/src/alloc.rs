//! Memory of one VM: every byte counted, a limit, warnings at 32 MiB, 64, 128 and so on.
//!
//! Lua calls [`allocate`] for every block and says its size when it gives one back, so counting needs
//! no headers: mimalloc serves the blocks directly. The limit of `skynet.memlimit` makes an allocation
//! fail, which Lua turns into the error `not enough memory` in the service. Code of ours that calls
//! Lua outside of a protected call lifts the limit meanwhile ([`Heap::lifted`]): an error there would
//! end the process. Under `cfg(plain_malloc)` the blocks are `malloc`'s, so that the tools behind `cargo
//! xtask sanitize` see each of them.

use std::ffi::c_void;

use parking_lot::Mutex;
use passing::{give, resize, take};
use region::Region;

const FIRST_WARNING: usize = 32 << 20;

/// Accounts of one VM. Written only by the worker that runs it.
#[derive(Debug)]
pub struct Heap {
    /// Bytes in use.
    pub used: usize,
    /// Bytes allowed; 0 = no limit.
    pub limit: usize,
    /// The limit does not hold at the moment.
    pub lifted: bool,
    /// The next warning is due when `used` passes this.
    warn_at: usize,
    /// A threshold was passed since [`Heap::take_warning`]: the size then.
    warned: usize,
    /// Where blocks come from first, in a VM made from an image.
    pub region: Region,
}

/// Gives free memory back to the system: the calling thread's share of the VMs' blocks, also what other
/// threads have freed of it, and the payloads' of all threads. Some milliseconds in a large process.
///
/// One thread at a time: of two that collect at once mimalloc lets only one give pages back.
pub fn give_back() {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    slabs::collect();
    passing::collect();
    // SAFETY: it may be called at any time; it touches free memory only.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self {
            used: 0,
            limit: 0,
            lifted: true,
            warn_at: FIRST_WARNING,
            warned: 0,
            region: Region::NONE,
        }
    }
}

/// Memory for a region: `size` bytes, aligned to 16; null: none.
pub fn take_region(size: usize) -> *mut u8 {
    match cfg!(plain_malloc) {
        true => take(size).cast(),
        false => slabs::take(size),
    }
}

/// Gives the memory of a region back.
///
/// # Safety
/// It came from [`take_region`], and nothing of it is in use.
pub unsafe fn give_region(base: *mut u8) {
    // SAFETY: by the function's own contract.
    unsafe {
        match cfg!(plain_malloc) {
            true => give(base.cast()),
            false => slabs::give(base),
        }
    }
}

impl Heap {
    /// With `used` bytes in use, in and from `region`.
    pub fn within(region: Region, used: usize) -> Self {
        Self {
            used,
            region,
            ..Self::default()
        }
    }

    /// The size at which a warning threshold was passed since the last look, in bytes.
    pub fn take_warning(&mut self) -> Option<usize> {
        match std::mem::take(&mut self.warned) {
            0 => None,
            size => Some(size),
        }
    }
}

/// Lua's allocator. `ud` is the VM's [`Heap`].
///
/// # Safety
/// Called by Lua only, with a `ud` that lives as long as the VM and blocks that came from here.
pub unsafe extern "C" fn allocate(
    ud: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `ud` is the VM's heap, and only the worker that runs the VM gets here.
    let heap = unsafe { &mut *ud.cast::<Heap>() };
    let old = if block.is_null() { 0 } else { old };
    if new == 0 {
        heap.used -= old;
        // SAFETY: the block came from the region or from mimalloc, or is null.
        unsafe {
            if heap.region.is_some() {
                heap.region.give(block, old);
            } else {
                give(block);
            }
        }
        return std::ptr::null_mut();
    }
    let used = heap.used - old + new;
    if new > old && heap.limit != 0 && used > heap.limit && !heap.lifted {
        return std::ptr::null_mut();
    }
    // SAFETY: as above.
    let fresh = unsafe {
        match (heap.region.is_some(), block.is_null()) {
            (false, true) => take(new),
            (false, false) => resize(block, new),
            (true, true) => heap.region.take(new),
            (true, false) => heap.region.resize(block, old, new),
        }
    };
    if !fresh.is_null() {
        heap.used = used;
        if used > heap.warn_at {
            while used > heap.warn_at {
                heap.warn_at *= 2;
            }
            heap.warned = used;
        }
    }
    fresh
}

#[cfg_attr(plain_malloc, path = "alloc/plain.rs")]
pub mod passing;
pub mod region;
mod slabs;

//! Where blocks come from: services that come and go have a heap apart from what stays.
//!
//! mimalloc gives a page back when its last block is freed. With one heap for all, a wave of services
//! leaves each worker with a page for each size, held by the few blocks of services that stay. So what
//! a worker allocates while it makes or runs a service that was cloned from an image ([`Passing`])
//! comes from a second heap, whose pages empty with the wave. A block can be freed from anywhere.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::OnceLock;

pub use libmimalloc_sys::mi_free as give;
use libmimalloc_sys::{
    mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc_aligned,
};

// mimalloc's: the binding has them only with a further dependency.
unsafe extern "C" {
    fn mi_collect(force: bool);
    fn mi_heap_new() -> *mut c_void;
    fn mi_heap_collect(heap: *mut c_void, force: bool);
    fn mi_heap_malloc(heap: *mut c_void, size: usize) -> *mut c_void;
    fn mi_heap_realloc(heap: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void;
    fn mi_heap_malloc_aligned(heap: *mut c_void, size: usize, align: usize) -> *mut c_void;
    fn mi_heap_zalloc_aligned(heap: *mut c_void, size: usize, align: usize) -> *mut c_void;
    fn mi_heap_realloc_aligned(
        heap: *mut c_void,
        block: *mut c_void,
        size: usize,
        align: usize,
    ) -> *mut c_void;
}

/// A heap of mimalloc's; null: the one that stays.
#[derive(Copy, Clone)]
struct Choice(*mut c_void);

// SAFETY: a heap may be used by all threads; each has a part of its own in it.
unsafe impl Send for Choice {}
// SAFETY: as above.
unsafe impl Sync for Choice {}

static SECOND: OnceLock<Choice> = OnceLock::new();

thread_local! {
    static CHOSEN: Cell<Choice> = const { Cell::new(Choice(std::ptr::null_mut())) };
}

/// While it lives, what this thread allocates is expected to be freed soon, all of it.
pub struct Passing {
    before: Choice,
    /// Of this thread.
    here: PhantomData<*mut ()>,
}

impl Passing {
    /// From here to the value's end.
    pub fn begin() -> Self {
        // SAFETY: no preconditions. Null, for want of memory, is the first heap.
        let second = *SECOND.get_or_init(|| Choice(unsafe { mi_heap_new() }));
        Self {
            before: CHOSEN.replace(second),
            here: PhantomData,
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        CHOSEN.set(self.before);
    }
}

/// A block for Lua; null: no memory.
#[inline]
pub fn take(size: usize) -> *mut c_void {
    let heap = CHOSEN.get().0;
    // SAFETY: no preconditions; the heap is never deleted.
    unsafe {
        match heap.is_null() {
            true => mi_malloc(size),
            false => mi_heap_malloc(heap, size),
        }
    }
}

/// A block for Lua with the contents of `block`; null: no memory, the old one stays.
///
/// # Safety
/// `block` came from here and is not used any more if another comes back.
#[inline]
pub unsafe fn resize(block: *mut c_void, size: usize) -> *mut c_void {
    let heap = CHOSEN.get().0;
    // SAFETY: by the function's own contract; the heap is never deleted.
    unsafe {
        match heap.is_null() {
            true => mi_realloc(block, size),
            false => mi_heap_realloc(heap, block, size),
        }
    }
}

/// The calling thread's share of both heaps: what is free of it goes back to the system.
pub fn collect() {
    // SAFETY: no preconditions; they touch free memory only.
    unsafe {
        if let Some(heap) = SECOND.get() {
            mi_heap_collect(heap.0, true);
        }
        mi_collect(true);
    }
}

/// For Rust's own data: `#[global_allocator]` of a program that runs a node.
pub struct Allocator;

// SAFETY: mimalloc's functions keep the contract; each heap serves any size and alignment, and a block
// of either may be freed or resized on any thread.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = CHOSEN.get().0;
        // SAFETY: the alignment is a power of two.
        let block = unsafe {
            match heap.is_null() {
                true => mi_malloc_aligned(layout.size(), layout.align()),
                false => mi_heap_malloc_aligned(heap, layout.size(), layout.align()),
            }
        };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let heap = CHOSEN.get().0;
        // SAFETY: as above.
        let block = unsafe {
            match heap.is_null() {
                true => mi_zalloc_aligned(layout.size(), layout.align()),
                false => mi_heap_zalloc_aligned(heap, layout.size(), layout.align()),
            }
        };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: it came from one of the heaps.
        unsafe { give(block.cast()) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let heap = CHOSEN.get().0;
        // SAFETY: it came from one of the heaps; the alignment is a power of two.
        let block = unsafe {
            match heap.is_null() {
                true => mi_realloc_aligned(block.cast(), size, layout.align()),
                false => mi_heap_realloc_aligned(heap, block.cast(), size, layout.align()),
            }
        };
        block.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a block of `size`, each of them `mark`.
    fn marked(size: usize, mark: u8) -> *mut c_void {
        let block = take(size);
        // SAFETY: it has `size` bytes.
        unsafe { block.cast::<u8>().write_bytes(mark, size) };
        block
    }

    #[test]
    fn blocks_of_either_heap_are_resized_and_freed_under_the_other_and_on_other_threads() {
        let stays = marked(100, 1);
        let apart = Passing::begin();
        let passes = marked(100, 2);
        // SAFETY: both came from `take` and are replaced by what comes back.
        let stays = unsafe { resize(stays, 5000) };
        drop(apart);
        // SAFETY: as above.
        let passes = unsafe { resize(passes, 5000) };
        for (block, mark) in [(stays, 1), (passes, 2)] {
            // SAFETY: the first 100 bytes were written before the block grew.
            let bytes = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), 100) };
            assert!(bytes.iter().all(|byte| *byte == mark));
        }
        let blocks = [stays as usize, passes as usize];
        std::thread::spawn(move || {
            for block in blocks {
                // SAFETY: they came from here, and nobody uses them any more.
                unsafe { give(block as *mut c_void) };
            }
            collect();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_choice_before_holds_again_also_after_a_panic() {
        let unwound = std::panic::catch_unwind(|| {
            let _outer = Passing::begin();
            let _inner = Passing::begin();
            panic!("in the middle");
        });
        assert!(unwound.is_err());
        assert!(CHOSEN.get().0.is_null());
    }
}

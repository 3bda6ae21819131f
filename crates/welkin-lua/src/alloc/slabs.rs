//! Memory of regions: blocks of one size in *slabs*, mappings of [`SLAB`] bytes.
//!
//! Most of what a cloned service has lies in its region, so this is the memory that comes and goes with
//! services. The allocator behind all other blocks keeps account of each mapping it ever made, some
//! hundreds of KiB for each GiB, which a wave of a hundred thousand services would leave behind; a slab
//! that nobody uses leaves nothing. Some empty ones stay for the services that come next, until
//! [`collect`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::ptr::NonNull;

use parking_lot::Mutex;

/// Bytes of a slab.
const SLAB: usize = 256 << 10;
/// Most blocks of a slab: a bit each.
const BLOCKS_MAX: usize = 64;
/// Most empty slabs that stay for the next services.
const EMPTY_MAX: usize = 64;
/// Bytes for which the kernel makes pages in one go, not one at each first touch.
const STEP: usize = 64 << 10;

static SLABS: Mutex<Slabs> = Mutex::new(Slabs::new());

/// A block of `size` bytes, at most [`SLAB`], aligned to 16 if the size is a multiple of it; null: no memory.
pub fn take(size: usize) -> *mut u8 {
    let taken = SLABS.lock().take(size);
    let Some((block, fresh)) = taken else {
        return std::ptr::null_mut();
    };
    if fresh > 0 {
        populate(block, fresh);
    }
    block
}

/// Gives a block back; null is nothing.
///
/// # Safety
/// It came from [`take`] or is null, and nothing of it is in use.
pub unsafe fn give(block: *mut u8) {
    let spare = SLABS.lock().give(block);
    drop(spare);
}

/// Gives the empty slabs back to the system.
pub fn collect() {
    let empty = SLABS.lock().take_empty();
    drop(empty);
}

struct Slabs {
    /// By their first byte's address.
    all: BTreeMap<usize, Slab>,
    /// Those with a free block, by the size of their blocks.
    open: BTreeMap<usize, BTreeSet<usize>>,
    /// How many of them have no block in use.
    empty: usize,
}

struct Slab {
    memory: Mapping,
    /// Of each block, in bytes.
    size: usize,
    /// A bit for each block: in use.
    used: u64,
    /// A bit for each block there is.
    all: u64,
    /// Bytes from the start whose pages were made.
    made: usize,
}

impl Slabs {
    const fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            open: BTreeMap::new(),
            empty: 0,
        }
    }

    /// A block, and how many bytes from it on have no pages yet.
    fn take(&mut self, size: usize) -> Option<(*mut u8, usize)> {
        let open = self.open.entry(size).or_default();
        // The kernel hands out high addresses first, so the highest is the oldest: the others may empty.
        let base = match open.last() {
            Some(base) => *base,
            None => {
                let slab = Slab::new(size)?;
                let base = slab.memory.base();
                self.all.insert(base, slab);
                open.insert(base);
                self.empty += 1;
                base
            }
        };
        let slab = self.all.get_mut(&base)?;
        self.empty -= usize::from(slab.used == 0);
        let taken = slab.take();
        if slab.used == slab.all {
            open.remove(&base);
        }
        Some(taken)
    }

    /// The mapping, if it is one too many.
    fn give(&mut self, block: *mut u8) -> Option<Mapping> {
        let (&base, slab) = self.all.range_mut(..=block.addr()).next_back()?;
        slab.give(block.addr() - base);
        let size = slab.size;
        if slab.used == 0 {
            self.empty += 1;
            if self.empty > EMPTY_MAX {
                return self.remove(base);
            }
        }
        self.open.entry(size).or_default().insert(base);
        None
    }

    fn take_empty(&mut self) -> Vec<Mapping> {
        let empty = self.all.iter().filter(|(_, slab)| slab.used == 0);
        let empty: Vec<usize> = empty.map(|(&base, _)| base).collect();
        empty
            .into_iter()
            .filter_map(|base| self.remove(base))
            .collect()
    }

    /// Takes out an empty slab.
    fn remove(&mut self, base: usize) -> Option<Mapping> {
        let slab = self.all.remove(&base)?;
        self.empty -= 1;
        if let Some(open) = self.open.get_mut(&slab.size) {
            open.remove(&base);
            if open.is_empty() {
                self.open.remove(&slab.size);
            }
        }
        Some(slab.memory)
    }
}

impl Slab {
    fn new(size: usize) -> Option<Self> {
        let count = (SLAB / size).min(BLOCKS_MAX);
        Some(Self {
            all: u64::MAX.checked_shr((BLOCKS_MAX - count) as u32)?,
            memory: Mapping::new()?,
            size,
            used: 0,
            made: 0,
        })
    }

    /// As [`Slabs::take`]; there is a free block.
    fn take(&mut self) -> (*mut u8, usize) {
        let free = !self.used & self.all;
        let at = free.trailing_zeros() as usize * self.size;
        self.used |= free & free.wrapping_neg();
        let end = at + self.size;
        let mut fresh = 0;
        if end > self.made {
            let blocks = self.all.count_ones() as usize * self.size;
            self.made = (at + STEP.max(self.size)).min(blocks);
            fresh = self.made - at;
        }
        (self.memory.at(at), fresh)
    }

    fn give(&mut self, distance: usize) {
        self.used &= !(1 << (distance / self.size));
    }
}

/// Has the kernel make the pages of `bytes` bytes from `block` on.
fn populate(block: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4 << 10;
        let before = block.addr() % PAGE;
        // SAFETY: it makes pages of a mapping of ours and changes no byte of it. A kernel that does not know
        // of it, or has larger pages, returns an error without effect.
        unsafe {
            let page = block.sub(before).cast::<c_void>();
            libc::madvise(page, before + bytes, libc::MADV_POPULATE_WRITE);
        }
    }
}

/// [`SLAB`] bytes from the system.
struct Mapping(NonNull<u8>);

// SAFETY: its own memory, which any thread may use and give back.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new() -> Option<Self> {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping, where the kernel likes.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), SLAB, access, kind, -1, 0) };
        if memory == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(memory.cast()).map(Self)
    }

    fn base(&self) -> usize {
        self.0.addr().get()
    }

    /// The byte at `distance`, which is below [`SLAB`].
    fn at(&self, distance: usize) -> *mut u8 {
        // SAFETY: within the mapping.
        unsafe { self.0.add(distance) }.as_ptr()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped by us, and nothing of it is in use: only empty slabs are taken out.
        unsafe { libc::munmap(self.0.as_ptr().cast(), SLAB) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Blocks in use, as their sizes and addresses.
    type Held = Vec<(usize, usize)>;

    fn take(slabs: &mut Slabs, held: &mut Held, size: usize) {
        let (block, fresh) = slabs.take(size).expect("there is memory");
        // SAFETY: the block has `size` bytes.
        unsafe { block.write_bytes(held.len() as u8, size) };
        assert!(fresh == 0 || fresh >= size);
        held.push((size, block.addr()));
    }

    fn give(slabs: &mut Slabs, held: &mut Held, which: usize) -> bool {
        let (_, block) = held.swap_remove(which);
        slabs
            .give(std::ptr::without_provenance_mut(block))
            .is_some()
    }

    proptest! {
        #[test]
        fn blocks_are_apart_and_what_is_given_back_leaves_nothing(
            steps in proptest::collection::vec((any::<bool>(), 0..3_usize, any::<usize>()), 1..400),
        ) {
            let (mut slabs, mut held) = (Slabs::new(), Held::new());
            for (takes, size, which) in steps {
                if takes || held.is_empty() {
                    take(&mut slabs, &mut held, [4096, 10_256, 65_520][size]);
                } else {
                    let which = which % held.len();
                    give(&mut slabs, &mut held, which);
                }
                let mut ends: Vec<_> = held.iter().map(|&(size, at)| (at, at + size)).collect();
                ends.sort_unstable();
                prop_assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0));
                let empty = slabs.all.values().filter(|slab| slab.used == 0).count();
                prop_assert_eq!(slabs.empty, empty);
            }
            while !held.is_empty() {
                give(&mut slabs, &mut held, 0);
            }
            slabs.take_empty();
            prop_assert!(slabs.all.is_empty() && slabs.open.is_empty() && slabs.empty == 0);
        }
    }

    #[test]
    fn so_many_empty_slabs_stay_and_no_more() {
        let (mut slabs, mut held) = (Slabs::new(), Held::new());
        for _ in 0..EMPTY_MAX + 2 {
            take(&mut slabs, &mut held, SLAB);
        }
        let given = (0..EMPTY_MAX + 2).map(|_| give(&mut slabs, &mut held, 0));
        assert_eq!(given.filter(|is_unmapped| *is_unmapped).count(), 2);
        assert_eq!(slabs.empty, EMPTY_MAX);
        take(&mut slabs, &mut held, SLAB);
        assert_eq!(slabs.all.len(), EMPTY_MAX, "an empty one is used again");
    }
}

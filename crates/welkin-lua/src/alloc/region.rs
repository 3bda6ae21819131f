//! Memory of a VM that was cloned from an image: one block for all that the image holds, and for what
//! the service allocates first.
//!
//! What is given back inside goes to lists by size, 16 bytes apart, and is handed out again, whole or in
//! parts; what fits nowhere comes from mimalloc. Lists hold distances from the region's start, so a copy of the region
//! with a copy of this struct is a region like the first: that is what an image is.

use std::ffi::c_void;

use super::{give, resize, take};

/// Blocks begin at multiples of it, and their sizes are rounded up to it.
pub const UNIT: usize = 16;
/// Number of lists; larger blocks are listed in pieces.
const LISTS: usize = 64;
/// Units of the longest piece.
const LONGEST: usize = LISTS - 1;

/// See the top of the file. Without memory (`base` null) it holds nothing and serves nothing.
#[derive(Debug)]
pub struct Region {
    base: *mut u8,
    /// Bytes at `base`.
    size: u32,
    /// Bytes handed out at least once.
    bumped: u32,
    /// A block had to come from elsewhere.
    spilled: bool,
    /// What is given back is zeroed, so that equal steps leave equal bytes.
    zeroing: bool,
    /// The lists that are not empty, a bit each.
    filled: u64,
    /// First free block of each size, as its distance in units plus one; 0: none. The next one's stands
    /// in the block.
    free: [u16; LISTS],
}

impl Region {
    /// No region.
    pub const NONE: Region = Region {
        base: std::ptr::null_mut(),
        size: 0,
        bumped: 0,
        spilled: false,
        zeroing: false,
        filled: 0,
        free: [0; LISTS],
    };

    /// Over `size` zeroed bytes at `base`, all of them free; at most 1 MiB. Free bytes stay zero, but for
    /// the lists.
    ///
    /// # Safety
    /// The bytes are aligned to 16, belong to nobody else, and stay until nothing of them is in use.
    pub unsafe fn over(base: *mut u8, size: usize) -> Self {
        debug_assert!(size <= UNIT * usize::from(u16::MAX));
        Self {
            base,
            size: size as u32,
            zeroing: true,
            ..Self::NONE
        }
    }

    /// The same blocks in use and free, over a copy of the bytes at `base` with `size` bytes room.
    ///
    /// # Safety
    /// As [`Region::over`]; the first [`Region::bumped`] bytes are copies of this region's.
    pub unsafe fn copied(&self, base: *mut u8, size: usize) -> Self {
        Self {
            base,
            size: size as u32,
            zeroing: false,
            ..*self
        }
    }

    /// Whether there is one.
    #[inline]
    pub fn is_some(&self) -> bool {
        !self.base.is_null()
    }

    /// Its first byte; null without memory.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Bytes from the start that were ever handed out.
    pub fn bumped(&self) -> usize {
        self.bumped as usize
    }

    /// Whether a block had to come from elsewhere.
    pub fn has_spilled(&self) -> bool {
        self.spilled
    }

    fn holds(&self, block: *mut c_void) -> bool {
        (block as usize).wrapping_sub(self.base as usize) < self.size as usize
    }

    /// A block of `size` bytes; null: no memory.
    pub fn take(&mut self, size: usize) -> *mut c_void {
        let units = size.div_ceil(UNIT);
        if units <= LONGEST {
            let fitting = self.filled & (u64::MAX << units);
            if fitting != 0 {
                return self.take_listed(fitting.trailing_zeros() as usize, units);
            }
        }
        let begin = self.bumped as usize;
        if begin + units * UNIT <= self.size as usize {
            self.bumped += (units * UNIT) as u32;
            // SAFETY: within the region.
            return unsafe { self.base.add(begin).cast() };
        }
        self.spilled = true;
        take(size)
    }

    /// The first block of the list `list`, which is not empty; what is beyond `units` is listed again.
    fn take_listed(&mut self, list: usize, units: usize) -> *mut c_void {
        let at = usize::from(self.free[list]) - 1;
        // SAFETY: listed blocks lie in the region, are not in use and hold the next one's number.
        let block = unsafe { self.base.add(at * UNIT) };
        // SAFETY: as above.
        let next = unsafe { block.cast::<u64>().read() } as u16;
        self.free[list] = next;
        if next == 0 {
            self.filled &= !(1 << list);
        }
        if list > units {
            self.list(at + units, list - units);
        }
        block.cast()
    }

    /// Lists `units` free units from number `at` on, at most [`LONGEST`].
    fn list(&mut self, at: usize, units: usize) {
        // SAFETY: in the region, at least a unit long, and nobody's. A whole word is written, so that
        // no part of an address is left in it.
        unsafe {
            let block = self.base.add(at * UNIT).cast::<u64>();
            if self.zeroing {
                block.write_bytes(0, units * UNIT / size_of::<u64>());
            }
            block.write(u64::from(self.free[units]));
        }
        self.free[units] = (at + 1) as u16;
        self.filled |= 1 << units;
    }

    /// Takes back a block that had `size` bytes.
    ///
    /// # Safety
    /// It came from this region's functions and is not used any more.
    pub unsafe fn give(&mut self, block: *mut c_void, size: usize) {
        if !self.holds(block) {
            // SAFETY: then it came from mimalloc, or is null.
            return unsafe { give(block) };
        }
        let mut at = (block as usize - self.base as usize) / UNIT;
        let mut units = size.div_ceil(UNIT);
        while units > 0 {
            let piece = units.min(LONGEST);
            self.list(at, piece);
            at += piece;
            units -= piece;
        }
    }

    /// A block of `new` bytes with the contents of one of `old`; null: no memory, the old one stays.
    ///
    /// # Safety
    /// As [`Region::give`].
    pub unsafe fn resize(&mut self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        if !self.holds(block) {
            // SAFETY: it came from mimalloc.
            return unsafe { resize(block, new) };
        }
        if old.div_ceil(UNIT) == new.div_ceil(UNIT) {
            return block;
        }
        let fresh = self.take(new);
        if !fresh.is_null() {
            // SAFETY: two blocks of their sizes, apart from each other.
            unsafe {
                std::ptr::copy_nonoverlapping(block.cast::<u8>(), fresh.cast(), old.min(new));
                self.give(block, old);
            }
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Take(usize),
        Give(usize),
        Resize(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..2000_usize).prop_map(Step::Take),
            any::<usize>().prop_map(Step::Give),
            (any::<usize>(), 1..2000_usize).prop_map(|(which, size)| Step::Resize(which, size)),
        ]
    }

    proptest! {
        /// Each block keeps what was written into it, whatever happens to the others, also after the
        /// region has been copied in the middle.
        #[test]
        fn blocks_do_not_overlap(
            steps in proptest::collection::vec(step(), 1..200),
            copied_at in 0..200_usize,
        ) {
            let mut memory = vec![0_u128; 512];
            let mut second = vec![0_u128; 600];
            // SAFETY: the memory outlives the region, and blocks are used within their sizes only.
            unsafe {
                let mut region = Region::over(memory.as_mut_ptr().cast(), memory.len() * UNIT);
                let mut blocks: Vec<(*mut u8, usize, u8)> = Vec::new();
                for (at, step) in steps.into_iter().enumerate() {
                    if at == copied_at {
                        second[..memory.len()].copy_from_slice(&memory);
                        let moved = region.copied(second.as_mut_ptr().cast(), second.len() * UNIT);
                        for block in &mut blocks {
                            if region.holds(block.0.cast()) {
                                let distance = block.0 as usize - region.base as usize;
                                block.0 = moved.base.add(distance);
                            }
                        }
                        region = moved;
                    }
                    let mark = at as u8;
                    match step {
                        Step::Take(size) => {
                            let block = region.take(size).cast::<u8>();
                            block.write_bytes(mark, size);
                            blocks.push((block, size, mark));
                        }
                        Step::Give(which) if !blocks.is_empty() => {
                            let which = which % blocks.len();
                            let (block, size, _) = blocks.swap_remove(which);
                            region.give(block.cast(), size);
                        }
                        Step::Resize(which, size) if !blocks.is_empty() => {
                            let which = which % blocks.len();
                            let (block, old, mark) = blocks[which];
                            let fresh = region.resize(block.cast(), old, size).cast::<u8>();
                            for at in 0..old.min(size) {
                                prop_assert_eq!(*fresh.add(at), mark);
                            }
                            fresh.write_bytes(mark, size);
                            blocks[which] = (fresh, size, mark);
                        }
                        Step::Give(_) | Step::Resize(..) => {}
                    }
                    for (block, size, mark) in &blocks {
                        for at in 0..*size {
                            prop_assert_eq!(*block.add(at), *mark);
                        }
                    }
                }
                for (block, size, _) in blocks {
                    region.give(block.cast(), size);
                }
            }
        }
    }
}

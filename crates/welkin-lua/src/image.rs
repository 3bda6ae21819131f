//! Images: the VM of a program that is started again and again, copied instead of made.
//!
//! Opening the libraries and loading the program is most of what a spawn costs, and it ends in the same
//! bytes each time, but for where they lie. So a program that was started [`STARTS`] times is prepared
//! twice more, in two regions of zeroed memory with the same hash seed, up to where its main file would
//! begin to run. The two are compared word by word. A word that is the same in both is a constant; one
//! that differs by the distance of the regions is a pointer into the region; one that differs by the
//! distance of the two [`Vm`]s points into that. Anything else, or a block that did not fit, and there is
//! no image: the program is prepared each time, as one started rarely is.
//!
//! A clone is a copy with these words moved. What a hash by address would break cannot pass: the
//! distance of the regions leaves a remainder for every size that a table of Lua's has, so that a key
//! hashed by its address would lie at another place in the second one.
//!
//! The image of a file lasts until the code cache has another version of it. Programs with a folder of
//! their own, a `preload` or a loader of their own, and nodes whose Lua library is the project's, go
//! without.

use std::collections::HashMap;
use std::sync::Arc;

use mlua_sys as ffi;
use parking_lot::RwLock;
use welkin_runtime::Context;

use crate::alloc::region::{Region, UNIT};
use crate::alloc::{Heap, take_region};
use crate::codecache::{self, CacheHold};
use crate::control::LuaControl;
use crate::loader;
use crate::module::Shared;
use crate::state::State;
use crate::vm::{self, Names, Refs, Vm, VmPtr};

/// Starts of a program after which its image is made.
const STARTS: u32 = 8;
/// Most bytes of an image: programs whose main file is larger than that are not started by the thousand.
const MAX: usize = 64 << 10;
/// Between the first bytes of the two regions: one unit more than fits, see the top of the file.
const DISTANCE: usize = MAX + UNIT;
/// Bytes beside the image for what the program allocates first.
const SLACK: usize = 256;

/// The images of a node, by the name of the service.
#[derive(Debug, Default)]
pub struct Images(RwLock<HashMap<Vec<u8>, Entry>>);

#[derive(Debug)]
enum Entry {
    /// Started so often.
    Seen(u32),
    Ready(Arc<Image>),
    /// Its VM is not the same each time.
    Refused,
}

/// One program, prepared.
#[derive(Debug)]
pub struct Image {
    words: Box<[u64]>,
    /// Numbers of the words that hold a distance from the region's start, to become a pointer.
    inside: Box<[u16]>,
    /// Numbers of the words that hold a distance from the start of the [`Vm`].
    of_vm: Box<[u16]>,
    /// Bytes a clone's region gets.
    room: usize,
    /// Distance of the main thread.
    main: usize,
    region: Region,
    used: usize,
    refs: Refs,
    /// As if the region lay at 0.
    names: Names,
    cache: CacheHold,
    /// Of the code cache when it was made.
    generation: u64,
}

// SAFETY: the region's base belongs to a VM that is closed and is never looked at; the rest is plain.
unsafe impl Send for Image {}
// SAFETY: as above; nothing is changed once it is made.
unsafe impl Sync for Image {}

impl Images {
    /// The image for the service `name`, if there is one that is still true.
    pub fn get(&self, name: &[u8]) -> Option<Arc<Image>> {
        let entries = self.0.read();
        let Some(Entry::Ready(image)) = entries.get(name) else {
            return None;
        };
        if image.generation == codecache::generation() {
            return Some(image.clone());
        }
        drop(entries);
        self.0.write().remove(name);
        None
    }

    /// Whether the text command `LAUNCH text` would be served from an image.
    pub fn serve(&self, text: &[u8]) -> bool {
        let mut words = loader::words(text);
        words.next() == Some(b"snlua") && words.next().is_some_and(|name| self.get(name).is_some())
    }

    /// Notes that `name` was prepared as usual; true: it is time for its image.
    fn is_due(&self, name: &[u8]) -> bool {
        if let Some(Entry::Refused) = self.0.read().get(name) {
            return false;
        }
        let mut entries = self.0.write();
        match entries.entry(name.to_vec()).or_insert(Entry::Seen(0)) {
            Entry::Seen(starts) => {
                *starts += 1;
                *starts == STARTS
            }
            Entry::Ready(_) | Entry::Refused => false,
        }
    }
}

/// A service of that name was prepared without an image: makes one, if it is time.
pub fn consider(cx: &Context<'_>, shared: &Arc<Shared>, control: &Arc<LuaControl>, name: &[u8]) {
    if cfg!(plain_malloc) || !shared.images.is_due(name) {
        return;
    }
    let made = build(cx, shared, control, name);
    let entry = made.map_or(Entry::Refused, |image| Entry::Ready(Arc::new(image)));
    shared.images.0.write().insert(name.to_vec(), entry);
}

fn build(
    cx: &Context<'_>,
    shared: &Arc<Shared>,
    control: &Arc<LuaControl>,
    name: &[u8],
) -> Option<Image> {
    let generation = codecache::generation();
    let mut memory = vec![0_u128; (DISTANCE + MAX) / UNIT];
    let base: *mut u8 = memory.as_mut_ptr().cast();
    let prepared = |at: usize| {
        // SAFETY: two stretches of `memory` apart from each other; it outlives both VMs.
        let region = unsafe { Region::over(base.add(at), MAX) };
        let vm = vm::open(cx, shared, control.clone(), region)?;
        let done = loader::prepare_image(vm, name);
        Some((vm, done && !vm.heap.region.has_spilled()))
    };
    let (first, first_done) = prepared(0)?;
    let image = prepared(DISTANCE).and_then(|(second, done)| {
        // SAFETY: both VMs are alive and this thread's.
        let image = (first_done && done)
            .then(|| unsafe { compare(first, second, generation) })
            .flatten();
        vm::close(second);
        image
    });
    vm::close(first);
    image
}

/// The image of which both VMs are copies, if they are.
///
/// # Safety
/// Both are alive and not running; their regions are [`DISTANCE`] apart.
unsafe fn compare(first: VmPtr, second: VmPtr, generation: u64) -> Option<Image> {
    let len = first.heap.region.bumped();
    if len != second.heap.region.bumped() || first.heap.used != second.heap.used {
        return None;
    }
    let (base, base_second) = (first.heap.region.base(), second.heap.region.base());
    let (vm, vm_second) = (first.place(), second.place());
    let mut words = Vec::with_capacity(len / 8);
    let (mut inside, mut of_vm) = (Vec::new(), Vec::new());
    for at in 0..len / 8 {
        // SAFETY: both regions have `len` bytes, aligned; they were zeroed, so all are set.
        let (a, b) = unsafe {
            (
                base.cast::<u64>().add(at).read(),
                base_second.cast::<u64>().add(at).read(),
            )
        };
        let (from_base, from_vm) = (a.wrapping_sub(base as u64), a.wrapping_sub(vm as u64));
        let word = if a == b {
            a
        } else if from_base <= len as u64 && from_base == b.wrapping_sub(base_second as u64) {
            inside.push(at as u16);
            from_base
        } else if from_vm < size_of::<Vm>() as u64 && from_vm == b.wrapping_sub(vm_second as u64) {
            of_vm.push(at as u16);
            from_vm
        } else {
            return None;
        };
        words.push(word);
    }
    Some(Image {
        words: words.into(),
        inside: inside.into(),
        of_vm: of_vm.into(),
        room: room_for(len),
        main: first.main.ptr() as usize - base as usize,
        // SAFETY: nobody uses it before it is copied again.
        region: unsafe { first.heap.region.copied(std::ptr::null_mut(), 0) },
        used: first.heap.used,
        refs: first.refs,
        names: first.names.moved((base as usize).wrapping_neg()),
        cache: first.cache.clone(),
        generation,
    })
}

/// Bytes for the region of a clone: four sizes in each doubling, so that programs of like size share slabs.
fn room_for(len: usize) -> usize {
    let wanted = len + SLACK;
    wanted.next_multiple_of(wanted.next_power_of_two() / 8)
}

impl Image {
    /// A VM with the program's main function on its main thread's stack; `None`: no memory.
    pub fn open(
        &self,
        cx: &Context<'_>,
        shared: &Arc<Shared>,
        control: Arc<LuaControl>,
    ) -> Option<VmPtr> {
        let base = take_region(self.room);
        if base.is_null() {
            return None;
        }
        let mut place = Box::<Vm>::new_uninit();
        let vm = place.as_mut_ptr();
        // SAFETY: `room` bytes are there and hold all words; each noted word is one of them. The copy
        // is a state as the first one was, with all its pointers moved along.
        unsafe {
            let words = base.cast::<u64>();
            words.copy_from_nonoverlapping(self.words.as_ptr(), self.words.len());
            for at in &self.inside {
                *words.add(usize::from(*at)) += base as u64;
            }
            for at in &self.of_vm {
                *words.add(usize::from(*at)) += vm as u64;
            }
            let heap = Heap::within(self.region.copied(base, self.room), self.used);
            let main = State::new(base.add(self.main).cast::<ffi::lua_State>());
            let fresh = vm::fresh(main, heap, cx, shared, control);
            let made = Vm {
                refs: self.refs,
                names: self.names.moved(base as usize),
                cache: self.cache.clone(),
                ..fresh
            };
            place.write(made);
            Some(VmPtr::own(place.assume_init()))
        }
    }
}

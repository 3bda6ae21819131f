//! Large blocks between two uses.
//!
//! `malloc` gets a large block from the system and gives it back when it is freed: its pages are made,
//! zeroed and taken away again for each message, which costs more than all that is done with the bytes.
//! So the blocks that payloads let go are kept for the next ones: [`KEPT_MAX`] bytes in all, each until it
//! has not been used for a second ([`sweep`]; the monitors call it). They are blocks of `malloc` like all
//! others, so whoever is given one may free it.
//!
//! There is one store for the process, as there is one `malloc`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Smallest block that is kept, in bytes. From here on `malloc` asks the system ([`settle`]), so to free
/// one is to give its memory back.
pub(crate) const LARGE: usize = 256 << 10;
/// Largest block that is kept: larger messages are rare, and few of them would fill the store.
const LARGEST: usize = 4 << 20;
/// Most bytes that are kept.
const KEPT_MAX: usize = 16 << 20;
/// Free bytes at the end of an arena that are given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIMMED: usize = 512 << 10;
/// The shortest time between two sweeps that do something, in nanoseconds.
const INTERVAL_NS: i64 = 1_000_000_000;

static STORE: Mutex<Store> = Mutex::new(Store {
    blocks: Vec::new(),
    bytes: 0,
    sweeps: 0,
    swept_ns: i64::MIN / 2,
});
/// Whether the store is worth a look. A hint.
static KEEPS: AtomicBool = AtomicBool::new(false);

struct Store {
    /// The last one used is the last.
    blocks: Vec<Block>,
    bytes: usize,
    /// Sweeps so far.
    sweeps: u32,
    /// When the last one was.
    swept_ns: i64,
}

struct Block {
    data: *mut c_void,
    room: usize,
    /// How many sweeps there had been when it was put here.
    since: u32,
}

// SAFETY: owned by the store, and `malloc`'s memory may be used and freed by any thread.
unsafe impl Send for Block {}

/// Has `malloc` give large blocks back to the system as soon as they are freed, and no more than
/// [`TRIMMED`] bytes stay free at the end of each of its arenas. Left alone it moves both limits with what is
/// freed, up to 32 and 64 MiB.
pub(crate) fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: both may be set at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE as libc::c_int);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIMMED as libc::c_int);
    }
}

/// A block of `bytes` bytes or more that nobody uses; null: there is none, or they are not that many
/// that blocks are kept for.
#[inline]
pub(crate) fn take(bytes: usize) -> *mut c_void {
    if bytes < LARGE || !KEEPS.load(Ordering::Relaxed) {
        return std::ptr::null_mut();
    }
    let data = STORE.lock().take(bytes);
    data.unwrap_or(std::ptr::null_mut())
}

/// Keeps or frees a block of which `used` bytes are known.
///
/// # Safety
/// It is null or `malloc`'s, nobody uses it, and nobody else frees it.
#[inline]
pub(crate) unsafe fn give(data: *mut c_void, used: usize) {
    // SAFETY: by the function's own contract.
    unsafe {
        if used < LARGE || cfg!(plain_malloc) || !keep(data) {
            libc::free(data);
        }
    }
}

/// Keeps a block, if it is of a fitting size and there is room for it.
///
/// # Safety
/// As [`give`]; it is not null.
#[cold]
unsafe fn keep(data: *mut c_void) -> bool {
    // SAFETY: by the function's own contract.
    let room = unsafe { super::room(data) };
    if !(LARGE..=LARGEST).contains(&room) {
        return false;
    }
    let mut store = STORE.lock();
    let fits = store.bytes + room <= KEPT_MAX;
    if fits {
        store.put(data, room);
        KEEPS.store(true, Ordering::Relaxed);
    }
    fits
}

/// When there will be something to sweep, in monotonic nanoseconds.
pub(crate) fn due_ns() -> Option<i64> {
    KEEPS
        .load(Ordering::Relaxed)
        .then(|| STORE.lock().swept_ns + INTERVAL_NS)
}

/// Frees what has not been used since the last sweep but one; whether there was any: large messages are
/// over then, and what else they took may go back too. To be called often; it does something once a second.
pub(crate) fn sweep(now_ns: i64) -> bool {
    if due_ns().is_none_or(|due| now_ns < due) {
        return false;
    }
    let mut store = STORE.lock();
    let old = store.unused(now_ns);
    KEEPS.store(store.bytes > 0, Ordering::Relaxed);
    drop(store);
    for block in &old {
        // SAFETY: the store's own until now.
        unsafe { libc::free(block.data) };
    }
    !old.is_empty()
}

impl Store {
    /// The block that fits best, of several the one that was used last. More than twice as large does not
    /// fit: who keeps a message for long would keep more than it is.
    fn take(&mut self, bytes: usize) -> Option<*mut c_void> {
        let fitting = self.blocks.iter().enumerate().rev();
        let (at, _) = fitting
            .filter(|(_, block)| (bytes..=bytes.saturating_mul(2)).contains(&block.room))
            .min_by_key(|(_, block)| block.room)?;
        let block = self.blocks.remove(at);
        self.bytes -= block.room;
        Some(block.data)
    }

    fn put(&mut self, data: *mut c_void, room: usize) {
        self.bytes += room;
        let since = self.sweeps;
        self.blocks.push(Block { data, room, since });
    }

    /// Takes out what was here at the last sweep.
    fn unused(&mut self, now_ns: i64) -> Vec<Block> {
        let sweeps = self.sweeps;
        let fresh = self.blocks.partition_point(|block| block.since < sweeps);
        let unused: Vec<_> = self.blocks.drain(..fresh).collect();
        self.bytes -= unused.iter().map(|block| block.room).sum::<usize>();
        self.sweeps += 1;
        self.swept_ns = now_ns;
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(rooms: &[usize]) -> Store {
        let mut store = Store {
            blocks: Vec::new(),
            bytes: 0,
            sweeps: 0,
            swept_ns: 0,
        };
        for (number, &room) in (1..).zip(rooms) {
            store.put(std::ptr::without_provenance_mut(number), room);
        }
        store
    }

    fn taken(store: &mut Store, bytes: usize) -> Option<usize> {
        store.take(bytes).map(|data| data.addr())
    }

    #[test]
    fn the_best_fitting_block_is_taken_and_of_several_the_last() {
        let mut store = store(&[100, 150, 100, 400]);
        assert_eq!(taken(&mut store, 100), Some(3));
        assert_eq!(taken(&mut store, 100), Some(1));
        assert_eq!(taken(&mut store, 100), Some(2));
        assert_eq!(taken(&mut store, 100), None);
        assert_eq!(taken(&mut store, 401), None);
        assert_eq!(store.bytes, 400);
    }

    #[test]
    fn what_is_not_used_between_two_sweeps_is_let_go() {
        let mut store = store(&[100, 200]);
        assert!(store.unused(1).is_empty());
        let used = store.take(100).unwrap();
        store.put(used, 100);
        let rooms = |blocks: Vec<Block>| blocks.iter().map(|b| b.room).collect::<Vec<_>>();
        assert_eq!(rooms(store.unused(2)), [200]);
        assert_eq!(rooms(store.unused(3)), [100]);
        assert_eq!(store.bytes, 0);
    }
}

//! Bytes that cross from one service to another, in the process's own `malloc`.
//!
//! Native modules written for skynet free what they receive with plain `free` and hand in what they
//! got from `malloc`, so these buffers never come from Rust's global allocator. One type owns such a
//! buffer: making it, moving it into Lua or C (`into_raw`) and back (`from_raw`) are written as moves.
//!
//! Behind the bytes stands a NUL that is not counted, for C code that reads text. Large buffers are used
//! again while they are warm ([`blocks`]).
//! There is no size limit here; who takes bytes from a peer sets one.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

pub(crate) mod blocks;
mod shared;

pub use shared::SharedPayload;

/// Addresses that a program on this kind of machine may have: the lowest pages are never mapped.
const ADDRESSES: std::ops::Range<u64> = 0x1_0000..1 << 48;

/// First capacity of a [`PayloadBuf`], in bytes.
const FIRST_CAPACITY: usize = 64;

/// Whether `size` bytes may lie at `pointer`. Its origin cannot be proved, but what no process has as an
/// address can be told. A null pointer may stand for no bytes.
pub fn is_possible(pointer: *const c_void, size: usize) -> bool {
    if pointer.is_null() {
        return size == 0;
    }
    let end = (pointer as u64).checked_add(size as u64);
    ADDRESSES.contains(&(pointer as u64)) && end.is_some_and(|end| end <= ADDRESSES.end)
}

/// Whether `malloc` may have given a block of `size` bytes at `pointer`.
pub fn may_be_block(pointer: *const c_void, size: usize) -> bool {
    is_possible(pointer, size) && (pointer as usize).is_multiple_of(align_of::<libc::max_align_t>())
}

/// Bytes of the block at `pointer`; where the system does not tell, the most there can be.
///
/// # Safety
/// The block is `malloc`'s by the word of who gives it away to be freed, which reads the same words.
pub unsafe fn room(pointer: *mut c_void) -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: by the function's own contract.
    return unsafe { libc::malloc_usable_size(pointer) };
    // Elsewhere the size is believed.
    #[cfg(not(target_os = "linux"))]
    usize::MAX
}

/// Owned bytes from `malloc`. May carry a second such buffer that shares its fate; or the bytes are a share
/// of what other messages have too ([`SharedPayload`]).
pub struct Payload {
    data: *mut c_void,
    len: usize,
    attached: *mut c_void,
}

// SAFETY: the pointers are owned by this value alone and `malloc` memory may be freed by any thread.
unsafe impl Send for Payload {}
// SAFETY: shared, it is only read.
unsafe impl Sync for Payload {}

impl Payload {
    /// No bytes: null pointer, length 0.
    pub const fn empty() -> Self {
        Payload {
            data: ptr::null_mut(),
            len: 0,
            attached: ptr::null_mut(),
        }
    }

    /// A copy of `bytes` with a NUL behind it; an empty slice gives [`Payload::empty`].
    pub fn copy_from(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Payload::empty();
        }
        let data = allocate(bytes.len() + 1);
        // SAFETY: `data` is fresh and has `bytes.len() + 1` bytes.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
            data.add(bytes.len()).write(0);
        }
        Payload {
            data: data.cast(),
            len: bytes.len(),
            attached: ptr::null_mut(),
        }
    }

    /// Takes over a buffer.
    ///
    /// # Safety
    /// `ptr` is null or came from `malloc`, nobody else frees it, and its first `len` bytes are
    /// initialised. A null pointer may come with any `len` (as in skynet); it has no bytes.
    pub unsafe fn from_raw(ptr: *mut c_void, len: usize) -> Self {
        Payload {
            data: ptr,
            len,
            attached: ptr::null_mut(),
        }
    }

    /// Gives the buffer away, to be freed with `free`. An attached buffer leaves with it: whoever
    /// takes the payload apart has read its pointer from the bytes and owns that too. Of shared bytes it
    /// is a copy.
    pub fn into_raw(self) -> (*mut c_void, usize) {
        if shared::is_marked(self.attached) {
            return self.into_own().into_raw();
        }
        let raw = (self.data, self.len);
        std::mem::forget(self);
        raw
    }

    /// The bytes; none when the pointer is null.
    pub fn as_bytes(&self) -> &[u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: not null, so by the contract of the constructors `len` initialised bytes are there.
        unsafe { std::slice::from_raw_parts(self.data.cast(), self.len) }
    }

    /// First byte, or null.
    pub fn as_ptr(&self) -> *const u8 {
        self.data.cast_const().cast()
    }

    /// Length in bytes, as given (also for a null pointer).
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ties `other` to this payload: it is freed with it when the message is dropped unseen. Socket
    /// events use this for their data, whose pointer stands in the bytes.
    pub fn attach(mut self, other: Payload) -> Self {
        debug_assert!(
            other.attached.is_null(),
            "an attached buffer has none itself"
        );
        debug_assert!(
            !shared::is_marked(self.attached),
            "shared bytes carry nothing else"
        );
        let (data, _) = other.into_raw();
        self.release_attached();
        self.attached = data;
        self
    }

    /// The attached buffer, or null.
    pub fn attached_ptr(&self) -> *mut c_void {
        if shared::is_marked(self.attached) {
            return ptr::null_mut();
        }
        self.attached
    }

    /// Frees the attached buffer, or gives the share back.
    fn release_attached(&mut self) {
        if shared::is_marked(self.attached) {
            return self.release_share();
        }
        let attached = std::mem::replace(&mut self.attached, ptr::null_mut());
        // SAFETY: null or owned by this value: `attach` took it over from its former owner.
        unsafe { free_attached(attached) };
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        // First: with a share its bytes go.
        if !self.attached.is_null() {
            self.release_attached();
        }
        if !self.data.is_null() {
            // SAFETY: owned, from `malloc`, and not freed before: `into_raw` forgets the value.
            unsafe { blocks::give(self.data, self.len) };
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len)
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Payload::copy_from(bytes)
    }
}

/// A growing buffer from `malloc` that becomes a [`Payload`] without a copy.
#[derive(Debug)]
pub struct PayloadBuf {
    data: *mut u8,
    len: usize,
    capacity: usize,
}

// SAFETY: owned memory, as for `Payload`.
unsafe impl Send for PayloadBuf {}

impl PayloadBuf {
    /// An empty buffer; nothing is allocated yet.
    pub const fn new() -> Self {
        PayloadBuf {
            data: ptr::null_mut(),
            len: 0,
            capacity: 0,
        }
    }

    /// A buffer with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut buffer = PayloadBuf::new();
        if bytes > 0 {
            buffer.reallocate(bytes + 1);
        }
        buffer
    }

    /// Makes room for `more` bytes and for what [`PayloadBuf::finish`] puts behind them.
    pub fn reserve(&mut self, more: usize) {
        if self.capacity - self.len <= more {
            let needed = self.len.checked_add(more).and_then(|n| n.checked_add(1));
            self.reallocate(needed.expect("buffer size overflows"));
        }
    }

    /// Puts one byte behind the others.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.len == self.capacity {
            self.grow(1);
        }
        // SAFETY: `grow` made room for at least one byte more than `len`.
        unsafe { self.data.add(self.len).write(byte) };
        self.len += 1;
    }

    /// Puts `bytes` behind the others.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.capacity - self.len < bytes.len() {
            self.grow(bytes.len());
        }
        // SAFETY: there is room for `bytes.len()` behind `len`, and `bytes` cannot lie in our buffer
        // while it is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.data.add(self.len), bytes.len()) };
        self.len += bytes.len();
    }

    /// As [`PayloadBuf::extend`]; if more room is needed for it, then also for `more` bytes.
    pub fn extend_ahead(&mut self, bytes: &[u8], more: usize) {
        if !bytes.is_empty() && self.capacity - self.len <= bytes.len() {
            self.reserve(bytes.len().saturating_add(more));
        }
        self.extend(bytes);
    }

    /// Bytes written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes written.
    pub fn as_slice(&self) -> &[u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: `len` bytes have been written by `push` or `extend`.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }

    /// The bytes written, to change them in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        if self.data.is_null() {
            return &mut [];
        }
        // SAFETY: as `as_slice`, and `&mut self` makes it exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }

    /// Room for at least `more` bytes behind those written.
    pub fn spare(&mut self, more: usize) -> &mut [MaybeUninit<u8>] {
        self.reserve(more);
        // What `finish` puts behind the bytes has its place too.
        let room = self.capacity - self.len - 1;
        // SAFETY: from `len` to `capacity` the block is ours and exclusively borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(self.len).cast(), room) }
    }

    /// Counts `more` bytes as written that were put into [`PayloadBuf::spare`].
    ///
    /// # Safety
    /// They have been written, without a call in between.
    pub unsafe fn filled(&mut self, more: usize) {
        debug_assert!(more <= self.capacity - self.len);
        self.len += more;
    }

    /// Forgets the bytes and keeps the room.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Keeps the first `len` bytes; more than there are: no effect.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Ends the writing: the bytes with a NUL behind them. Nothing written gives [`Payload::empty`].
    pub fn finish(mut self) -> Payload {
        if self.len == 0 {
            return Payload::empty();
        }
        let len = self.len;
        self.push(0);
        let data = self.data;
        std::mem::forget(self);
        Payload {
            data: data.cast(),
            len,
            attached: ptr::null_mut(),
        }
    }

    /// With room for what `finish` puts behind the bytes.
    #[cold]
    fn grow(&mut self, more: usize) {
        let needed = self.len.checked_add(more).and_then(|n| n.checked_add(1));
        self.reallocate(
            needed
                .expect("buffer size overflows")
                .max(self.capacity.saturating_mul(2))
                .max(FIRST_CAPACITY),
        );
    }

    fn reallocate(&mut self, capacity: usize) {
        if self.capacity < blocks::LARGE && self.move_to_kept(capacity) {
            return;
        }
        // SAFETY: `data` is null or ours from `malloc`/`realloc`; it is replaced by the result.
        let data = unsafe { libc::realloc(self.data.cast(), capacity) };
        assert!(
            !data.is_null(),
            "out of memory: {capacity} bytes for a message"
        );
        self.data = data.cast();
        self.capacity = capacity;
    }

    /// Moves what there is into a block that was kept, if one fits. A large block does not move: the
    /// system makes it larger where it is.
    fn move_to_kept(&mut self, capacity: usize) -> bool {
        let data = blocks::take(capacity).cast::<u8>();
        if data.is_null() {
            return false;
        }
        // SAFETY: two blocks of their own, the new one with room for more than the bytes of the old one,
        // which is `malloc`'s or null and has been replaced.
        unsafe {
            ptr::copy_nonoverlapping(self.as_slice().as_ptr(), data, self.len);
            libc::free(self.data.cast());
        }
        self.data = data;
        self.capacity = capacity;
        true
    }
}

impl Default for PayloadBuf {
    fn default() -> Self {
        PayloadBuf::new()
    }
}

impl Drop for PayloadBuf {
    fn drop(&mut self) {
        // SAFETY: null or owned, from `malloc`; `finish` forgets the value.
        unsafe { blocks::give(self.data.cast(), self.capacity) };
    }
}

/// Frees an attached buffer, whose length only the block knows.
///
/// # Safety
/// As [`blocks::give`].
unsafe fn free_attached(data: *mut c_void) {
    // SAFETY: by the function's own contract.
    unsafe {
        let room = if data.is_null() { 0 } else { room(data) };
        blocks::give(data, room);
    }
}

fn allocate(bytes: usize) -> *mut u8 {
    let kept = blocks::take(bytes);
    if !kept.is_null() {
        return kept.cast();
    }
    // SAFETY: no precondition.
    let data = unsafe { libc::malloc(bytes) };
    assert!(
        !data.is_null(),
        "out of memory: {bytes} bytes for a message"
    );
    data.cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_ends_with_an_uncounted_nul() {
        let payload = Payload::copy_from(b"abc");
        assert_eq!(payload.as_bytes(), b"abc");
        let (data, len) = payload.into_raw();
        assert_eq!(len, 3);
        // SAFETY: `copy_from` wrote four bytes and the buffer is ours until `from_raw` below.
        assert_eq!(unsafe { data.cast::<u8>().add(3).read() }, 0);
        // SAFETY: just taken from a payload.
        drop(unsafe { Payload::from_raw(data, len) });
    }

    #[test]
    fn nothing_is_a_null_pointer() {
        assert!(Payload::copy_from(b"").as_ptr().is_null());
        assert!(PayloadBuf::new().finish().as_ptr().is_null());
    }

    #[test]
    fn a_buffer_grows_and_keeps_its_bytes() {
        let mut buffer = PayloadBuf::new();
        for n in 0..1000u32 {
            buffer.extend(&n.to_le_bytes());
            buffer.push(7);
        }
        assert_eq!(buffer.len(), 5000);
        let payload = buffer.finish();
        assert_eq!(&payload.as_bytes()[4995..], &[231, 3, 0, 0, 7]);
    }

    #[test]
    fn an_attached_buffer_is_carried_along() {
        let payload = Payload::copy_from(b"head").attach(Payload::copy_from(b"data"));
        assert!(!payload.attached_ptr().is_null());
    }
}

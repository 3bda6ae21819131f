//! Where a walk writes: most of what it appends is a few bytes, so these go without a call each.

use welkin_codec::bson::{Sink, kind};

/// The buffer that is written. A pointer, as no reference may be held while Lua code runs.
pub struct Bytes(pub *mut Vec<u8>);

impl Sink for Bytes {
    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        // SAFETY: valid for the walk (`encoded`), and nobody else uses it during this call; `bytes` are
        // Lua's or the frame's.
        unsafe { (*self.0).extend_from_slice(bytes) }
    }

    #[inline]
    fn extend_field<const N: usize>(&mut self, kind: u8, name: &[u8], head: [u8; N]) {
        let need = name.len() + 2 + N;
        // SAFETY: as above. There is room for `need` bytes behind the present ones, all of which are
        // written before they count.
        unsafe {
            let bytes = &mut *self.0;
            bytes.reserve(need);
            let start = bytes.as_mut_ptr().add(bytes.len());
            start.write(kind);
            copy_short(name, start.add(1));
            let behind = start.add(1 + name.len());
            behind.write(0);
            behind.add(1).cast::<[u8; N]>().write_unaligned(head);
            bytes.set_len(bytes.len() + need);
        }
    }

    #[inline]
    fn extend_text(&mut self, name: &[u8], len: [u8; 4], text: &[u8]) {
        // SAFETY: as above. The field takes what it takes of the room; the text and a zero byte are the rest,
        // and written before they count.
        unsafe {
            (*self.0).reserve(name.len() + 6 + text.len() + 1);
            self.extend_field(kind::STRING, name, len);
            let bytes = &mut *self.0;
            let behind = bytes.as_mut_ptr().add(bytes.len());
            copy_short(text, behind);
            behind.add(text.len()).write(0);
            bytes.set_len(bytes.len() + text.len() + 1);
        }
    }

    #[inline]
    fn written(&self) -> usize {
        // SAFETY: as above.
        unsafe { (*self.0).len() }
    }

    #[inline]
    fn overwrite(&mut self, at: usize, bytes: [u8; 4]) {
        // SAFETY: as above.
        unsafe { (&mut (*self.0))[at..at + 4].copy_from_slice(&bytes) }
    }
}

/// Copies a name or a text. Most are short, and a call to copy one takes longer than to do it here, in two
/// pieces that may overlap.
///
/// # Safety
/// There is room for the text at `to`, which is not a part of it.
#[inline]
unsafe fn copy_short(text: &[u8], to: *mut u8) {
    let (from, len) = (text.as_ptr(), text.len());
    // SAFETY: by the promise; each piece lies within the text.
    unsafe {
        match len {
            0 => {}
            1..4 => {
                to.write(from.read());
                to.add(len / 2).write(from.add(len / 2).read());
                to.add(len - 1).write(from.add(len - 1).read());
            }
            4..8 => copy_ends::<4>(from, to, len),
            8..=16 => copy_ends::<8>(from, to, len),
            _ => std::ptr::copy_nonoverlapping(from, to, len),
        }
    }
}

/// # Safety
/// As [`copy_short`], and `len` is from `N` to twice that.
#[inline]
unsafe fn copy_ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    let behind = len - N;
    // SAFETY: by the promise.
    unsafe {
        let (first, last) = (
            from.cast::<[u8; N]>().read(),
            from.add(behind).cast::<[u8; N]>().read(),
        );
        to.cast::<[u8; N]>().write(first);
        to.add(behind).cast::<[u8; N]>().write(last);
    }
}

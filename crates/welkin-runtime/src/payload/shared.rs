//! Bytes that many messages carry at once.
//!
//! A payload of shared bytes has a share of them instead of a block of its own: its pointer is theirs, and
//! in the place of an attached buffer stands the share, marked by the lowest bit, which is 0 in whatever
//! `malloc` gives. So a message is as small as others, a further receiver costs no allocation, and whoever
//! drops a message gives its share back without knowing of it: the handler that is through, the mailbox of
//! a service that has ended, an outbox. The bytes are only read; the last share frees them.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use super::Payload;

/// Set in the address of a share, to tell it from an attached buffer.
const MARK: usize = 1;

/// A share of bytes.
#[derive(Clone)]
pub struct SharedPayload(Arc<Payload>);

impl SharedPayload {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// A payload of the same bytes, for one more message.
    pub fn payload(&self) -> Payload {
        Payload {
            data: self.0.data,
            len: self.0.len,
            attached: into_marked(self.clone()),
        }
    }
}

impl From<Payload> for SharedPayload {
    /// A payload of shared bytes gives its share; any other is shared from now on.
    fn from(payload: Payload) -> Self {
        let share = payload
            .carried()
            .filter(|share| share.0.data == payload.data);
        share.unwrap_or_else(|| Self(Arc::new(payload)))
    }
}

impl fmt::Debug for SharedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedPayload({} bytes)", self.0.len())
    }
}

impl Payload {
    /// Lets `share` travel with this message, whose bytes are about it: who gets the message takes it with
    /// [`Payload::carried`]. It takes the place of an attached buffer.
    pub fn carry(mut self, share: SharedPayload) -> Self {
        self.release_attached();
        self.attached = into_marked(share);
        self
    }

    /// The share that this message carries, which for shared bytes is one of its own.
    pub fn carried(&self) -> Option<SharedPayload> {
        if !is_marked(self.attached) {
            return None;
        }
        let place = unmarked(self.attached);
        // SAFETY: the mark was set by `into_marked`, whose count this payload holds; the one that is
        // added here belongs to the result.
        unsafe {
            Arc::increment_strong_count(place);
            Some(SharedPayload(Arc::from_raw(place)))
        }
    }

    /// The same bytes in a block of its own, which may be given away.
    pub fn into_own(mut self) -> Self {
        if is_marked(self.attached) && self.is_shared() {
            return Payload::copy_from(self.as_bytes());
        }
        if is_marked(self.attached) {
            self.release_attached();
        }
        self
    }

    /// Whether the bytes are those of the share. There is one.
    fn is_shared(&self) -> bool {
        // SAFETY: as in `carried`; read only.
        let shared = unsafe { (*unmarked(self.attached)).data };
        std::ptr::eq(shared, self.data)
    }

    /// Gives the share back, and with it bytes that are shared. There is one.
    pub(super) fn release_share(&mut self) {
        if self.is_shared() {
            self.data = std::ptr::null_mut();
        }
        let place = unmarked(std::mem::replace(&mut self.attached, std::ptr::null_mut()));
        // SAFETY: as in `carried`; this payload's count goes, once, as the field is null now.
        drop(unsafe { Arc::from_raw(place) });
    }
}

/// Whether this is a share, and no buffer.
pub(super) fn is_marked(attached: *mut c_void) -> bool {
    attached.addr() & MARK != 0
}

fn into_marked(share: SharedPayload) -> *mut c_void {
    let place = Arc::into_raw(share.0).cast_mut().cast::<c_void>();
    place.map_addr(|address| address | MARK)
}

fn unmarked(attached: *mut c_void) -> *const Payload {
    attached
        .map_addr(|address| address & !MARK)
        .cast_const()
        .cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_shared_bytes_lie_in_one_place() {
        let share = SharedPayload::from(Payload::copy_from(b"bytes"));
        let (one, other) = (share.payload(), share.payload());
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert!(one.attached_ptr().is_null());
        drop(share);
        drop(one);
        assert_eq!(other.as_bytes(), b"bytes");
    }

    #[test]
    fn the_last_share_frees_the_bytes() {
        let share = SharedPayload::from(Payload::copy_from(b"bytes"));
        let payloads: Vec<_> = (0..10).map(|_| share.payload()).collect();
        assert_eq!(Arc::strong_count(&share.0), 11);
        drop(payloads);
        assert_eq!(Arc::strong_count(&share.0), 1);
    }

    #[test]
    fn sharing_what_is_shared_gives_the_same_share() {
        let share = SharedPayload::from(Payload::copy_from(b"bytes"));
        let again = SharedPayload::from(share.payload());
        assert!(Arc::ptr_eq(&share.0, &again.0));
        assert_eq!(Arc::strong_count(&share.0), 2);
    }

    #[test]
    fn what_is_given_away_is_a_copy() {
        let share = SharedPayload::from(Payload::copy_from(b"bytes"));
        let own = share.payload().into_own();
        assert_ne!(own.as_ptr(), share.payload().as_ptr());
        assert_eq!(own.as_bytes(), b"bytes");
        let (pointer, len) = share.payload().into_raw();
        assert_eq!(Arc::strong_count(&share.0), 1);
        // SAFETY: what `into_raw` gave.
        let taken = unsafe { Payload::from_raw(pointer, len) };
        assert_eq!(taken.as_bytes(), b"bytes");
    }

    #[test]
    fn a_share_travels_with_a_message_and_goes_with_it() {
        let share = SharedPayload::from(Payload::copy_from(b"bytes"));
        let message = Payload::copy_from(b"about").carry(share.clone());
        assert_eq!(message.as_bytes(), b"about");
        assert_eq!(message.carried().unwrap().as_bytes(), b"bytes");
        let about = message.into_own();
        assert!(about.carried().is_none());
        assert_eq!(about.as_bytes(), b"about");
        assert_eq!(Arc::strong_count(&share.0), 1);
    }

    #[test]
    fn no_bytes_can_be_shared_too() {
        let share = SharedPayload::from(Payload::empty());
        let payload = share.payload();
        assert!(payload.is_empty() && payload.carried().is_some());
        drop(payload);
        assert_eq!(Arc::strong_count(&share.0), 1);
    }
}

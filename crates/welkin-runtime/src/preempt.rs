//! The signal that makes a busy service give its worker up.
//!
//! The monitor sends a real-time signal to a worker whose slice is over; the handler runs on that
//! worker's own thread and calls the function set here, which for Lua arms a hook on the running
//! coroutine. Nothing is paid while nobody loops. The signal is sent only while the worker is in Lua
//! code: waiting system calls return EINTR whatever `SA_RESTART` says, so foreign C functions that may
//! wait are bracketed by [`leave_lua`] and [`enter_lua`].
//!
//! Not SIGURG: libraries written in Go take that.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::os::ThreadHandle;
use crate::sched::role;

/// The function of [`set_handler`] as a pointer, or null.
static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// The flag in this thread's `ThreadHandle`, or null. Plain and without destructor, so that the
    /// signal handler may read it at any time.
    static IN_LUA: Cell<*const AtomicBool> = const { Cell::new(ptr::null()) };
}

/// Sets what a preempted worker does, for the whole process. `f` runs in a signal handler on the
/// worker's thread, between any two instructions of Lua code: it may only touch what is safe there.
pub fn set_handler(f: fn()) {
    static INSTALL: Once = Once::new();
    HANDLER.store(f as *mut (), Ordering::Release);
    INSTALL.call_once(install);
}

/// From here on this thread may be signalled. No effect outside of workers.
#[inline]
pub fn enter_lua() {
    set_in_lua(true);
}

/// From here on this thread must not be signalled (a signal that is under way may still come, and is
/// ignored).
#[inline]
pub fn leave_lua() {
    set_in_lua(false);
}

/// Whether another service, a timer or a socket waits for the calling worker's attention.
pub fn others_wait() -> bool {
    role::others_wait()
}

#[inline]
fn set_in_lua(value: bool) {
    let flag = IN_LUA.get();
    if !flag.is_null() {
        // SAFETY: set by `Registered`, which keeps the handle alive until it has reset the pointer.
        unsafe { (*flag).store(value, Ordering::Relaxed) };
    }
}

/// Clears the flag of this thread and says what it was; [`restore`] sets it again.
pub(crate) fn suspend() -> bool {
    let flag = IN_LUA.get();
    // SAFETY: as in `set_in_lua`.
    !flag.is_null() && unsafe { (*flag).swap(false, Ordering::Relaxed) }
}

/// Undoes [`suspend`].
pub(crate) fn restore(was: bool) {
    if was {
        enter_lua();
    }
}

/// This thread's handle, made known to the signal handler as long as the value lives.
pub(crate) struct Registered(Arc<ThreadHandle>);

impl Registered {
    /// Registers the calling thread.
    pub(crate) fn new() -> Registered {
        let handle = Arc::new(ThreadHandle::current());
        IN_LUA.set(&raw const handle.in_lua);
        Registered(handle)
    }

    /// The handle, for the monitor.
    pub(crate) fn handle(&self) -> Arc<ThreadHandle> {
        Arc::clone(&self.0)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        IN_LUA.set(ptr::null());
    }
}

/// Asks the thread behind `handle` to give up; without effect when it is not in Lua code. The caller
/// holds the lock of the role that the handle is in, so the thread has not ended.
pub(crate) fn interrupt(handle: &ThreadHandle) {
    if HANDLER.load(Ordering::Relaxed).is_null() {
        return;
    }
    // SAFETY: see above: a thread leaves its role, under the same lock, before it ends.
    unsafe { handle.signal_in_lua(signal_number()) };
}

#[cfg(target_os = "linux")]
fn signal_number() -> i32 {
    libc::SIGRTMIN() + 3
}

#[cfg(not(target_os = "linux"))]
fn signal_number() -> i32 {
    libc::SIGUSR2
}

fn install() {
    // SAFETY: a zeroed sigaction is valid; the fields that matter are set before it is used, and the
    // handler does only what a signal handler may.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal_number(), &action, ptr::null_mut())
    };
    assert_eq!(result, 0, "the preemption signal cannot be caught");
}

extern "C" fn on_signal(_signal: i32) {
    let flag = IN_LUA.get();
    // The thread may have left Lua since the monitor looked.
    // SAFETY: not null means registered, see `set_in_lua`.
    if flag.is_null() || !unsafe { (*flag).load(Ordering::Relaxed) } {
        return;
    }
    let handler = HANDLER.load(Ordering::Acquire);
    if !handler.is_null() {
        // SAFETY: the only value ever stored is a `fn()` of the same size as a pointer.
        let handler: fn() = unsafe { std::mem::transmute::<*mut (), fn()>(handler) };
        handler();
    }
}

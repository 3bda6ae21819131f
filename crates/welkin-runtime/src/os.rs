//! The clocks and thread handles of the operating system, each behind a safe function.
//!
//! The only time sources of the runtime are [`monotonic_ns`] and [`thread_cpu_ns`] and the wall clock
//! read once in `clock.rs`.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

/// Nanoseconds of the monotonic clock, from an arbitrary start. No system call on Linux.
pub(crate) fn monotonic_ns() -> i64 {
    read(libc::CLOCK_MONOTONIC)
}

/// CPU time of the calling thread in nanoseconds. A system call.
pub(crate) fn thread_cpu_ns() -> i64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result; the two clocks used here always exist.
    unsafe { libc::clock_gettime(clock, &mut time) };
    // The fields are narrower on some 32-bit systems.
    #[allow(clippy::unnecessary_cast)]
    let ns = time.tv_sec as i64 * 1_000_000_000 + time.tv_nsec as i64;
    ns
}

/// A thread that runs services, as the monitor sees it: where to send the preemption signal, and
/// whether a signal is welcome now.
pub(crate) struct ThreadHandle {
    pthread: libc::pthread_t,
    /// Written by the thread itself (`preempt::enter_lua`, `leave_lua`), read by the monitor.
    pub(crate) in_lua: AtomicBool,
}

// `pthread_t` is a number or, on some systems, a pointer that only the pthread functions look into.
// SAFETY: it is only handed to `pthread_kill`, which may be called from any thread.
unsafe impl Send for ThreadHandle {}
// SAFETY: as for `Send`; the other field is atomic.
unsafe impl Sync for ThreadHandle {}

impl ThreadHandle {
    /// The handle of the calling thread.
    pub(crate) fn current() -> ThreadHandle {
        ThreadHandle {
            // SAFETY: no precondition.
            pthread: unsafe { libc::pthread_self() },
            in_lua: AtomicBool::new(false),
        }
    }

    /// Sends `signal` if the thread is in Lua code.
    ///
    /// # Safety
    /// The thread has not ended. (A worker takes its handle out of the role, under the lock that the
    /// monitor holds here, before it ends.)
    pub(crate) unsafe fn signal_in_lua(&self, signal: i32) {
        if self.in_lua.load(Ordering::Relaxed) {
            // SAFETY: the thread is alive by the caller's promise.
            unsafe { libc::pthread_kill(self.pthread, signal) };
        }
    }
}

//! Signals as bytes in a pipe: the handler writes the number, an ordinary thread reads it.
//!
//! Handlers, never masks: child processes would inherit a mask. The write end does not block, so a
//! flood of signals loses repetitions and never hangs the thread it hits.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// Asks for a clean end (`kill`, container runtimes).
pub const TERMINATE: i32 = libc::SIGTERM;
/// Ctrl-C.
pub const INTERRUPT: i32 = libc::SIGINT;
/// Asks for the log to be opened again.
pub const HANGUP: i32 = libc::SIGHUP;
/// A write to a socket or pipe that nobody reads.
pub const PIPE: i32 = libc::SIGPIPE;

/// Write end of the pipe; set before the first handler is, never closed.
static WRITE_END: AtomicI32 = AtomicI32::new(-1);

extern "C" fn write_number(signal: libc::c_int) {
    let byte = signal as u8;
    // SAFETY: write and the errno location are safe in a handler; the descriptor stays open for ever,
    // and errno of the interrupted code is put back.
    unsafe {
        let errno = errno_location();
        let before = *errno;
        libc::write(
            WRITE_END.load(Ordering::Relaxed),
            ptr::from_ref(&byte).cast(),
            1,
        );
        *errno = before;
    }
}

#[cfg(target_os = "macos")]
unsafe fn errno_location() -> *mut libc::c_int {
    // SAFETY: no precondition.
    unsafe { libc::__error() }
}

#[cfg(not(target_os = "macos"))]
unsafe fn errno_location() -> *mut libc::c_int {
    // SAFETY: no precondition.
    unsafe { libc::__errno_location() }
}

/// Makes the pipe and gives its read end: one byte for each signal of [`deliver`]. Once a process.
pub fn open_pipe() -> io::Result<File> {
    let (read, write) = io::pipe()?;
    let write = OwnedFd::from(write).into_raw_fd();
    // SAFETY: `write` was just taken out of its owner, so it is open and only ours.
    unsafe {
        let flags = libc::fcntl(write, libc::F_GETFL);
        libc::fcntl(write, libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
    let before = WRITE_END.swap(write, Ordering::Relaxed);
    debug_assert!(before == -1, "one pipe for the process");
    let read = OwnedFd::from(read).into_raw_fd();
    // SAFETY: as above for the read end.
    Ok(unsafe { File::from_raw_fd(read) })
}

/// Sends `signal` to the pipe from now on. With `unless_ignored`, a signal that the process was
/// started with as ignored (by `nohup`, by a shell for background jobs) stays so.
pub fn deliver(signal: i32, unless_ignored: bool) {
    // SAFETY: the structs are zeroed, which is valid for them, and live over the calls; the handler
    // does only what a handler may.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut old);
        if unless_ignored && old.sa_sigaction == libc::SIG_IGN {
            return;
        }
        let mut new: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int) = write_number;
        new.sa_sigaction = handler as usize;
        new.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const new, ptr::null_mut());
    }
}

/// Ignores `signal`.
pub fn ignore(signal: i32) {
    // SAFETY: no handler is involved.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Lets `signal` end the process, as it does unless a program says otherwise.
pub fn end_on(signal: i32) {
    // SAFETY: no handler is involved.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Ends the process by `signal` as if nobody had handled it; where the system protects the process
/// from that (process 1 of a container), with the status a shell gives for it.
pub fn end_by(signal: i32) -> ! {
    // SAFETY: the default action of the signals used here ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    super::process::exit_at_once(128 + signal)
}

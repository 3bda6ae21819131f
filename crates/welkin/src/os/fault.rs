//! Signals that end the process because it did something impossible: what can be said of them is
//! written to a file first, then the process ends as it would have.
//!
//! In a handler only what is safe there is done: the path and the text before the numbers are made
//! ready by [`watch`].

use std::ffi::CString;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const SIGNALS: [libc::c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
];
/// Frames of the stack that are written.
const FRAMES_MAX: usize = 64;

struct Watch {
    /// `None`: standard error.
    path: Option<CString>,
    head: String,
    service: fn() -> u32,
    /// What the signals did before, in the order of [`SIGNALS`].
    before: [libc::sigaction; SIGNALS.len()],
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// From now on a fatal signal appends `head`, the signal's number, the address of the service that the
/// thread runs (as `service` says it, which is called in a signal handler) and the stack to the file at
/// `path`, or writes them to standard error. Once in a process.
pub fn watch(path: Option<CString>, head: String, service: fn() -> u32) {
    // SAFETY: an all-zero sigaction is valid.
    let mut before: [libc::sigaction; SIGNALS.len()] = unsafe { std::mem::zeroed() };
    for (signal, before) in SIGNALS.iter().zip(&mut before) {
        // SAFETY: `before` is valid for the call, which changes nothing.
        unsafe { libc::sigaction(*signal, ptr::null(), before) };
    }
    // The first use loads a library, which a handler may not.
    stack(&mut [ptr::null_mut(); 1]);
    let watch = Watch {
        path,
        head,
        service,
        before,
    };
    if WATCH.set(watch).is_err() {
        return;
    }
    for signal in SIGNALS {
        // SAFETY: zeroed is valid, and the handler does only what a handler may. On a stack of its own
        // where the thread has one, as its own may be what is used up.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                on_fault;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
    }
}

extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    let Some(watch) = WATCH.get() else { return };
    // A second thread's fault, or one in here, ends the process without a word.
    if !BEGUN.swap(true, Ordering::Relaxed) {
        report(watch, signal);
    }
    let at = SIGNALS.iter().position(|known| *known == signal);
    // SAFETY: the system passes a valid `info`; the old action is one that the system gave us. A fault
    // happens again on return, and then meets that action. A signal that was sent is sent again, to the
    // system's own action: others expect a fault to come back.
    unsafe {
        if (*info).si_code <= 0 {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        } else if let Some(at) = at {
            libc::sigaction(signal, &raw const watch.before[at], ptr::null_mut());
        }
    }
}

fn report(watch: &Watch, signal: libc::c_int) {
    let file = watch.path.as_ref().map_or(libc::STDERR_FILENO, |path| {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: the path ends with a zero; `open` may be called in a handler.
        unsafe { libc::open(path.as_ptr(), flags, 0o600 as libc::c_uint) }
    });
    let file = if file < 0 { libc::STDERR_FILENO } else { file };
    let mut buffer = [0; 10];
    write(file, watch.head.as_bytes());
    write(file, b"ended by signal ");
    write(file, number(signal.unsigned_abs(), 10, &mut buffer));
    write(file, b" while it ran service :");
    write(file, number((watch.service)(), 16, &mut buffer));
    write(file, b" (0: none)\n");
    let mut frames = [ptr::null_mut(); FRAMES_MAX];
    let count = stack(&mut frames);
    print_stack(&frames[..count], file);
}

#[cfg(target_env = "gnu")]
fn stack(frames: &mut [*mut libc::c_void]) -> usize {
    // SAFETY: the length is that of the place for the result.
    let count = unsafe { libc::backtrace(frames.as_mut_ptr(), frames.len() as libc::c_int) };
    usize::try_from(count).unwrap_or(0)
}

#[cfg(target_env = "gnu")]
fn print_stack(frames: &[*mut libc::c_void], file: libc::c_int) {
    // SAFETY: the frames came from `backtrace`; this form allocates nothing.
    unsafe { libc::backtrace_symbols_fd(frames.as_ptr(), frames.len() as libc::c_int, file) };
}

#[cfg(not(target_env = "gnu"))]
fn stack(_: &mut [*mut libc::c_void]) -> usize {
    0
}

#[cfg(not(target_env = "gnu"))]
fn print_stack(_: &[*mut libc::c_void], _: libc::c_int) {}

fn write(file: libc::c_int, bytes: &[u8]) {
    // SAFETY: pointer and length are those of `bytes`. A report that cannot be written is lost.
    unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) };
}

/// The digits of `value`, made in `buffer`: nothing that formats may be called in a handler.
fn number(value: u32, base: u32, buffer: &mut [u8; 10]) -> &[u8] {
    let mut rest = value;
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b"0123456789abcdef"[(rest % base) as usize];
        rest /= base;
        if rest == 0 || at == 0 {
            return &buffer[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_the_formatter() {
        let mut buffer = [0; 10];
        assert_eq!(number(0, 10, &mut buffer), b"0");
        assert_eq!(number(11, 10, &mut buffer), b"11");
        assert_eq!(number(u32::MAX, 10, &mut buffer), b"4294967295");
        assert_eq!(number(0x0a00_00ff, 16, &mut buffer), b"a0000ff");
    }
}

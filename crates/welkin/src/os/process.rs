//! The process: forking into the background, locks on files, standard streams, limits.

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::FromRawFd;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Which side of a fork this is.
pub enum Fork {
    /// The first process; holds the id of the new one.
    Parent(i32),
    /// The new one.
    Child,
}

/// Splits the process. Only while it has one thread: others would be missing in the child.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the caller keeps the rule above, so the child may go on as an ordinary program.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child)),
    }
}

/// Leaves the terminal: a session of its own. Fails only for a process that leads one already.
pub fn new_session() {
    // SAFETY: no memory is involved.
    unsafe { libc::setsid() };
}

/// Waits for the end of a child: its exit status, or 128 and the signal that ended it.
pub fn wait_for(child: i32) -> u8 {
    let mut status = 0;
    loop {
        // SAFETY: `status` is valid for the call.
        let done = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if done == child {
            break;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return 1;
        }
    }
    let status = if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    };
    u8::try_from(status).unwrap_or(1)
}

/// Whether a process of this id lives, also one of another user.
pub fn is_alive(pid: i32) -> bool {
    // SAFETY: signal 0 only asks.
    let asked = unsafe { libc::kill(pid, 0) };
    asked == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Takes the exclusive lock of `file` without waiting; it is held until the file is closed.
pub fn lock(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `file` is borrowed.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the standard stream `stream` (0, 1, 2) the same as `file`.
pub fn replace_stream(stream: RawFd, file: &File) -> io::Result<()> {
    // SAFETY: both are descriptors; nobody owns the standard ones as a value that would notice.
    match unsafe { libc::dup2(file.as_raw_fd(), stream) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Lets the process open as many files and sockets as the system allows it: raises the soft limit to
/// the hard one. A refusal changes nothing.
pub fn raise_open_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is valid for both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Writes out what C code (Lua's `print`) has put into C's buffer of standard output, so that it
/// comes before what is written to the descriptor after it.
pub fn flush_c_stdout() {
    unsafe extern "C" {
        #[cfg_attr(target_os = "macos", link_name = "__stdoutp")]
        static stdout: *mut libc::FILE;
    }
    // SAFETY: C's library sets `stdout` up before main and nothing here closes it; fflush locks it.
    unsafe { libc::fflush(stdout) };
}

/// Ends the process now, without any clean-up.
pub fn exit_at_once(status: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(status) }
}

/// The user this process acts as.
pub fn user() -> u32 {
    // SAFETY: no memory is involved.
    unsafe { libc::geteuid() }
}

/// A process that is not a child of this one, held so that its number cannot come to mean another.
#[derive(Debug)]
pub struct Other {
    pid: i32,
    /// Where the system has such handles.
    handle: Option<OwnedFd>,
}

impl Other {
    /// The living process of this id.
    pub fn find(pid: i32) -> io::Result<Other> {
        let handle = handle_of(pid);
        if !is_alive(pid) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(Other { pid, handle })
    }

    /// Asks it to end: SIGTERM.
    pub fn terminate(&self) -> io::Result<()> {
        let sent = match &self.handle {
            Some(handle) => send_by(handle, libc::SIGTERM),
            // SAFETY: no memory is involved.
            None => unsafe { libc::kill(self.pid, libc::SIGTERM) },
        };
        match sent {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until it has ended.
    pub fn wait(&self) {
        if let Some(handle) = &self.handle {
            let mut watched = libc::pollfd {
                fd: handle.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one struct, valid for the call; its descriptor is open.
            while unsafe { libc::poll(&raw mut watched, 1, -1) } < 0 {}
            return;
        }
        // A process tells a stranger nothing about its end.
        while is_alive(self.pid) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(target_os = "linux")]
fn handle_of(pid: i32) -> Option<OwnedFd> {
    // SAFETY: numbers only.
    let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let handle = RawFd::try_from(handle).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the system has just made it, for nobody else.
    Some(unsafe { OwnedFd::from_raw_fd(handle) })
}

#[cfg(target_os = "linux")]
fn send_by(handle: &OwnedFd, signal: i32) -> i32 {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: without a record the system makes its own; the descriptor is open.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            handle.as_raw_fd(),
            signal,
            nothing,
            0,
        )
    };
    sent as i32
}

#[cfg(not(target_os = "linux"))]
fn handle_of(_pid: i32) -> Option<OwnedFd> {
    None
}

#[cfg(not(target_os = "linux"))]
fn send_by(_handle: &OwnedFd, _signal: i32) -> i32 {
    -1
}

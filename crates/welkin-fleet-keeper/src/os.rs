//! System calls that have no safe form elsewhere. The only file of the crate with `unsafe`.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Highest signal number of Linux.
const SIGNALS_MAX: i32 = 64;
/// `pidfd_send_signal` to the whole process group (Linux 6.9).
const TO_GROUP: libc::c_uint = 4;

/// Signal to the process of a pidfd. It has ended already: no error.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    send(pidfd, signal, 0)
}

/// SIGKILL to the process group that the process of a pidfd leads. An error: an older kernel.
pub fn kill_group(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    send(pidfd, libc::SIGKILL, TO_GROUP)
}

fn send(pidfd: BorrowedFd<'_>, signal: i32, flags: libc::c_uint) -> io::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open as long as it is borrowed; no pointer but null is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            info,
            flags,
        )
    };
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
    }
}

/// Whether the process of a pidfd has ended.
pub fn ended(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    loop {
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Connects to a local socket in a folder. A socket's address holds about a hundred bytes, a folder's path
/// may be longer: so the address goes by the folder's descriptor.
pub fn connect_in(folder: &Path, name: &str) -> io::Result<UnixStream> {
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(folder)?;
    UnixStream::connect(PathBuf::from(format!(
        "/proc/self/fd/{}/{name}",
        folder.as_raw_fd()
    )))
}

/// A local socket that is closed to others from its first moment on. Only while there is one thread, as
/// the mask for new files is the process's.
pub fn bind_private(path: &Path) -> io::Result<UnixListener> {
    // SAFETY: umask takes and gives numbers, and cannot fail.
    let before = unsafe { libc::umask(0o177) };
    let listener = UnixListener::bind(path);
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    listener
}

/// Room of a file system, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// All.
    pub total: u64,
    /// In use.
    pub used: u64,
    /// Left for this user. With `used` it may be less than `total`: some is kept for root.
    pub free: u64,
}

impl Space {
    /// Of the file system that holds a path.
    pub fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        let path = CString::new(path.as_os_str().as_bytes())?;
        let mut found = MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path ends with a nul, and both pointers are valid for the call.
        if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so it has filled it in.
        let found = unsafe { found.assume_init() };
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self {
            total: bytes(found.f_blocks),
            used: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
            free: bytes(found.f_bavail),
        })
    }

    /// Percent in use of what this user can have, as df counts.
    pub fn percent(&self) -> u32 {
        let all = u128::from(self.used) + u128::from(self.free);
        let percent = (u128::from(self.used) * 100).checked_div(all);
        percent.map_or(0, |percent| u32::try_from(percent).unwrap_or(100))
    }
}

/// Who a node runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the user.
    pub name: String,
    /// Home folder.
    pub home: PathBuf,
    /// User.
    pub uid: u32,
    /// Main group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

impl Identity {
    /// Looks a user up by name. None: there is no such user.
    pub fn of(name: &str) -> io::Result<Option<Self>> {
        let c_name = CString::new(name)?;
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = std::ptr::null_mut();
        let mut space = vec![0; 16 << 10];
        // SAFETY: all pointers are valid for the call, and `space` is as long as is said.
        let error = unsafe {
            libc::getpwnam_r(
                c_name.as_ptr(),
                entry.as_mut_ptr(),
                space.as_mut_ptr(),
                space.len(),
                &mut found,
            )
        };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        if found.is_null() {
            return Ok(None);
        }
        // SAFETY: the call succeeded and found somebody, so it has filled in the entry.
        let entry = unsafe { entry.assume_init() };
        // SAFETY: the entry's texts lie in `space`, which lives, and end with a nul.
        let home = unsafe { CStr::from_ptr(entry.pw_dir) };
        let home = PathBuf::from(home.to_string_lossy().into_owned());
        let mut groups = vec![0; 1 << 12];
        let mut count = groups.len() as libc::c_int;
        // SAFETY: `groups` is as long as `count` says; the name ends with a nul.
        let result = unsafe {
            libc::getgrouplist(
                c_name.as_ptr(),
                entry.pw_gid,
                groups.as_mut_ptr(),
                &mut count,
            )
        };
        if result < 0 {
            return Err(io::Error::other(format!(
                "user {name} is in too many groups"
            )));
        }
        groups.truncate(usize::try_from(count).unwrap_or(0));
        Ok(Some(Self {
            name: name.to_owned(),
            home,
            uid: entry.pw_uid,
            gid: entry.pw_gid,
            groups,
        }))
    }
}

/// Leaves the caller's process tree: the calling process ends, the child goes on from here. Only while
/// there is one thread.
pub fn detach() -> io::Result<()> {
    // SAFETY: there is one thread (the caller's word), so the child's memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(()),
        // SAFETY: ends the process without running anything of it.
        _ => unsafe { libc::_exit(0) },
    }
}

/// Whether the kernel may give this process memory in huge pages. They are 2 MiB each, and an allocator
/// touches a few of them at once: more than all that a keeper needs.
pub fn huge_pages() -> bool {
    // SAFETY: asks for a number; no pointer is given.
    unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0 }
}

/// Refuses huge pages from now on, or takes them again; an execution keeps that. False: it cannot be had.
pub fn allow_huge_pages(allow: bool) -> bool {
    let refuse = libc::c_ulong::from(!allow);
    // SAFETY: sets a flag of this process; no pointer is given.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, refuse, 0, 0, 0) == 0 }
}

/// Closes what came over from the program before. Only at the begin of a program, before it opens anything.
pub fn close_from(first: RawFd) {
    // SAFETY: nothing in this process owns a descriptor from `first` on yet (the caller's word).
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first as libc::c_uint,
            libc::c_uint::MAX,
            0,
        );
    }
}

/// A number of a child that was not waited for: SIGKILL.
pub fn kill_child(pid: u32) {
    // SAFETY: no memory is involved. The number is an unwaited child's, so nobody else can have it.
    unsafe {
        libc::kill(pid as libc::pid_t, libc::SIGKILL);
    }
}

/// SIGKILL to the process group that an unwaited child leads.
pub fn kill_group_of_child(pid: u32) {
    // SAFETY: no memory is involved. The number is an unwaited child's, so no other group can have it.
    unsafe {
        libc::kill(-(pid as libc::pid_t), libc::SIGKILL);
    }
}

/// Number of a child that has ended and was not waited for; it is still to be waited for.
pub fn ended_child() -> io::Result<Option<u32>> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: a zeroed siginfo is a valid one, and is valid for the call to write to.
    let (result, pid) = unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        let result = libc::waitid(libc::P_ALL, 0, &raw mut info, flags);
        (result, info.si_pid())
    };
    if result == 0 {
        return Ok(u32::try_from(pid).ok().filter(|pid| *pid != 0));
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        error => Err(error),
    }
}

/// Makes this process deaf to what ends others, and gives a descriptor that is readable when a child has
/// changed. Only while there is one thread.
pub fn deafen() -> io::Result<OwnedFd> {
    let deaf_to = [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGXFSZ,
        libc::SIGTSTP,
    ];
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: ignoring a signal installs no code of ours; the set is filled by sigemptyset before any other
    // use, and the pointers are valid for the calls.
    let fd = unsafe {
        for signal in deaf_to {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd has just opened it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A program that is ready to be executed: all memory it takes is taken before the fork.
pub struct Program {
    /// Path or paths to try, in order.
    paths: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    folder: CString,
    identity: Option<Identity>,
    nofile: Option<u64>,
}

/// What a child was at when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Setting the limit of open files.
    Limit,
    /// Becoming the user.
    Identity,
    /// Going to the working folder.
    Folder,
    /// Executing the program.
    Execute,
}

/// A child that waits at the start line.
pub struct Waiting {
    /// Its number.
    pub pid: u32,
    go: io::PipeWriter,
    fault: io::PipeReader,
}

impl Program {
    /// The paths are tried in order until one exists.
    pub fn new(
        paths: &[PathBuf],
        arguments: &[String],
        environment: &[(std::ffi::OsString, std::ffi::OsString)],
        folder: &Path,
    ) -> io::Result<Self> {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        let path = |path: &Path| CString::new(path.as_os_str().as_bytes());
        let entry = |(name, value): &(std::ffi::OsString, std::ffi::OsString)| {
            let mut text = name.clone().into_vec();
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
            CString::new(text)
        };
        Ok(Self {
            paths: paths.iter().map(|p| path(p)).collect::<Result<_, _>>()?,
            arguments: arguments
                .iter()
                .map(|text| CString::new(text.as_str()))
                .collect::<Result<_, _>>()?,
            environment: environment.iter().map(entry).collect::<Result<_, _>>()?,
            folder: path(folder)?,
            identity: None,
            nofile: None,
        })
    }

    /// Who it runs as and how many files it may open.
    pub fn with(mut self, identity: Option<Identity>, nofile: Option<u64>) -> Self {
        self.identity = identity;
        self.nofile = nofile;
        self
    }

    /// Forks a child that waits for [`Waiting::go`] and ends if that never comes. Its output is `output`.
    /// Only while there is one thread, and with descriptors 0 to 2 in use.
    pub fn fork(&self, output: &OwnedFd) -> io::Result<Waiting> {
        let null = File::open("/dev/null")?;
        let (start, go) = io::pipe()?;
        let (fault, report) = io::pipe()?;
        let arguments = pointers(&self.arguments);
        let environment = pointers(&self.environment);
        let streams = [null.as_raw_fd(), output.as_raw_fd(), output.as_raw_fd()];
        // SAFETY: there is one thread (the caller's word), so the child may go on with its memory.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // SAFETY: this is the child of a fork; the pointers end with null and point into `self`.
                // It must not hold the other end of its own start line, or the end would never be seen.
                unsafe {
                    libc::close(go.as_raw_fd());
                    self.child(&arguments, &environment, streams, &start, &report)
                }
            }
            pid => Ok(Waiting {
                pid: pid as u32,
                go,
                fault,
            }),
        }
    }

    /// The child: only system calls from here, no memory is taken.
    ///
    /// # Safety
    /// Only in the child of a fork. `arguments` and `environment` end with null and hold texts that live.
    unsafe fn child(
        &self,
        arguments: &[*const libc::c_char],
        environment: &[*const libc::c_char],
        streams: [RawFd; 3],
        start: &io::PipeReader,
        report: &io::PipeWriter,
    ) -> ! {
        // SAFETY: as the function's; all pointers given to the calls below are to memory that lives here.
        unsafe {
            libc::setpgid(0, 0);
            let mut byte = 0u8;
            if libc::read(start.as_raw_fd(), (&raw mut byte).cast(), 1) != 1 {
                libc::_exit(0);
            }
            for signal in 1..=SIGNALS_MAX {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
            // Only the keeper goes without; it matters to a node.
            allow_huge_pages(true);
            let step = self.prepare(streams);
            if step == Step::Execute {
                for path in &self.paths {
                    libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr());
                    if *libc::__errno_location() != libc::ENOENT {
                        break;
                    }
                }
            }
            let mut word = [0u8; 5];
            word[0] = step as u8;
            word[1..].copy_from_slice(&(*libc::__errno_location()).to_ne_bytes());
            libc::write(report.as_raw_fd(), word.as_ptr().cast(), word.len());
            libc::_exit(127)
        }
    }

    /// Everything between the fork and the program; the step that failed, or [`Step::Execute`].
    ///
    /// # Safety
    /// Only in the child of a fork.
    unsafe fn prepare(&self, streams: [RawFd; 3]) -> Step {
        // SAFETY: as the function's; the pointers are to fields of `self` and to locals.
        unsafe {
            if let Some(most) = self.nofile {
                let limit = libc::rlimit {
                    rlim_cur: most,
                    rlim_max: most,
                };
                if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
                    return Step::Limit;
                }
            }
            if let Some(who) = &self.identity
                && (libc::setgroups(who.groups.len(), who.groups.as_ptr()) != 0
                    || libc::setgid(who.gid) != 0
                    || libc::setuid(who.uid) != 0)
            {
                return Step::Identity;
            }
            for (at, stream) in (0..).zip(streams) {
                libc::dup2(stream, at);
            }
            if libc::chdir(self.folder.as_ptr()) != 0 {
                return Step::Folder;
            }
        }
        Step::Execute
    }
}

impl Waiting {
    /// Lets it run. An error: the step that failed and why; the child is still to be waited for.
    pub fn go(self) -> io::Result<Result<(), (Step, io::Error)>> {
        use std::io::{Read, Write};
        let Self { mut go, fault, .. } = self;
        go.write_all(b"g")?;
        let mut word = Vec::new();
        // Closed without a word by the execution: the program runs.
        fault.take(5).read_to_end(&mut word)?;
        let [step, error @ ..] = word.as_slice() else {
            return Ok(Ok(()));
        };
        let step = match *step {
            s if s == Step::Limit as u8 => Step::Limit,
            s if s == Step::Identity as u8 => Step::Identity,
            s if s == Step::Folder as u8 => Step::Folder,
            _ => Step::Execute,
        };
        let error = error.try_into().map_or(0, i32::from_ne_bytes);
        Ok(Err((step, io::Error::from_raw_os_error(error))))
    }
}

/// Pointers to texts, ended by null.
fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    let mut pointers: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
    pointers.push(std::ptr::null());
    pointers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_as_full_as_its_user_finds_it() {
        let space = Space::of(Path::new("/")).unwrap();
        assert!(space.used <= space.total && space.percent() <= 100);
        let reserved = Space {
            total: 100,
            used: 30,
            free: 30,
        };
        assert_eq!(reserved.percent(), 50);
        assert_eq!(Space::default().percent(), 0);
    }

    #[test]
    fn a_user_is_found_by_name() {
        let root = Identity::of("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(Identity::of("nobody-of-that-name").unwrap(), None);
    }
}

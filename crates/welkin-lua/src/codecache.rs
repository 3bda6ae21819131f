//! The code cache: each Lua file is read and compiled once for all services of the process.
//!
//! What is kept is Lua's own dump of the compiled file, with its debug information. A VM loads it in
//! mode "B": instructions, line numbers and long strings stay in the kept buffer, which is never
//! written and outlives every VM that uses it, because each VM holds the buffers it loaded
//! ([`CacheHold`], dropped after the state is closed). So `clear` frees a file when the last service
//! that runs it has ended; skynet never frees one.
//!
//! Programs see `loadfile`, `dofile`, the searcher for Lua files and the module `skynet.codecache`.
//! All texts of errors are Lua's, for it is Lua that reads the file, in a state made for that: what a
//! service's memory limit counts is the function, not the work of the compiler.
//!
//! There is no limit on the number of files: a node has as many as its programs name.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use welkin_lua_vm::ffi;

use crate::vm::Vm;
use compile::{Chunk, Failure, compile_file, compile_text};
pub use functions::{global, install_searcher, luaopen_codecache};

/// Files by the name they were asked for, as skynet keeps them: `./a.lua` and `a.lua` are two.
static FILES: LazyLock<RwLock<HashMap<Vec<u8>, Arc<Chunk>>>> = LazyLock::new(RwLock::default);
/// Built-in files. They are part of the program, so `clear` does not concern them.
static EMBEDDED: LazyLock<RwLock<HashMap<String, Arc<Chunk>>>> = LazyLock::new(RwLock::default);

/// How often `clear` was called.
static CLEARED: AtomicU64 = AtomicU64::new(0);

/// Grows when files may be other ones than before: what was made of a file is true as long as it stays.
pub fn generation() -> u64 {
    CLEARED.load(Ordering::Acquire)
}

/// How a service uses the cache (`skynet.codecache.mode`).
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
enum Mode {
    Off,
    Exist,
    #[default]
    On,
}

/// The part of the cache that one VM uses. Dropped after `lua_close`: finalizers still run its code.
#[derive(Clone, Debug, Default)]
pub struct CacheHold {
    chunks: Vec<Arc<Chunk>>,
    mode: Mode,
    /// Text of a failed load, on its way to Lua's stack; here, as Lua may raise while it copies.
    error: Vec<u8>,
}

/// What was found for a name: plain data, so that nothing is owned when Lua is called.
#[derive(Copy, Clone)]
enum Outcome {
    Found { bytes: *const c_char, len: usize },
    Failed(c_int),
    Uncached,
}

impl CacheHold {
    fn keep(&mut self, chunk: &Arc<Chunk>) -> Outcome {
        if !self.chunks.iter().any(|held| Arc::ptr_eq(held, chunk)) {
            self.chunks.push(chunk.clone());
        }
        Outcome::Found {
            bytes: chunk.as_ptr(),
            len: chunk.len(),
        }
    }

    fn fail(&mut self, failure: Failure) -> Outcome {
        self.error = failure.text;
        Outcome::Failed(failure.status)
    }

    fn file(&mut self, name: &CStr, mode: Option<&CStr>) -> Outcome {
        if self.mode == Mode::Off {
            return Outcome::Uncached;
        }
        if let Some(chunk) = FILES.read().get(name.to_bytes()) {
            return self.keep(chunk);
        }
        if self.mode == Mode::Exist {
            return Outcome::Uncached;
        }
        match compile_file(name, mode) {
            // Two workers may have compiled the same file: the first one's is kept, as for any third.
            Ok(chunk) => {
                let mut files = FILES.write();
                self.keep(
                    files
                        .entry(name.to_bytes().to_vec())
                        .or_insert_with(|| Arc::new(chunk)),
                )
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn embedded(&mut self, name: &str, source: &'static str) -> Outcome {
        if let Some(chunk) = EMBEDDED.read().get(name) {
            return self.keep(chunk);
        }
        match compile_text(name, source) {
            Ok(chunk) => {
                let mut files = EMBEDDED.write();
                self.keep(
                    files
                        .entry(name.to_owned())
                        .or_insert_with(|| Arc::new(chunk)),
                )
            }
            Err(failure) => self.fail(failure),
        }
    }
}

/// The hold of the VM that runs `l`.
unsafe fn hold(l: *mut ffi::lua_State) -> *mut CacheHold {
    // SAFETY: every state of this crate has its VM's address in the extra space. The field is reached
    // without a reference to the VM, parts of which the caller may be using.
    unsafe { &raw mut (*(*ffi::lua_getextraspace(l).cast::<*mut Vm>())).cache }
}

/// Asks the hold of the VM, catching what must not unwind through Lua's frames.
unsafe fn ask(l: *mut ffi::lua_State, question: impl FnOnce(&mut CacheHold) -> Outcome) -> Outcome {
    // SAFETY: only the worker that runs the VM gets here, and `question` does not call this VM.
    let hold = unsafe { &mut *hold(l) };
    let asked = catch_unwind(AssertUnwindSafe(|| question(hold)));
    asked.unwrap_or_else(|_| {
        hold.fail(Failure {
            status: ffi::LUA_ERRRUN,
            text: b"the compiler of the code cache failed".to_vec(),
        })
    })
}

/// Pushes the function or the error text; the status.
unsafe fn push(l: *mut ffi::lua_State, outcome: Outcome) -> c_int {
    // SAFETY: a found buffer is whole, aligned, and held until after this VM is closed, which is what
    // mode "B" needs. The error's bytes belong to the hold, which nobody touches meanwhile.
    unsafe {
        match outcome {
            Outcome::Found { bytes, len } => {
                ffi::luaL_loadbufferx(l, bytes, len, c"=cache".as_ptr(), c"bB".as_ptr())
            }
            Outcome::Failed(status) => {
                let error: *const Vec<u8> = &raw const (*hold(l)).error;
                ffi::lua_pushlstring(l, (*error).as_ptr().cast(), (*error).len());
                (*hold(l)).error = Vec::new();
                status
            }
            Outcome::Uncached => unreachable!("looked at by the caller"),
        }
    }
}

/// Lua's `luaL_loadfilex` with the cache: pushes the function of the file, or an error text. `mode`
/// counts only when the file is compiled, as on skynet. A null `name` is standard input.
///
/// # Safety
/// `l` is a thread of a VM of this crate, run by this worker; the pointers are null or texts; nothing
/// with a destructor is alive, for Lua may raise.
unsafe fn load(l: *mut ffi::lua_State, name: *const c_char, mode: *const c_char) -> c_int {
    // SAFETY: by the function's own contract.
    unsafe {
        let outcome = if name.is_null() {
            Outcome::Uncached
        } else {
            let mode = (!mode.is_null()).then(|| CStr::from_ptr(mode));
            ask(l, |hold| hold.file(CStr::from_ptr(name), mode))
        };
        match outcome {
            Outcome::Uncached => ffi::luaL_loadfilex(l, name, mode),
            other => push(l, other),
        }
    }
}

/// Pushes the function of the file `path`, or the error text; gives Lua's status. A path with a zero
/// byte ends there, as in `loadfile`.
///
/// # Safety
/// `l` is a thread of a VM of this crate, run by this worker. Lua may raise an error of memory unless
/// the VM's limit is lifted.
pub unsafe fn load_file(l: *mut ffi::lua_State, path: &[u8]) -> c_int {
    // SAFETY: by the function's own contract. The copy of the path is Lua's, so that a raise leaves
    // nothing behind; it is taken off the stack when it has been used.
    unsafe {
        let name = ffi::lua_pushlstring(l, path.as_ptr().cast(), path.len());
        let status = load(l, name, ptr::null());
        ffi::lua_remove(l, -2);
        status
    }
}

/// Pushes the function of a built-in file, or the error text; gives Lua's status. `name` is its path as
/// tracebacks show it and must stand for the same `source` always.
///
/// # Safety
/// As [`load_file`].
pub unsafe fn load_embedded(l: *mut ffi::lua_State, name: &str, source: &'static str) -> c_int {
    // SAFETY: by the function's own contract.
    unsafe {
        let outcome = ask(l, |hold| hold.embedded(name, source));
        push(l, outcome)
    }
}

/// Whether the file compiles; the error is Lua's text, which names file and line.
pub fn check_file(path: &Path) -> Result<(), Vec<u8>> {
    let Ok(name) = CString::new(path.as_os_str().as_bytes()) else {
        return Err(b"a zero byte in the path".to_vec());
    };
    compile_file(&name, None)
        .map(drop)
        .map_err(|failure| failure.text)
}

mod compile;
mod functions;
#[cfg(test)]
pub(crate) mod tests;

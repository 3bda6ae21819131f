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
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::catch_unwind;
use std::ptr;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use welkin_lua_vm::ffi;

use crate::vm::Vm;

/// Files by the name they were asked for, as skynet keeps them: `./a.lua` and `a.lua` are two.
static FILES: LazyLock<RwLock<HashMap<Vec<u8>, Arc<Chunk>>>> = LazyLock::new(RwLock::default);
/// Built-in files. They are part of the program, so `clear` does not concern them.
static EMBEDDED: LazyLock<RwLock<HashMap<String, Arc<Chunk>>>> = LazyLock::new(RwLock::default);

/// A dumped function. The dump aligns its parts relative to its own start, hence whole words.
#[derive(Debug)]
struct Chunk {
    words: Box<[u64]>,
    len: usize,
}

impl Chunk {
    fn new(dump: &[u8]) -> Self {
        let mut words = vec![0_u64; dump.len().div_ceil(8)].into_boxed_slice();
        for (word, bytes) in words.iter_mut().zip(dump.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_ne_bytes(whole);
        }
        Self { words, len: dump.len() }
    }
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
#[derive(Debug, Default)]
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
        Outcome::Found { bytes: chunk.words.as_ptr().cast(), len: chunk.len }
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
                self.keep(files.entry(name.to_bytes().to_vec()).or_insert_with(|| Arc::new(chunk)))
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
                self.keep(files.entry(name.to_owned()).or_insert_with(|| Arc::new(chunk)))
            }
            Err(failure) => self.fail(failure),
        }
    }
}

/// Why there is no function: Lua's status and text.
struct Failure {
    status: c_int,
    text: Vec<u8>,
}

/// A state in which files are compiled. It has no memory limit: like Rust's own, an allocation that
/// fails ends the process.
struct Compiler(*mut ffi::lua_State);

impl Compiler {
    fn open() -> Result<Self, Failure> {
        // SAFETY: no preconditions.
        let state = unsafe { ffi::luaL_newstate() };
        if state.is_null() {
            return Err(Failure { status: ffi::LUA_ERRMEM, text: b"not enough memory".to_vec() });
        }
        Ok(Self(state))
    }

    /// Turns what a load function left on the stack into a chunk.
    fn finish(&self, status: c_int) -> Result<Chunk, Failure> {
        let mut dump: Vec<u8> = Vec::new();
        // SAFETY: the state is this thread's alone; the top of its stack is the function or the error
        // text, by the load functions' contract; `append` gets the vector it expects.
        unsafe {
            if status != ffi::LUA_OK {
                let mut len = 0;
                let text = ffi::lua_tolstring(self.0, -1, &raw mut len);
                let text = std::slice::from_raw_parts(text.cast::<u8>(), len).to_vec();
                return Err(Failure { status, text });
            }
            ffi::lua_dump(self.0, append, (&raw mut dump).cast(), 0);
        }
        Ok(Chunk::new(&dump))
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { ffi::lua_close(self.0) }
    }
}

/// Lua's writer: appends a piece of the dump to the vector behind `ud`.
unsafe extern "C-unwind" fn append(
    _: *mut ffi::lua_State,
    piece: *const c_void,
    len: usize,
    ud: *mut c_void,
) -> c_int {
    if len > 0 {
        // SAFETY: Lua passes `len` readable bytes and the `ud` of `finish`.
        unsafe { (*ud.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(piece.cast(), len)) };
    }
    0
}

fn compile_file(name: &CStr, mode: Option<&CStr>) -> Result<Chunk, Failure> {
    let compiler = Compiler::open()?;
    let mode = mode.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: a fresh state; both texts end with a zero byte.
    let status = unsafe { ffi::luaL_loadfilex(compiler.0, name.as_ptr(), mode) };
    compiler.finish(status)
}

fn compile_text(name: &str, source: &str) -> Result<Chunk, Failure> {
    let compiler = Compiler::open()?;
    let chunk_name = CString::new(format!("@{name}"))
        .map_err(|_| Failure { status: ffi::LUA_ERRRUN, text: b"zero byte in a file name".to_vec() })?;
    // SAFETY: a fresh state; pointer and length are those of `source`.
    let status = unsafe {
        ffi::luaL_loadbufferx(
            compiler.0,
            source.as_ptr().cast(),
            source.len(),
            chunk_name.as_ptr(),
            c"t".as_ptr(),
        )
    };
    compiler.finish(status)
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
    let asked = catch_unwind(std::panic::AssertUnwindSafe(|| question(hold)));
    asked.unwrap_or_else(|_| {
        hold.fail(Failure { status: ffi::LUA_ERRRUN, text: b"the compiler of the code cache failed".to_vec() })
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

/// Puts `loadfile` and `dofile` in place, and the searcher for Lua files if `package` is open.
///
/// # Safety
/// `l` is the main thread of a fresh VM; memory errors are raised.
pub unsafe fn install(l: *mut ffi::lua_State) {
    // SAFETY: by the function's own contract; the registry's table of modules exists or is made.
    unsafe {
        ffi::lua_pushcfunction(l, loadfile);
        ffi::lua_setglobal(l, c"loadfile".as_ptr());
        ffi::lua_pushcfunction(l, dofile);
        ffi::lua_setglobal(l, c"dofile".as_ptr());
        ffi::luaL_getsubtable(l, ffi::LUA_REGISTRYINDEX, ffi::LUA_LOADED_TABLE);
        ffi::lua_pushstring(l, c"package".as_ptr());
        if ffi::lua_rawget(l, -2) == ffi::LUA_TTABLE {
            install_searcher(l);
        }
        ffi::lua_pop(l, 2);
    }
}

/// Replaces the second searcher of the table `package`, which is on top of the stack.
///
/// # Safety
/// As [`install`]; the table is as `luaopen_package` made it.
pub unsafe fn install_searcher(l: *mut ffi::lua_State) {
    // SAFETY: by the function's own contract.
    unsafe {
        ffi::lua_getfield(l, -1, c"searchers".as_ptr());
        ffi::lua_pushvalue(l, -2);
        // Lua's own function, whatever the program puts there later, as the standard searcher does.
        ffi::lua_getfield(l, -3, c"searchpath".as_ptr());
        ffi::lua_pushcclosure(l, searcher, 2);
        ffi::lua_rawseti(l, -2, 2);
        ffi::lua_pop(l, 1);
    }
}

/// `loadfile([name [, mode [, env]]])`.
unsafe extern "C-unwind" fn loadfile(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        let name = ffi::luaL_optstring(l, 1, ptr::null());
        let mode = ffi::luaL_optstring(l, 2, ptr::null());
        if !mode.is_null() && CStr::from_ptr(mode).to_bytes().contains(&b'B') {
            return ffi::luaL_argerror(l, 2, c"invalid mode".as_ptr());
        }
        let has_env = ffi::lua_type(l, 3) != ffi::LUA_TNONE;
        if load(l, name, mode) != ffi::LUA_OK {
            ffi::lua_pushnil(l);
            ffi::lua_insert(l, -2);
            return 2;
        }
        if has_env {
            ffi::lua_pushvalue(l, 3);
            if ffi::lua_setupvalue(l, -2, 1).is_null() {
                ffi::lua_pop(l, 1);
            }
        }
        1
    }
}

/// `dofile([name])`.
unsafe extern "C-unwind" fn dofile(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        let name = ffi::luaL_optstring(l, 1, ptr::null());
        ffi::lua_settop(l, 1);
        if load(l, name, c"bt".as_ptr()) != ffi::LUA_OK {
            return ffi::lua_error(l);
        }
        ffi::lua_callk(l, 0, ffi::LUA_MULTRET, 0, Some(dofile_results));
        ffi::lua_gettop(l) - 1
    }
}

unsafe extern "C-unwind" fn dofile_results(
    l: *mut ffi::lua_State,
    _: c_int,
    _: ffi::lua_KContext,
) -> c_int {
    // SAFETY: called by Lua when the file, which yielded, has ended.
    unsafe { ffi::lua_gettop(l) - 1 }
}

/// The searcher for Lua files. Upvalues: `package`, the standard `package.searchpath`.
unsafe extern "C-unwind" fn searcher(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor; the texts are kept by the stack.
    unsafe {
        let name = ffi::luaL_checkstring(l, 1);
        ffi::lua_getfield(l, ffi::lua_upvalueindex(1), c"path".as_ptr());
        let path = ffi::lua_tostring(l, -1);
        if path.is_null() {
            return ffi::luaL_error(l, c"'package.path' must be a string".as_ptr());
        }
        ffi::lua_pushvalue(l, ffi::lua_upvalueindex(2));
        ffi::lua_pushstring(l, name);
        ffi::lua_pushstring(l, path);
        ffi::lua_call(l, 2, 2);
        let file = ffi::lua_tostring(l, -2);
        if file.is_null() {
            return 1;
        }
        if load(l, file, c"bt".as_ptr()) != ffi::LUA_OK {
            let format = c"error loading module '%s' from file '%s':\n\t%s";
            return ffi::luaL_error(l, format.as_ptr(), name, file, ffi::lua_tostring(l, -1));
        }
        ffi::lua_pushstring(l, file);
        2
    }
}

/// `clear()`: files are read again by who loads them from now on.
unsafe extern "C-unwind" fn clear(_: *mut ffi::lua_State) -> c_int {
    // The buffers are freed outside of the lock.
    let old = std::mem::take(&mut *FILES.write());
    drop(old);
    0
}

/// `mode()` gives the service's mode, `mode(m)` sets it.
unsafe extern "C-unwind" fn mode(l: *mut ffi::lua_State) -> c_int {
    const NAMES: [&CStr; 3] = [c"OFF", c"EXIST", c"ON"];
    // SAFETY: called by Lua; no value here has a destructor; the list ends with a null pointer.
    unsafe {
        let hold = hold(l);
        if ffi::lua_isnoneornil(l, 1) != 0 {
            ffi::lua_pushstring(l, NAMES[(*hold).mode as usize].as_ptr());
            return 1;
        }
        let list = [NAMES[0].as_ptr(), NAMES[1].as_ptr(), NAMES[2].as_ptr(), ptr::null()];
        (*hold).mode = match ffi::luaL_checkoption(l, 1, ptr::null(), list.as_ptr()) {
            0 => Mode::Off,
            1 => Mode::Exist,
            _ => Mode::On,
        };
        0
    }
}

/// The module `skynet.codecache`.
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn luaopen_codecache(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua; no value here has a destructor.
    unsafe {
        ffi::lua_createtable(l, 0, 3);
        let functions: [(&CStr, ffi::lua_CFunction); 3] =
            [(c"clear", clear), (c"mode", mode), (c"loadfile", loadfile)];
        for (name, function) in functions {
            ffi::lua_pushcfunction(l, function);
            ffi::lua_setfield(l, -2, name.as_ptr());
        }
        1
    }
}

#[cfg(test)]
#[path = "codecache_tests.rs"]
mod tests;

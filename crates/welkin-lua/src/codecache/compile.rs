//! Compiling a Lua file to a buffer from which every VM can load it.
//!
//! The work is done in a state of its own, closed afterwards.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use welkin_lua_vm::ffi;

/// A dumped function. The dump aligns its parts relative to its own start, hence whole words.
#[derive(Debug)]
pub struct Chunk {
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
        Self {
            words,
            len: dump.len(),
        }
    }

    /// The dump's first byte. The bytes are never written.
    pub fn as_ptr(&self) -> *const c_char {
        self.words.as_ptr().cast()
    }

    /// Length of the dump in bytes.
    pub fn len(&self) -> usize {
        self.len
    }
}

/// Why there is no function: Lua's status and text.
pub struct Failure {
    /// Status of the load.
    pub status: c_int,
    /// The error text.
    pub text: Vec<u8>,
}

/// A state in which files are compiled. It has no memory limit: like Rust's own, an allocation that
/// fails ends the process.
struct Compiler(*mut ffi::lua_State);

impl Compiler {
    fn open() -> Result<Self, Failure> {
        // SAFETY: no preconditions.
        let state = unsafe { ffi::luaL_newstate() };
        if state.is_null() {
            return Err(Failure {
                status: ffi::LUA_ERRMEM,
                text: b"not enough memory".to_vec(),
            });
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
        unsafe {
            (*ud.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(piece.cast(), len))
        };
    }
    0
}

/// Reads and compiles the file `name`.
pub fn compile_file(name: &CStr, mode: Option<&CStr>) -> Result<Chunk, Failure> {
    let compiler = Compiler::open()?;
    let mode = mode.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: a fresh state; both texts end with a zero byte.
    let status = unsafe { ffi::luaL_loadfilex(compiler.0, name.as_ptr(), mode) };
    compiler.finish(status)
}

/// Compiles `source`; tracebacks show `name`.
pub fn compile_text(name: &str, source: &str) -> Result<Chunk, Failure> {
    let compiler = Compiler::open()?;
    let chunk_name = CString::new(format!("@{name}")).map_err(|_| Failure {
        status: ffi::LUA_ERRRUN,
        text: b"zero byte in a file name".to_vec(),
    })?;
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

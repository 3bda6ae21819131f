//! Versions of shared tables, and who keeps them.
//!
//! A version is made in a state of its own, which runs the program that returns the table and is closed
//! at once. It has a number, which is what services tell each other: an address in a message could be
//! that of something freed meanwhile. Who asks by the number gets a hold, and a VM keeps its holds until
//! it is closed, as it may have values of the version anywhere. The service of the module `sharetable`
//! holds what is current; so a version is freed with its last reader, whatever that service knows of it.

use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use welkin_lua_vm::{
    Instead, Version as Made, ffi, welkin_share, welkin_sharedsize, welkin_unshare,
};

use crate::alloc::{Heap, allocate};
use crate::bindings::coroutine::OVERRIDES;
use crate::codecache;
use crate::state::State;

/// All that was shared from one table.
#[derive(Debug)]
pub struct Version(NonNull<Made>);

// SAFETY: a version is only read after it was made, and its memory is the process's `malloc`, which any
// thread may free.
unsafe impl Send for Version {}
// SAFETY: as above.
unsafe impl Sync for Version {}

impl Version {
    /// For the functions of `welkin_lua_vm`.
    pub fn as_ptr(&self) -> *const Made {
        self.0.as_ptr()
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        // SAFETY: alive as long as this value.
        unsafe { welkin_sharedsize(self.0.as_ptr()) }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        // SAFETY: the last hold is gone, and with it every VM that had values of it.
        unsafe { welkin_unshare(self.0.as_ptr()) }
    }
}

/// A version and its number.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its number: never given twice in a node.
    pub number: u64,
    /// The version.
    pub version: Arc<Version>,
}

/// The versions of a node, by number. There are as many as somebody holds.
#[derive(Debug, Default)]
pub struct Tables(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    last: u64,
    versions: HashMap<u64, Weak<Version>>,
}

impl Tables {
    /// Gives a version its number, and forgets those that are gone.
    pub fn add(&self, version: Version) -> Held {
        let version = Arc::new(version);
        let mut numbered = self.0.lock();
        numbered.last += 1;
        let number = numbered.last;
        numbered
            .versions
            .retain(|_, version| version.strong_count() > 0);
        numbered.versions.insert(number, Arc::downgrade(&version));
        Held { number, version }
    }

    /// A hold of the version with that number, if anybody else has one.
    pub fn get(&self, number: u64) -> Option<Held> {
        let version = self.0.lock().versions.get(&number)?.upgrade()?;
        Some(Held { number, version })
    }
}

/// What a program that makes a table may be called with.
#[derive(Copy, Clone, Debug)]
pub enum Argument {
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A light userdata.
    Pointer(*mut c_void),
}

/// Runs `source`, or the file it names behind an `@`, with the standard libraries only, and shares the
/// table it returns with VMs of the hash seed `seed`. The error is the text for the caller. Takes as long
/// as the program does.
pub fn make(source: &[u8], arguments: &[Argument], seed: u32) -> Result<Version, Vec<u8>> {
    let maker = Maker::open(seed).ok_or(b"not enough memory")?;
    maker.load(source)?;
    for argument in arguments {
        maker.push(*argument);
    }
    maker.check(maker.state.pcall(arguments.len() as c_int, 1, 0))?;
    share(maker.state, &maker.instead).ok_or_else(|| maker.text())
}

/// Shares the value on top, which is popped. `None`: the error is on top.
pub fn share(state: State, instead: &[Instead]) -> Option<Version> {
    // SAFETY: raises nothing; the list outlives the call.
    let made = unsafe { welkin_share(state.ptr(), instead.as_ptr(), instead.len() as c_int) };
    NonNull::new(made).map(Version)
}

/// A state that makes one version. Its memory has no limit: it is gone when the version is made.
struct Maker {
    state: State,
    instead: Vec<Instead>,
    /// The state's accounts, which it writes until it is closed.
    _heap: Box<Heap>,
}

impl Maker {
    fn open(seed: u32) -> Option<Self> {
        let mut heap = Box::<Heap>::default();
        // SAFETY: the heap stays where it is until the state is closed; a fresh state with nobody else in
        // it, which belongs to no VM: its extra space says so.
        unsafe {
            let l = ffi::lua_newstate(allocate, (&raw mut *heap).cast(), seed);
            if l.is_null() {
                return None;
            }
            *ffi::lua_getextraspace(l).cast::<*mut c_void>() = std::ptr::null_mut();
            let state = State::new(l);
            let mut maker = Self {
                state,
                instead: Vec::new(),
                _heap: heap,
            };
            state.push_fn(open_libraries);
            if state.pcall(0, 0, 0) != ffi::LUA_OK {
                return None;
            }
            maker.find_instead();
            Some(maker)
        }
    }

    /// Notes which functions of services are not those of this state.
    fn find_instead(&mut self) {
        let state = self.state;
        let coroutines = OVERRIDES.iter().copied();
        let files = [c"loadfile", c"dofile"]
            .into_iter()
            .filter_map(|name| Some((c"_G", name, codecache::global(name)?)));
        for (library, name, to) in coroutines.chain(files) {
            state.get_global(library);
            state.get_field(-1, name);
            if let Some(from) = state.to_cfunction(-1) {
                self.instead.push(Instead { from, to });
            }
            state.pop(2);
        }
    }

    /// Pushes the program.
    fn load(&self, source: &[u8]) -> Result<(), Vec<u8>> {
        let l = self.state.ptr();
        let name = CString::new(source.split(|&byte| byte == 0).next().unwrap_or_default());
        let name = name.unwrap_or_default();
        // SAFETY: the state is ours alone; loading is protected, and the texts outlive it.
        let status = unsafe {
            match source.first() {
                Some(b'@') => ffi::luaL_loadfilex(l, name.as_ptr().add(1), std::ptr::null()),
                _ => ffi::luaL_loadbufferx(
                    l,
                    source.as_ptr().cast(),
                    source.len(),
                    name.as_ptr(),
                    std::ptr::null(),
                ),
            }
        };
        self.check(status)
    }

    fn push(&self, argument: Argument) {
        let state = self.state;
        match argument {
            Argument::Boolean(value) => state.push_bool(value),
            Argument::Integer(value) => state.push_int(value),
            Argument::Float(value) => state.push_num(value),
            Argument::Pointer(value) => state.push_light(value),
        }
    }

    fn check(&self, status: c_int) -> Result<(), Vec<u8>> {
        match status {
            ffi::LUA_OK => Ok(()),
            _ => Err(self.text()),
        }
    }

    /// The error on top as a text.
    fn text(&self) -> Vec<u8> {
        match self.state.text(-1) {
            Some(text) => text.to_vec(),
            None => format!("(error object is a {} value)", self.state.type_name(-1)).into_bytes(),
        }
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        // SAFETY: made in `open`, closed only here; no code of it is running.
        unsafe { ffi::lua_close(self.state.ptr()) }
    }
}

/// Opens the libraries. C libraries that the program loads stay: a shared function may be theirs.
unsafe extern "C-unwind" fn open_libraries(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called in protected mode with a state that has room for a few values; nothing is owned.
    unsafe {
        ffi::luaL_openlibs(l);
        ffi::lua_getfield(l, ffi::LUA_REGISTRYINDEX, c"_CLIBS".as_ptr());
        ffi::lua_pushnil(l);
        ffi::lua_setmetatable(l, -2);
    }
    0
}

#[cfg(test)]
#[path = "sharetable_tests.rs"]
mod tests;

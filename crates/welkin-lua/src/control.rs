//! What other threads do to a Lua service while it runs: signals, kill, the question where it is.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use mlua_sys as ffi;
use parking_lot::Mutex;
use welkin_runtime::{Address, Control, Node};

use crate::state::State;
use crate::vm::VmPtr;

/// What the hook raises when it gets its turn.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Trap {
    /// Nothing: it was armed to preempt.
    None,
    /// The error `signal 0`, once.
    Signal,
    /// An error at every instruction from now on.
    Kill,
}

#[derive(Debug, Default)]
struct Position {
    /// `chat.lua:88`.
    place: String,
    /// Name of the function, or empty.
    function: String,
    /// Messages the service had begun then.
    message: u64,
}

/// A service's side for other threads.
#[derive(Debug)]
pub struct LuaControl {
    address: Address,
    /// Name of the program.
    name: Box<str>,
    trap: AtomicU8,
    /// Bytes in use, as of the last message.
    memory: AtomicUsize,
    /// Where the hook last found the service.
    position: Mutex<Position>,
}

impl LuaControl {
    /// For the service at `address`, launched with the text `args`: a program's name and its arguments.
    pub fn new(address: Address, args: &[u8]) -> Self {
        let mut words = args
            .split(u8::is_ascii_whitespace)
            .filter(|w| !w.is_empty());
        Self {
            address,
            name: String::from_utf8_lossy(words.next().unwrap_or_default()).into(),
            trap: AtomicU8::new(0),
            memory: AtomicUsize::new(0),
            position: Mutex::new(Position::default()),
        }
    }

    /// Whether the next Lua instruction is to raise.
    #[inline]
    pub fn is_trapped(&self) -> bool {
        self.trap.load(Ordering::Relaxed) != 0
    }

    /// What to raise.
    pub fn trap(&self) -> Trap {
        match self.trap.load(Ordering::Relaxed) {
            0 => Trap::None,
            1 => Trap::Signal,
            _ => Trap::Kill,
        }
    }

    /// `signal 0` was raised.
    pub fn clear_signal(&self) {
        let _ = self
            .trap
            .compare_exchange(1, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes the memory in use, for `signal 1`.
    #[inline]
    pub fn note_memory(&self, bytes: usize) {
        self.memory.store(bytes, Ordering::Relaxed);
    }
}

impl Control for LuaControl {
    fn signal(&self, node: &Node, n: i32) {
        node.log(self.address, format!("recv a signal {n}"));
        match n {
            0 => {
                let _ = self
                    .trap
                    .compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
            }
            1 => {
                let kib = self.memory.load(Ordering::Relaxed) as f64 / 1024.0;
                node.log(self.address, format!("Current Memory {kib:.3}K"));
            }
            _ => {}
        }
    }

    fn kill(&self) {
        self.trap.store(2, Ordering::Relaxed);
    }

    fn has_signal(&self) -> bool {
        self.is_trapped()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        self.position.lock().place.clone()
    }

    fn function(&self) -> (String, u64) {
        let position = self.position.lock();
        (position.function.clone(), position.message)
    }

    fn memory(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }
}

/// `@file:line` of the function at `level`: `None` above the stack, `Some(None)` for one without lines.
pub fn position(of: State, level: i32) -> Option<Option<String>> {
    let mut record = std::mem::MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: the record is filled by lua_getstack before lua_getinfo reads it; the texts are copied
    // before the function can go.
    unsafe {
        if ffi::lua_getstack(of.ptr(), level, record.as_mut_ptr()) == 0 {
            return None;
        }
        ffi::lua_getinfo(of.ptr(), c"Sl".as_ptr(), record.as_mut_ptr());
        let record = record.assume_init();
        if record.currentline < 0 {
            return Some(None);
        }
        let source = std::slice::from_raw_parts(record.source.cast::<u8>(), record.srclen);
        Some(Some(format!(
            "{}:{}",
            String::from_utf8_lossy(source),
            record.currentline
        )))
    }
}

/// `source:line` where the running function begins; empty without one.
pub fn defined_at(of: State) -> String {
    let mut record = std::mem::MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: as above.
    unsafe {
        if ffi::lua_getstack(of.ptr(), 0, record.as_mut_ptr()) == 0 {
            return String::new();
        }
        ffi::lua_getinfo(of.ptr(), c"S".as_ptr(), record.as_mut_ptr());
        let record = record.assume_init();
        let source = std::slice::from_raw_parts(record.source.cast::<u8>(), record.srclen);
        format!("{}:{}", String::from_utf8_lossy(source), record.linedefined)
    }
}

/// `source:line` where the function on top of the stack is defined; it is taken.
pub fn definition(of: State) -> String {
    let mut record = std::mem::MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: as above; ">S" takes the function from the stack.
    unsafe {
        ffi::lua_getinfo(of.ptr(), c">S".as_ptr(), record.as_mut_ptr());
        let record = record.assume_init();
        let source = std::slice::from_raw_parts(record.source.cast::<u8>(), record.srclen);
        format!("{}:{}", String::from_utf8_lossy(source), record.linedefined)
    }
}

/// In the hook: notes where the service is, for the monitor's line.
pub fn note_position(vm: VmPtr, state: State) {
    if let Some(Some(at)) = position(state, 0)
        && let Some(mut noted) = vm.control.position.try_lock()
    {
        noted.place = at.trim_start_matches('@').to_string();
        noted.function = function_name(state);
        noted.message = vm.slot.messages();
    }
}

/// Name of the running function as its caller calls it, or where it begins; empty for a main file.
pub fn function_name(of: State) -> String {
    let mut record = std::mem::MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: as in `position`.
    unsafe {
        if ffi::lua_getstack(of.ptr(), 0, record.as_mut_ptr()) == 0 {
            return String::new();
        }
        ffi::lua_getinfo(of.ptr(), c"Sn".as_ptr(), record.as_mut_ptr());
        let record = record.assume_init();
        if !record.name.is_null() {
            let name = std::ffi::CStr::from_ptr(record.name);
            return name.to_string_lossy().into_owned();
        }
        if record.linedefined <= 0 {
            return String::new();
        }
        let source = std::ffi::CStr::from_ptr(record.short_src.as_ptr());
        format!("<{}:{}>", source.to_string_lossy(), record.linedefined)
    }
}

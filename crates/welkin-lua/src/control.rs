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

/// A service's side for other threads.
#[derive(Debug)]
pub struct LuaControl {
    address: Address,
    trap: AtomicU8,
    /// Bytes in use, as of the last message.
    memory: AtomicUsize,
    /// Where the hook last found the service.
    position: Mutex<String>,
}

impl LuaControl {
    /// For the service at `address`.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            trap: AtomicU8::new(0),
            memory: AtomicUsize::new(0),
            position: Mutex::new(String::new()),
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

    fn describe(&self) -> String {
        self.position.lock().clone()
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
        && let Some(mut place) = vm.control.position.try_lock()
    {
        *place = at.trim_start_matches('@').to_string();
    }
}

//! Taking a worker back from a service that runs too long.
//!
//! The runtime's monitor signals the worker; the handler, on that worker's own thread, arms a count
//! hook on the coroutine that runs ([`RUNNING`]), and the hook yields it at its next instruction.
//! Nothing is set while nobody loops, so it costs nothing then. The hook may yield only when every
//! function below the coroutine can (`chain`): a `table.sort` comparator or a `gsub` callback cannot;
//! there the hook notes where it was and leaves, and the next signal tries again.
//!
//! The same hook raises the error of `signal 0`, and ends a service that was killed in a loop.
//!
//! `lua_sethook` from another thread is not safe; from a signal handler on the thread that runs the
//! coroutine it is what Lua documents.

use std::cell::Cell;

use mlua_sys as ffi;

use crate::bindings::debugger;
use crate::control::{self, Trap};
use crate::slow;
use crate::state::{Resumed, State, lua_State};
use crate::vm::{self, VmPtr};

thread_local! {
    /// The innermost running coroutine of this worker; null while no Lua runs.
    static RUNNING: Cell<*mut lua_State> = const { Cell::new(std::ptr::null_mut()) };
    /// Whether everything below the running coroutine can be yielded through.
    static CHAIN: Cell<bool> = const { Cell::new(true) };
    /// The running coroutine has the debugger's hook and is to give way in it.
    static PENDING: Cell<bool> = const { Cell::new(false) };
}

/// Tells the runtime what to do on a worker that must give up its service.
pub fn install() {
    welkin_runtime::preempt::set_handler(arm_running);
}

/// In a signal handler on the worker's thread: nothing here allocates or locks.
fn arm_running() {
    let l = RUNNING.with(Cell::get);
    if l.is_null() {
        return;
    }
    // SAFETY: `l` is run by this very thread, which the signal interrupted; the program's own hook
    // (debug.sethook) is left alone.
    unsafe {
        if ffi::lua_gethookmask(l) == 0 {
            arm(l);
        } else if debugger::is_hooked(l) {
            PENDING.set(true);
        }
    }
}

/// # Safety
/// `l` is a live thread run by the calling worker.
unsafe fn arm(l: *mut lua_State) {
    // SAFETY: by the contract.
    unsafe { ffi::lua_sethook(l, Some(hook), ffi::LUA_MASKCOUNT, 1) }
}

/// Clears a hook that was armed but did not get its turn, or was inherited by a new coroutine.
pub fn disarm(state: State) {
    // SAFETY: a live thread run by this worker.
    unsafe {
        if ffi::lua_gethookmask(state.ptr()) == ffi::LUA_MASKCOUNT
            && ffi::lua_gethook(state.ptr())
                .is_some_and(|h| std::ptr::fn_addr_eq(h, hook as ffi::lua_Hook))
        {
            ffi::lua_sethook(state.ptr(), None, 0, 0);
        }
    }
}

/// Resumes `state` from native code below which nothing of Lua stands, or from within `from`.
pub fn run(mut vm: VmPtr, state: State, from: Option<State>, args: i32) -> Resumed {
    let below = RUNNING.replace(state.ptr());
    let chain = CHAIN.get();
    if let Some(from) = from
        && !below.is_null()
    {
        CHAIN.set(chain && from.is_yieldable());
    } else {
        CHAIN.set(true);
    }
    let lifted = std::mem::replace(&mut vm.heap.lifted, false);
    if vm.control.is_trapped() {
        // SAFETY: `state` belongs to the VM that this worker runs.
        unsafe { arm(state.ptr()) };
    }
    vm.profile_begin(state);
    let resumed = state.resume(from, args);
    vm.profile_end(state);
    vm.heap.lifted = lifted;
    CHAIN.set(chain);
    RUNNING.set(below);
    resumed
}

/// Runs what may enter Lua on `state` outside of a resume: error handlers, to-be-closed variables, an
/// own `unpack`. It cannot be preempted, but a signal and a kill reach it.
pub fn within<R>(state: State, f: impl FnOnce() -> R) -> R {
    let below = RUNNING.replace(state.ptr());
    let chain = CHAIN.replace(false);
    let result = f();
    CHAIN.set(chain);
    RUNNING.set(below);
    result
}

unsafe extern "C-unwind" fn hook(l: *mut lua_State, _record: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls it on the running thread; nothing is owned when it raises or yields.
    unsafe {
        let state = State::new(l);
        let vm = vm::vm(state);
        raise_trap(vm, state, true);
        ffi::lua_sethook(l, None, 0, 0);
        give_way(vm, state);
    }
}

/// In the debugger's hook, which does not keep a service from being preempted, signalled or killed.
///
/// # Safety
/// Called at the end of a hook on the running thread; nothing is owned. `can_yield`: Lua allows it in
/// this kind of hook.
pub unsafe fn in_other_hook(vm: VmPtr, state: State, can_yield: bool) {
    // SAFETY: by the contract.
    unsafe {
        raise_trap(vm, state, false);
        if can_yield && PENDING.replace(false) {
            give_way(vm, state);
        }
    }
}

/// # Safety
/// In a hook on the running thread; nothing is owned.
unsafe fn raise_trap(vm: VmPtr, state: State, armed: bool) {
    let l = state.ptr();
    // SAFETY: by the contract.
    unsafe {
        match vm.control.trap() {
            Trap::None => {}
            Trap::Signal => {
                vm.control.clear_signal();
                if armed {
                    ffi::lua_sethook(l, None, 0, 0);
                }
                state.push_lit(c"signal 0");
                welkin_lua_vm::welkin_allowhook(l);
                ffi::lua_error(l);
            }
            // Stays armed: whatever catches the error ends at its next instruction too.
            Trap::Kill => {
                state.push_lit(c"service was killed");
                // The program's error handler runs within this hook, and may loop too.
                welkin_lua_vm::welkin_allowhook(l);
                ffi::lua_error(l);
            }
        }
    }
}

/// # Safety
/// As [`raise_trap`], at the hook's end.
unsafe fn give_way(mut vm: VmPtr, state: State) {
    control::note_position(vm, state);
    slow::sample(vm, state);
    // Without preemption it was only asked where it is.
    if vm.node.preempt_ms() == 0 {
        return;
    }
    if CHAIN.get() && state.is_yieldable() {
        vm.preempted = true;
        // SAFETY: by the contract.
        unsafe {
            ffi::lua_yield(state.ptr(), 0);
        }
    }
}

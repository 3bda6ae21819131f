//! What the remote debugger (`lualib/skynet/remotedebug.lua`) needs of the native side.
//!
//! While a service is debugged its messages go through a Lua function, in whose frame the debugger
//! runs what is typed: [`attach`] puts it in place as a callback, which hands each message on to the
//! native dispatcher; [`detach`] takes it away.
//!
//! A coroutine is stopped by a hook whose Lua function returns true: it yields out of the middle of
//! its code and waits for `skynet.wakeup(co)`, like any sleeper. The hooks are those of single threads,
//! kept in a weak table of the registry; preemption, signals and kills find their way through them.

use std::ffi::c_int;

use mlua_sys as ffi;

use super::skynet::Entry;
use crate::border::LuaError;
use crate::coroutines::Doing;
use crate::lua_fn;
use crate::preempt;
use crate::state::{State, lua_State};
use crate::vm::{self, Mode, VmPtr};
use crate::waits::{Token, Wait};

const FUNCTIONS: &[Entry] = &[(c"attach", attach), (c"detach", detach)];

const EVENTS: [&std::ffi::CStr; 5] = [c"call", c"return", c"line", c"count", c"tail call"];

lua_fn! {
    /// Opens the module `welkin.debugger`.
    fn open(call: &mut Call) -> LuaResult {
        super::push_functions(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `attach(f) -> callback or nil`: from the next message on, `f(type, pointer, size, session,
    /// source)` gets what the given callback, or the dispatcher, got before.
    fn attach(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        state.check_type(1, ffi::LUA_TFUNCTION);
        if vm.undebugged.is_some() {
            return Err(LuaError::new("the service is being debugged already"));
        }
        state.set_top(1);
        let function = state.make_ref();
        let forward = match vm.mode {
            Mode::Callback { function, forward } => {
                state.push_ref(function);
                forward
            }
            _ => {
                state.push_nil();
                false
            }
        };
        vm.undebugged = Some(vm.mode);
        vm.mode = Mode::Callback { function, forward };
        Ok(1)
    }

    /// `detach()`: messages go where they went before.
    fn detach(call: &mut Call) -> LuaResult {
        let mut vm = call.vm();
        if let Some(mode) = vm.undebugged.take() {
            if let Mode::Callback { function, .. } = vm.mode {
                call.state.drop_ref(function);
            }
            vm.mode = mode;
        }
        Ok(0)
    }

    /// `sethook([thread,] f, mask[, count])` as `debug.sethook`; a hook that returns true stops the
    /// coroutine. Further argument of the hook: whether it could. `sethook([thread])` takes it off.
    fn sethook(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        if state.to_thread(1).is_none() {
            state.push_self();
            state.insert(1);
        }
        state.set_top(4);
        let thread = state.to_thread(1).unwrap_or(state);
        if state.type_of(2) <= ffi::LUA_TNIL {
            unhook(vm, thread);
            return Ok(0);
        }
        state.check_type(2, ffi::LUA_TFUNCTION);
        let mask = mask_of(state.check_text(3), state.to_int(4).unwrap_or(0));
        if vm.refs.hooks == 0 {
            state.create_table(0, 1);
            state.create_table(0, 1);
            state.push_lit(c"k");
            state.raw_set_lit(-2, c"__mode");
            state.set_metatable(-2);
            vm.refs.hooks = state.make_ref();
        }
        state.push_ref(vm.refs.hooks);
        state.push_value(1);
        state.push_value(2);
        state.raw_set(-3);
        let count = state.to_int(4).unwrap_or(0) as c_int;
        // SAFETY: a thread of this VM, which this worker runs.
        unsafe { ffi::lua_sethook(thread.ptr(), Some(hook), mask, count) };
        Ok(0)
    }
}

fn mask_of(text: &[u8], count: i64) -> c_int {
    let mut mask = 0;
    for (letter, bit) in [
        (b'c', ffi::LUA_MASKCALL),
        (b'r', ffi::LUA_MASKRET),
        (b'l', ffi::LUA_MASKLINE),
    ] {
        if text.contains(&letter) {
            mask |= bit;
        }
    }
    if count > 0 {
        mask |= ffi::LUA_MASKCOUNT;
    }
    mask
}

/// Whether the debugger's hook is on `state`.
///
/// # Safety
/// `l` is a live thread run by the calling worker.
pub unsafe fn is_hooked(l: *mut lua_State) -> bool {
    // SAFETY: by the contract.
    unsafe { ffi::lua_gethook(l) }
        .is_some_and(|h| std::ptr::fn_addr_eq(h, hook as unsafe extern "C-unwind" fn(_, _)))
}

/// Takes the debugger's hook off, if it is there.
pub fn unhook(vm: VmPtr, thread: State) {
    // SAFETY: a live thread of this VM; the table has room for nothing new, as nil is stored.
    unsafe {
        if !is_hooked(thread.ptr()) {
            return;
        }
        ffi::lua_sethook(thread.ptr(), None, 0, 0);
    }
    if vm.refs.hooks != 0 && thread.check_stack(4) {
        thread.push_ref(vm.refs.hooks);
        thread.push_self();
        thread.push_nil();
        thread.raw_set(-3);
        thread.pop(1);
    }
}

unsafe extern "C-unwind" fn hook(l: *mut lua_State, record: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls it on the running thread with its record; nothing is owned when the function
    // of the hook raises, or the thread yields.
    unsafe {
        let state = State::new(l);
        let vm = vm::vm(state);
        let event = (*record).event;
        let line = (*record).currentline;
        state.push_ref(vm.refs.hooks);
        state.push_self();
        if state.raw_get(-2) != ffi::LUA_TFUNCTION {
            // Inherited by a coroutine that the hooked one has made.
            ffi::lua_sethook(l, None, 0, 0);
            state.pop(2);
            return;
        }
        state.push_lit(EVENTS.get(event as usize).copied().unwrap_or(c"line"));
        if event == ffi::LUA_HOOKLINE {
            state.push_int(line.into());
        } else {
            state.push_nil();
        }
        let can_yield = event == ffi::LUA_HOOKLINE || event == ffi::LUA_HOOKCOUNT;
        let can_stop = can_yield && state.is_yieldable();
        state.push_bool(can_stop);
        state.call(3, 1);
        let wanted = state.to_bool(-1);
        state.pop(2);
        if wanted && can_stop {
            stop(vm, state);
            ffi::lua_yield(l, 0);
        } else {
            preempt::in_other_hook(vm, state, can_yield);
        }
    }
}

/// A service's own coroutine becomes a sleeper; any other goes back to who resumed it.
fn stop(mut vm: VmPtr, state: State) {
    let Some(index) = vm.running().filter(|index| {
        let mut vm = vm;
        vm.co(*index).state == state
    }) else {
        return;
    };
    let session = vm.next_session();
    vm.note_wait(session, index, Wait::Wakeup);
    let co = vm.co(index);
    co.token = Token::Own(index);
    co.doing = Doing::Waiting(session);
    vm.suspending = true;
}

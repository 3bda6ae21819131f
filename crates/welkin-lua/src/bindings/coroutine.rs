//! `coroutine.resume`, `wrap`, `close`, `yield`, `isyieldable`: native, because a preemption passes
//! through every coroutine below the one that runs.
//!
//! A preempted inner coroutine makes its resumer yield too, and so on down to the service's own; when
//! the service goes on, each continuation resumes its inner one again. A blocking call inside a plain
//! coroutine yields `SUSPEND` to the resumer, as on skynet.

use mlua_sys as ffi;

use super::skynet::Entry;
use crate::border::{LuaError, LuaResult};
use crate::lazylib::Override;
use crate::preempt;
use crate::state::{Resumed, State};
use crate::vm::VmPtr;
use crate::{lua_continuation, lua_fn};

/// What replaces the standard functions, in the library `coroutine`.
pub const OVERRIDES: &[Override] = &[
    (c"coroutine", c"resume", resume),
    (c"coroutine", c"wrap", wrap),
    (c"coroutine", c"yield", yield_values),
    (c"coroutine", c"isyieldable", isyieldable),
];

lua_fn! {
    /// `coroutine.resume(co, ...)`.
    fn resume(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let Some(co) = state.to_thread(1) else {
            state.check_type(1, ffi::LUA_TTHREAD);
            return Ok(0);
        };
        let args = state.top() - 1;
        if !co.check_stack(args) {
            state.push_bool(false);
            state.push_lit(c"too many arguments to resume");
            return Ok(2);
        }
        state.move_to(co, args);
        let resumed = preempt::run(vm, co, Some(state), args);
        resumed_again(vm, state, co, resumed, resume_on)
    }

    /// `coroutine.wrap(f)`.
    fn wrap(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.check_type(1, ffi::LUA_TFUNCTION);
        let co = state.new_thread();
        state.push_value(1);
        state.move_to(co, 1);
        preempt::disarm(co);
        state.push_closure(wrapped, 1);
        Ok(1)
    }

    /// What `wrap` gives.
    fn wrapped(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let Some(co) = state.to_thread(state.upvalue(1)) else { return Ok(0) };
        let args = state.top();
        if !co.check_stack(args) {
            return Err(LuaError::new("too many arguments to resume"));
        }
        state.move_to(co, args);
        let resumed = preempt::run(vm, co, Some(state), args);
        wrapped_again(vm, state, co, resumed)
    }

    /// `coroutine.yield(...)`.
    fn yield_values(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        if state == vm.main {
            return Err(LuaError::plain("attempt to yield from outside a coroutine"));
        }
        let values = state.top();
        Err(LuaError::Yield { values, context: 0, then: super::results_above })
    }

    /// `coroutine.isyieldable([co])`.
    fn isyieldable(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let of = state.to_thread(1).unwrap_or(state);
        state.push_bool(of != vm.main && of.is_yieldable());
        Ok(1)
    }

    /// `native.suspend()`: a wait of the framework goes on one coroutine further down.
    fn suspend(call: &mut Call) -> LuaResult {
        let mut vm = call.vm();
        vm.suspending = true;
        call.state.set_top(0);
        call.state.push_lit(c"SUSPEND");
        Err(LuaError::Yield { values: 1, context: 0, then: super::results_above })
    }

    /// `native.suspended() -> boolean`: whether the last resume came back by a wait of the framework.
    fn suspended(call: &mut Call) -> LuaResult {
        let mut vm = call.vm();
        let was = std::mem::take(&mut vm.inner_suspended);
        call.state.push_bool(was);
        Ok(1)
    }
}

lua_continuation! {
    /// A `resume` that was preempted goes on.
    fn resume_on(call: &mut Call, _context: isize) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let Some(co) = state.to_thread(1) else { return Ok(0) };
        let resumed = preempt::run(vm, co, Some(state), 0);
        resumed_again(vm, state, co, resumed, resume_on)
    }

    /// A wrapped function that was preempted goes on.
    fn wrapped_on(call: &mut Call, _context: isize) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let Some(co) = state.to_thread(state.upvalue(1)) else { return Ok(0) };
        let resumed = preempt::run(vm, co, Some(state), 0);
        wrapped_again(vm, state, co, resumed)
    }
}

/// Whether the yield was a preemption, which the resumer passes on.
fn preempted(vm: VmPtr, resumed: Resumed) -> bool {
    matches!(resumed, Resumed::Yielded(_)) && vm.preempted
}

fn resumed_again(
    mut vm: VmPtr,
    state: State,
    co: State,
    resumed: Resumed,
    then: ffi::lua_KFunction,
) -> LuaResult {
    if preempted(vm, resumed) {
        return Err(LuaError::Yield {
            values: 0,
            context: 0,
            then,
        });
    }
    preempt::disarm(co);
    vm.inner_suspended = std::mem::take(&mut vm.suspending);
    match resumed {
        Resumed::Finished(n) | Resumed::Yielded(n) => {
            if !state.check_stack(n + 1) {
                co.pop(n);
                state.push_bool(false);
                state.push_lit(c"too many results to resume");
                return Ok(2);
            }
            state.push_bool(true);
            co.move_to(state, n);
            Ok(n + 1)
        }
        Resumed::Failed => {
            // In this order, as a coroutine that resumes itself has one stack for both.
            co.move_to(state, 1);
            state.push_bool(false);
            state.insert(-2);
            Ok(2)
        }
    }
}

fn wrapped_again(mut vm: VmPtr, state: State, co: State, resumed: Resumed) -> LuaResult {
    if preempted(vm, resumed) {
        return Err(LuaError::Yield {
            values: 0,
            context: 0,
            then: wrapped_on,
        });
    }
    preempt::disarm(co);
    vm.inner_suspended = std::mem::take(&mut vm.suspending);
    match resumed {
        Resumed::Finished(n) | Resumed::Yielded(n) => {
            if !state.check_stack(n) {
                return Err(LuaError::new("too many results to resume"));
            }
            co.move_to(state, n);
            Ok(n)
        }
        Resumed::Failed => Err(fail_wrapped(state, co)),
    }
}

/// The error of a wrapped coroutine: it is closed, and a text gets the position of the caller.
fn fail_wrapped(state: State, co: State) -> LuaError {
    let status = co.status();
    if status != ffi::LUA_OK && status != ffi::LUA_YIELD {
        co.close_thread(Some(state));
    }
    co.move_to(state, 1);
    if state.type_of(-1) == ffi::LUA_TSTRING {
        state.push_where(1);
        state.insert(-2);
        state.concat(2);
    }
    LuaError::Raise
}

/// Name and place of the functions that the standard library does not have.
pub const PRIVATE: &[Entry] = &[(c"suspend", suspend), (c"suspended", suspended)];

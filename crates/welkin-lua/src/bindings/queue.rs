//! What `skynet.queue` is made of: one critical section, entered and left natively.
//!
//! A section that is free, or whose holder enters again, costs a comparison and a protected call. Only
//! who finds it held goes through Lua (`lualib/skynet/queue.lua`), where the line of those who wait is
//! kept: `enter` waits in it, `pass` wakes the next one, who holds the section from that moment, so
//! that nobody overtakes.

use std::ffi::c_int;

use mlua_sys as ffi;

use crate::border::{self, LuaError, LuaResult};
use crate::lua_fn;
use crate::state::{State, lua_State};

/// One section; the memory of a userdata, whose user value keeps the holder alive.
struct Section {
    /// The thread inside, or the one it was passed to; null: free.
    holder: *mut lua_State,
    /// The user value, so that it is written only when it changes.
    kept: *mut lua_State,
    /// How often the holder has entered.
    depth: u32,
    /// Somebody may be waiting.
    line: bool,
}

/// Upvalues of the function that a program gets.
const SECTION: c_int = 1;
const LINE: c_int = 2;
const ENTER: c_int = 3;
const PASS: c_int = 4;
const TRACEBACK: c_int = 5;
const RAISE: c_int = 6;

impl Section {
    /// The thread on top of the stack of the running function, which is popped, holds the section.
    fn give(&mut self, state: State, to: State) {
        self.holder = to.ptr();
        self.depth = 0;
        if self.kept == to.ptr() {
            state.pop(1);
            return;
        }
        self.kept = to.ptr();
        // SAFETY: the upvalue is the userdata that `section` made with one user value.
        unsafe { ffi::lua_setiuservalue(state.ptr(), state.upvalue(SECTION), 1) };
    }
}

/// The section of the running closure, for as long as that is on the stack.
#[derive(Copy, Clone)]
struct Place(*mut Section);

impl Place {
    #[inline]
    fn of(state: State) -> Self {
        Self(state.to_userdata(state.upvalue(SECTION)).cast())
    }

    #[inline]
    fn get<'a>(self) -> &'a mut Section {
        // SAFETY: the upvalue is the userdata that `section` made and filled, and the closure that
        // keeps it is running. Callers let go of the reference before they enter Lua again.
        unsafe { &mut *self.0 }
    }
}

lua_fn! {
    /// `section(line, enter, pass, traceback, raise) -> f`: `f(g, ...)` runs `g(...)` in a section of its own.
    /// `enter(line)` returns when it is the caller's turn, `pass(line)` gives the thread whose turn is
    /// next, if any. `traceback` is the error handler, `raise(error)` raises what it made.
    fn section(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.set_top(5);
        // SAFETY: the block is large enough and aligned as `malloc` aligns.
        unsafe {
            let place = ffi::lua_newuserdatauv(state.ptr(), size_of::<Section>(), 1);
            place.cast::<Section>().write(Section {
                holder: std::ptr::null_mut(),
                kept: std::ptr::null_mut(),
                depth: 0,
                line: false,
            });
        }
        state.insert(SECTION);
        state.push_closure(run, 6);
        Ok(1)
    }

    /// What `section` gives.
    fn run(call: &mut Call) -> LuaResult {
        let state = call.state;
        let place = Place::of(state);
        let section = place.get();
        if !section.holder.is_null() && section.holder != state.ptr() {
            section.line = true;
            state.push_value(state.upvalue(ENTER));
            state.push_value(state.upvalue(LINE));
            state.call_k(1, 0, 0, entered);
        }
        begin(state, place)
    }
}

/// # Safety
/// Called by Lua, when `enter` blocked and has returned.
unsafe extern "C-unwind" fn entered(
    l: *mut lua_State,
    _status: c_int,
    _context: ffi::lua_KContext,
) -> c_int {
    // SAFETY: this is the whole of a continuation, called by Lua.
    unsafe { border::enter(l, |call| begin(call.state, Place::of(call.state))) }
}

/// # Safety
/// Called by Lua, when the function in the section blocked and has ended.
unsafe extern "C-unwind" fn ended(
    l: *mut lua_State,
    status: c_int,
    _context: ffi::lua_KContext,
) -> c_int {
    // SAFETY: this is the whole of a continuation, called by Lua.
    unsafe { border::enter(l, |call| end(call.state, Place::of(call.state), status)) }
}

/// The section is the caller's; the function and its arguments are on the stack.
fn begin(state: State, place: Place) -> LuaResult {
    let section = place.get();
    if section.holder != state.ptr() {
        state.push_self();
        section.give(state, state);
    }
    section.depth += 1;
    let mut values = state.top();
    if values == 0 {
        state.push_nil();
        values = 1;
    }
    state.push_value(state.upvalue(TRACEBACK));
    state.insert(1);
    let status = state.pcall_k(values - 1, ffi::LUA_MULTRET, 1, 0, ended);
    end(state, place, status)
}

/// The function has ended: its results, or the error, are above the handler.
#[inline]
fn end(state: State, place: Place, status: c_int) -> LuaResult {
    let section = place.get();
    section.depth -= 1;
    if section.depth == 0 {
        section.holder = std::ptr::null_mut();
        if section.line {
            pass_on(state, place);
        }
    }
    if status == ffi::LUA_OK || status == ffi::LUA_YIELD {
        return Ok(state.top() - 1);
    }
    state.push_value(state.upvalue(RAISE));
    state.insert(-2);
    state.call(1, 0);
    Err(LuaError::Raise)
}

/// Hands the section to the next in line.
#[cold]
fn pass_on(state: State, place: Place) {
    if !state.check_stack(4) {
        return;
    }
    state.push_value(state.upvalue(PASS));
    state.push_value(state.upvalue(LINE));
    state.call(1, 1);
    let section = place.get();
    match state.to_thread(-1) {
        Some(next) => section.give(state, next),
        None => {
            section.line = false;
            state.pop(1);
        }
    }
}

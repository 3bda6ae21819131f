//! The border between Lua and Rust: how a native function is entered, how it raises, how it blocks.
//!
//! Lua raises by longjmp, which skips Rust's destructors; Rust panics by unwinding, which leaves the
//! VM's own records wrong. So every native function has two layers. The outer one, made by
//! [`lua_fn!`], is the only place where *our* errors are raised and where a panic is caught, and owns
//! nothing when it does so. The inner one is ordinary Rust and returns a [`LuaResult`].
//!
//! Lua itself may still leave the inner function by longjmp from any call that allocates or runs a
//! metamethod, so no value with a destructor lives across one. After a panic the VM is marked: its
//! service is ended when the message is over.

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua_sys as ffi;

use crate::bindings::info::push_owned;
use crate::state::{State, lua_State};
use crate::vm::{self, VmPtr};

/// What a native function gives back: the number of results on the stack, or what to raise.
pub type LuaResult = Result<c_int, LuaError>;

/// The ways in which a native function ends other than by results.
#[derive(Debug)]
pub enum LuaError {
    /// Raises this text behind the position of the calling Lua line.
    Text(String),
    /// Raises this text as it is.
    Plain(String),
    /// Raises the error of a wrong argument: its number, and what is wrong with it.
    Argument(c_int, &'static CStr),
    /// Raises the value on top of the stack.
    Raise,
    /// Blocks the coroutine: yields the topmost `values`; `then` is called when it goes on.
    Yield {
        /// How many of the topmost values the resumer gets.
        values: c_int,
        /// Passed to `then`.
        context: isize,
        /// The continuation.
        then: ffi::lua_KFunction,
    },
}

impl LuaError {
    /// An error text that gets the position of the caller.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An error text without position.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Plain(text.into())
    }
}

/// One call of a native function.
#[allow(non_snake_case)] // `L` is the name that Lua's own interface has for it
#[derive(Debug)]
pub struct Call {
    /// The calling thread; the arguments are on its stack.
    pub state: State,
    /// The pointer behind `state`, for bindings that work on it directly.
    pub L: *mut lua_State,
}

impl Call {
    /// The VM of the service.
    #[inline]
    pub fn vm(&self) -> VmPtr {
        vm::vm(self.state)
    }
}

/// Runs the inner layer and does what it says. `body` is called once.
///
/// # Safety
/// Called by Lua, with its thread, as (the whole of) a C function or continuation.
pub unsafe fn enter(l: *mut lua_State, body: impl FnOnce(&mut Call) -> LuaResult) -> c_int {
    // SAFETY: Lua passes the running thread.
    let state = unsafe { State::new(l) };
    let result = catch_unwind(AssertUnwindSafe(|| body(&mut Call { state, L: l })));
    let error = match result {
        Ok(Ok(results)) => return results,
        Ok(Err(error)) => error,
        Err(panic) => panicked(state, &*panic),
    };
    // SAFETY: `leave` owns nothing when it raises.
    unsafe { leave(state, error) }
}

fn panicked(state: State, panic: &(dyn std::any::Any + Send)) -> LuaError {
    let vm = vm::try_vm(state);
    let ends = match vm {
        Some(mut vm) => {
            vm.broken = true;
            ", this service ends after the message"
        }
        None => "",
    };
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    LuaError::new(format!("internal error{ends}: {text}"))
}

/// # Safety
/// As [`enter`].
unsafe fn leave(state: State, error: LuaError) -> c_int {
    let l = state.ptr();
    match error {
        LuaError::Text(text) => {
            state.push_where(1);
            push_owned(state, text.into_bytes());
            state.concat(2);
        }
        LuaError::Plain(text) => push_owned(state, text.into_bytes()),
        LuaError::Argument(arg, text) => {
            // SAFETY: nothing is owned here.
            return unsafe { ffi::luaL_argerror(l, arg, text.as_ptr()) };
        }
        LuaError::Raise => {}
        LuaError::Yield {
            values,
            context,
            then,
        } => {
            // SAFETY: nothing is owned here; lua_yieldk does not return into this frame.
            return unsafe { ffi::lua_yieldk(l, values, context, Some(then)) };
        }
    }
    // SAFETY: nothing is owned here.
    unsafe { ffi::lua_error(l) }
}

/// Makes a native function: `lua_fn! { /// doc  fn name(call: &mut Call) -> LuaResult { ... } }`.
#[macro_export]
macro_rules! lua_fn {
    ($($(#[$meta:meta])* fn $name:ident($call:ident: &mut Call) -> LuaResult $body:block)*) => {
        $($(#[$meta])*
        ///
        /// # Safety
        /// Called by Lua with its running thread.
        pub unsafe extern "C-unwind" fn $name(l: *mut $crate::state::lua_State) -> std::ffi::c_int {
            #[inline]
            fn body($call: &mut $crate::border::Call) -> $crate::border::LuaResult $body
            // SAFETY: this is the whole of a C function, called by Lua.
            unsafe { $crate::border::enter(l, body) }
        })*
    };
}

/// Makes a continuation: `lua_continuation! { fn name(call, context: isize) -> LuaResult { ... } }`.
#[macro_export]
macro_rules! lua_continuation {
    ($($(#[$meta:meta])* fn $name:ident($call:ident: &mut Call, $context:ident: isize) -> LuaResult $body:block)*) => {
        $($(#[$meta])*
        ///
        /// # Safety
        /// Called by Lua with its running thread, when a coroutine goes on.
        pub unsafe extern "C-unwind" fn $name(
            l: *mut $crate::state::lua_State,
            _status: std::ffi::c_int,
            context: mlua_sys::lua_KContext,
        ) -> std::ffi::c_int {
            #[inline]
            fn body($call: &mut $crate::border::Call, $context: isize) -> $crate::border::LuaResult $body
            // SAFETY: this is the whole of a continuation, called by Lua.
            unsafe { $crate::border::enter(l, |call| body(call, context as isize)) }
        })*
    };
}

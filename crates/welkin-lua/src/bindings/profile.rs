//! `skynet.profile`: CPU time of one coroutine, while it runs and not while it waits.
//!
//! Every resume goes through one place (preempt.rs), which adds up for the threads listed here; while
//! none is listed it costs one look at an empty table. The clock is the worker thread's CPU clock
//! ([`cpu_now`]), so a coroutine that moves between workers is measured run by run.

use std::cell::Cell;

use mlua_sys as ffi;

use super::coroutine;
use super::skynet::Entry;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;
use crate::vm::VmPtr;

/// The account of one thread, in nanoseconds.
#[derive(Debug, Default)]
pub struct Profile {
    total: u64,
    /// The clock when its present run began.
    since: Option<u64>,
}

/// Up to here wall time counts as CPU time, in nanoseconds.
const TRUSTED_NS: u64 = 100_000;

thread_local! {
    /// The CPU clock and the monotonic clock when the first was asked last.
    static ASKED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// CPU time of this worker thread, nanoseconds. The CPU clock is a system call, dearer than many a
/// method of a program; so what has passed since it was asked is taken from the other clock, which is
/// none, while that is little.
fn cpu_now() -> u64 {
    let now = read(libc::CLOCK_MONOTONIC);
    let (cpu, at) = ASKED.get();
    let passed = now.saturating_sub(at);
    if at != 0 && passed <= TRUSTED_NS {
        return cpu + passed;
    }
    let cpu = read(libc::CLOCK_THREAD_CPUTIME_ID);
    ASKED.set((cpu, now));
    cpu
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` outlives the call, and both clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl VmPtr {
    /// `thread` begins to run.
    #[inline]
    pub fn profile_begin(mut self, thread: State) {
        if !self.profiles.is_empty()
            && let Some(profile) = self.profiles.get_mut(&(thread.ptr() as usize))
        {
            profile.since = Some(cpu_now());
        }
    }

    /// `thread` gave up control.
    #[inline]
    pub fn profile_end(mut self, thread: State) {
        if !self.profiles.is_empty()
            && let Some(profile) = self.profiles.get_mut(&(thread.ptr() as usize))
            && let Some(since) = profile.since.take()
        {
            profile.total += cpu_now().saturating_sub(since);
        }
    }
}

const FUNCTIONS: &[Entry] = &[
    (c"start", start),
    (c"stop", stop),
    (c"resume", coroutine::resume),
    (c"wrap", coroutine::wrap),
];

fn subject(state: State) -> State {
    if state.top() == 0 {
        return state;
    }
    state.check_type(1, ffi::LUA_TTHREAD);
    state.to_thread(1).unwrap_or(state)
}

/// Whether `thread` is the caller or one of those that resumed it: it has not given up control, and
/// functions are open on it.
fn is_running(state: State, thread: State) -> bool {
    let open = || crate::control::position(thread, 0).is_some();
    thread == state || thread.status() == ffi::LUA_OK && open()
}

lua_fn! {
    /// Opens the module.
    fn open(call: &mut Call) -> LuaResult {
        super::push_functions(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `profile.start([co])`.
    fn start(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        let thread = subject(state);
        let key = thread.ptr() as usize;
        if vm.profiles.contains_key(&key) {
            return Err(LuaError::new(format!("Thread {:p} start profile more than once", thread.ptr())));
        }
        let since = is_running(state, thread).then(cpu_now);
        vm.profiles.insert(key, Profile { total: 0, since });
        Ok(0)
    }

    /// `profile.stop([co]) -> seconds`.
    fn stop(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        let thread = subject(state);
        let Some(profile) = vm.profiles.remove(&(thread.ptr() as usize)) else {
            return Err(LuaError::new("Call profile.start() before profile.stop()"));
        };
        let running = profile.since.map_or(0, |since| cpu_now().saturating_sub(since));
        state.push_num((profile.total + running) as f64 / 1e9);
        Ok(1)
    }
}

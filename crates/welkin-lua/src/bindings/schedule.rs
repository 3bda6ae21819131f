//! Time and order: `fork`, `timeout`, `sleep`, `yield`, `wait`, `wakeup`, `killthread`.

use std::ffi::c_int;

use mlua_sys as ffi;

use crate::border::LuaError;
use crate::coroutines::{Answer, Doing, NONE};
use crate::state::State;
use crate::vm::VmPtr;
use crate::waits::{Fork, Token, Wait, Woken};
use crate::{lua_continuation, lua_fn};

/// A forked function and its arguments are kept without a coroutine up to this number of values.
const CARRIED_MAX: c_int = 16;

/// Ticks given at `index`: an integer, an integral float, or a text whose leading number counts.
fn ticks_arg(state: State, index: c_int) -> i32 {
    if let Some(text) = state.string(index)
        && state.to_int(index).is_none()
    {
        return leading_number(text) as i32;
    }
    if state.type_of(index) != ffi::LUA_TNUMBER {
        state.check_text(index);
    }
    state.check_int(index) as i32
}

fn leading_number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text.first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let value = digits
        .iter()
        .map_while(|c| (*c as char).to_digit(10))
        .fold(0i64, |value, digit| {
            value.saturating_mul(10).saturating_add(digit.into())
        });
    sign * value
}

/// A coroutine of the function and arguments on `state` (from index 1); the thread is pushed.
fn prepare(vm: VmPtr, state: State, args: c_int) -> Result<u32, LuaError> {
    let index = vm.take_coroutine();
    if !vm.fill_coroutine(index, state, args) {
        vm.release_coroutine(index);
        return Err(LuaError::new("stack overflow: too many arguments"));
    }
    vm.push_thread(state, index);
    Ok(index)
}

impl VmPtr {
    /// The coroutine of a fork whose turn has come. Runs with the memory limit lifted.
    pub fn begin_fork(mut self, fork: Fork) -> u32 {
        let closure = match fork {
            Fork::Coroutine(index) => return index,
            Fork::Function(function) => return self.begin_deferred(function),
            Fork::Carried(closure) => closure,
        };
        let index = self.begin_deferred(closure);
        let state = self.co(index).state;
        for value in 1..=CARRIED_MAX {
            // SAFETY: a thread of this VM, whose stack has room for so many; nothing is pushed for a
            // number behind the last.
            if unsafe { ffi::lua_getupvalue(state.ptr(), 1, value) }.is_null() {
                break;
            }
        }
        state.remove(1);
        index
    }

    /// Gives every fork its coroutine, for who looks at the coroutines.
    fn materialize_forks(mut self) {
        for at in 0..self.waits.forks.len() {
            let fork = self.waits.forks[at];
            self.waits.forks[at] = Fork::Coroutine(self.begin_fork(fork));
        }
    }
}

/// Sleeps on a token until the timer or a wakeup.
fn sleep_for(mut vm: VmPtr, state: State, ticks: i32, token: c_int, what: Wait) -> LuaError {
    let Some(index) = vm.running() else {
        return LuaError::plain("attempt to yield from outside a coroutine");
    };
    vm.forsake(index);
    let token = match vm.claim_token(state, token, index) {
        Ok(token) => token,
        Err(error) => return error,
    };
    if let Some(tag) = vm.tag() {
        vm.trace_stack(&tag, b"sleep", state, 1);
    }
    let session = vm.next_session();
    vm.co(index).token = token;
    state.set_top(0);
    let then = if what == Wait::Sleep { awake } else { woken };
    let blocked = vm.block(state, session, what, then);
    if !matches!(blocked, LuaError::Yield { .. }) {
        vm.free_token(index);
        return blocked;
    }
    if what == Wait::Sleep {
        vm.node.timeout_with(&vm.slot, ticks, session);
    }
    blocked
}

lua_fn! {
    /// `skynet.fork(f, ...) -> thread`: runs `f(...)` after the present coroutine gave up control.
    fn fork(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        if state.top() == 0 {
            state.push_nil();
        }
        let args = state.top();
        if state.wanted_results() == 0 && args <= CARRIED_MAX {
            let fork = if args == 1 {
                Fork::Function(state.make_ref())
            } else {
                state.push_closure(carry, args);
                Fork::Carried(state.make_ref())
            };
            vm.waits.forks.push_back(fork);
            return Ok(0);
        }
        let index = prepare(vm, state, args)?;
        vm.waits.forks.push_back(Fork::Coroutine(index));
        Ok(1)
    }

    /// Never called: its upvalues are a forked function and the arguments for it.
    fn carry(_call: &mut Call) -> LuaResult {
        Ok(0)
    }

    /// `skynet.timeout(ti, f) -> thread`: runs `f()` after `ti` ticks.
    fn timeout(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        state.set_top(2);
        let ticks = ticks_arg(state, 1);
        state.remove(1);
        let session = vm.next_session();
        if state.wanted_results() == 0 {
            // A nil has no place in the registry; it fails when it fires, like all that cannot be called.
            if state.type_of(1) == ffi::LUA_TNIL {
                state.push_bool(false);
            }
            let wait = Wait::Deferred(state.make_ref());
            vm.note_wait(session, NONE, wait);
            vm.node.timeout_with(&vm.slot, ticks, session);
            return Ok(0);
        }
        let index = prepare(vm, state, 1)?;
        vm.note_wait(session, index, Wait::Timer);
        vm.co(index).doing = Doing::Waiting(session);
        vm.node.timeout_with(&vm.slot, ticks, session);
        Ok(1)
    }

    /// `skynet.sleep(ti[, token]) -> nothing or "BREAK"`.
    fn sleep(call: &mut Call) -> LuaResult {
        call.state.set_top(2);
        let ticks = ticks_arg(call.state, 1);
        Err(sleep_for(call.vm(), call.state, ticks, 2, Wait::Sleep))
    }

    /// `skynet.yield()`: all messages already queued are handled before it returns.
    fn yield_now(call: &mut Call) -> LuaResult {
        call.state.set_top(0);
        Err(sleep_for(call.vm(), call.state, 0, 1, Wait::Sleep))
    }

    /// `skynet.wait([token])`: blocks until `wakeup(token)`.
    fn wait(call: &mut Call) -> LuaResult {
        Err(sleep_for(call.vm(), call.state, 0, 1, Wait::Wakeup))
    }

    /// `skynet.wakeup(token) -> true or nothing`.
    fn wakeup(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.set_top(1);
        if state.type_of(1) == ffi::LUA_TNIL || !vm.queue_wakeup(state) {
            return Ok(0);
        }
        state.push_bool(true);
        Ok(1)
    }

    /// `skynet.killthread(thread or pattern) -> thread or nothing`.
    fn killthread(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.set_top(1);
        let found = match state.to_thread(1) {
            Some(thread) => vm.find_thread(thread).filter(|i| suspended(vm, *i)),
            None => {
                state.check_text(1);
                find_by_text(vm, state)
            }
        };
        let Some(index) = found else { return Ok(0) };
        vm.push_thread(state, index);
        kill(vm, index);
        Ok(1)
    }
}

lua_continuation! {
    /// After `sleep`.
    fn awake(call: &mut Call, _session: isize) -> LuaResult {
        match wake_up(call.vm()) {
            Woken::Break => {
                call.state.push_lit(c"BREAK");
                Ok(1)
            }
            Woken::Answered | Woken::Failed | Woken::TimedOut => Ok(0),
        }
    }

    /// After `wait`.
    fn woken(call: &mut Call, _session: isize) -> LuaResult {
        wake_up(call.vm());
        Ok(0)
    }
}

/// The running coroutine sleeps no more; how its sleep ended.
fn wake_up(mut vm: VmPtr) -> Woken {
    if let Some(index) = vm.running() {
        vm.forsake(index);
        vm.free_token(index);
    }
    if let Some(tag) = vm.tag() {
        vm.trace_line(&tag, "resume");
    }
    std::mem::take(&mut vm.waits.woken)
}

/// Whether coroutine `index` waits or has not begun.
pub fn suspended(mut vm: VmPtr, index: u32) -> bool {
    matches!(vm.co(index).doing, Doing::Waiting(_) | Doing::Prepared)
}

/// The first suspended coroutine whose text holds the pattern at index 1.
fn find_by_text(vm: VmPtr, state: State) -> Option<u32> {
    vm.materialize_timers();
    vm.materialize_forks();
    let all = 0..vm.cos.all.len() as u32;
    for index in all.filter(|i| suspended(vm, *i)) {
        let base = state.top();
        state.push_lit(c"");
        state.get_field(-1, c"find");
        vm.push_thread(state, index);
        state.push_tostring(-1);
        state.remove(-2);
        state.push_value(1);
        state.call(2, 1);
        let hit = state.to_bool(-1);
        state.set_top(base);
        if hit {
            return Some(index);
        }
    }
    None
}

/// Ends a suspended coroutine: its request gets an error, its wait is forgotten.
fn kill(mut vm: VmPtr, index: u32) {
    let doing = vm.co(index).doing;
    match doing {
        Doing::Prepared => vm
            .waits
            .forks
            .retain(|fork| *fork != Fork::Coroutine(index)),
        Doing::Waiting(session) => {
            let wait = vm.waits.sessions.get(&session).map(|w| w.wait);
            if let Some(Wait::Call(..)) = wait {
                // Its answer is dropped in silence; a timer's end is reported as nobody's.
                if let Some(waiter) = vm.waits.sessions.get_mut(&session) {
                    waiter.wait = Wait::Broken;
                }
            } else {
                vm.waits.sessions.remove(&session);
            }
        }
        Doing::Nothing | Doing::Running => {}
    }
    if vm.co(index).answer == Answer::Open {
        vm.abandon_request(index);
    }
    if vm.co(index).token != Token::None {
        vm.free_token(index);
    }
    vm.discard(index);
}

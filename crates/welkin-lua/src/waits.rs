//! What a service's coroutines wait for: sessions, tokens, and the queues that end waits.
//!
//! Every blocking function opens a session, notes its coroutine here and yields. Three things wake a
//! coroutine: the answer to its session, `skynet.wakeup` on its token, an error message (or a deadline,
//! `deadlines.rs`). The last two are queued and take effect when the coroutine that has control gives it up: wakeups first, then
//! failed calls, then forks. There is no limit of its own here: each entry keeps a coroutine, which
//! the service's memory limit counts.

use std::collections::{HashMap, VecDeque};
use std::ffi::c_int;
use std::hash::{BuildHasherDefault, Hasher};

use mlua_sys as ffi;
use welkin_runtime::{Address, Node};

use crate::border::LuaError;
use crate::coroutines::Doing;
use crate::deadlines::Deadlines;
use crate::state::State;
use crate::vm::VmPtr;

/// By what a sleeping coroutine is found.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Token {
    /// It does not sleep.
    None,
    /// By its own thread, with this index.
    Own(u32),
    /// By a value kept in the registry under this number.
    Value(c_int),
}

/// What kind of wait a session stands for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Wait {
    /// An answer of this service (NONE: asked by a name) to a message of this type.
    Call(Address, u8),
    /// A timer that ends a sleep.
    Sleep,
    /// Only a wakeup.
    Wakeup,
    /// A timer that begins a prepared coroutine.
    Timer,
    /// A timer whose function, in the registry, gets a coroutine when it fires: nobody asked for it.
    Deferred(c_int),
    /// A timer for the deadlines of calls; nobody waits for it.
    Deadline,
    /// Nobody any more; the late answer is dropped.
    Broken,
}

/// Who waits for a session.
#[derive(Copy, Clone, Debug)]
pub struct Waiter {
    /// The coroutine.
    pub coroutine: u32,
    /// Why.
    pub wait: Wait,
    /// When the message began in which the wait did: monotonic nanoseconds over 2^20, the low bits.
    pub since: u32,
}

/// How a wait ended, read by the continuation of the function that blocked.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Woken {
    /// By the answer, or the timer (empty).
    Answered,
    /// By `skynet.wakeup`, or by a program that resumed what it should not.
    #[default]
    Break,
    /// By an error message.
    Failed,
    /// By its deadline.
    TimedOut,
}

/// What `skynet.fork` was given.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Fork {
    /// This coroutine: the program has its thread.
    Coroutine(u32),
    /// A function in the registry; it gets a coroutine when its turn comes. Nobody has seen a thread,
    /// and most such functions never block, so that one coroutine serves a thousand of them.
    Function(c_int),
    /// The same with arguments: the upvalues of the closure in the registry.
    Carried(c_int),
}

/// Waits and queues of one service.
#[derive(Debug, Default)]
pub struct Waits {
    /// By session.
    pub sessions: HashMap<i32, Waiter, BuildHasherDefault<Spread>>,
    /// Tokens to wake, in the order of the calls.
    pub wakeups: VecDeque<Token>,
    /// Sessions failed by error messages and deadlines.
    pub failures: VecDeque<(i32, Woken)>,
    /// What to begin, in this order.
    pub forks: VecDeque<Fork>,
    /// How the present wait ended.
    pub woken: Woken,
    /// The answer that ended it; read by the continuation, freed with the message.
    pub answer: (usize, usize),
    /// Calls with a deadline; none until there was one.
    pub deadlines: Option<Box<Deadlines>>,
}

impl Waiter {
    /// How long ago `since` is, in milliseconds.
    pub fn age_ms(&self) -> i64 {
        let now = (Node::hpc() >> 20) as u32;
        (i64::from(now.wrapping_sub(self.since)) << 20) / 1_000_000
    }
}

/// Spreads consecutive numbers over the table. Sessions are ours, not a peer's, so nobody can aim them.
#[derive(Debug, Default, Clone, Copy)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("sessions hash as i32")
    }

    fn write_i32(&mut self, session: i32) {
        self.0 = u64::from(session.cast_unsigned()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl VmPtr {
    /// The next free session number.
    #[inline]
    pub fn next_session(&self) -> i32 {
        loop {
            let session = self.slot.next_session();
            // Only after the numbers have begun again can one be taken.
            if !self.waits.sessions.contains_key(&session) {
                return session;
            }
        }
    }

    /// From the present message on `coroutine` waits for `session`.
    #[inline]
    pub fn note_wait(mut self, session: i32, coroutine: u32, wait: Wait) {
        let since = (self.slot.since_ns() >> 20) as u32;
        let waiter = Waiter {
            coroutine,
            wait,
            since,
        };
        self.waits.sessions.insert(session, waiter);
    }

    /// Blocks the running coroutine until `session` ends, then goes on in `then`. `state` is the
    /// thread that called; the values on its stack stay for `then`.
    #[inline]
    pub fn block(
        mut self,
        state: State,
        session: i32,
        wait: Wait,
        then: ffi::lua_KFunction,
    ) -> LuaError {
        let Some(index) = self.running() else {
            return LuaError::plain("attempt to yield from outside a coroutine");
        };
        if !state.is_yieldable() {
            return LuaError::plain("attempt to yield across a C-call boundary");
        }
        self.forsake(index);
        self.note_wait(session, index, wait);
        let co = self.co(index);
        co.doing = Doing::Waiting(session);
        let own = co.state == state;
        self.suspending = true;
        let mut values = 0;
        if !own {
            // A plain coroutine inside gives this word to whoever resumed it.
            state.push_lit(c"SUSPEND");
            values = 1;
        }
        LuaError::Yield {
            values,
            context: session as isize,
            then,
        }
    }

    /// Forgets a wait of coroutine `index`, which runs: it began inside a plain coroutine, whose resumer
    /// got `SUSPEND` and went on. What ends the wait finds nobody.
    #[inline]
    pub fn forsake(mut self, index: u32) {
        if let Doing::Waiting(session) = self.co(index).doing {
            self.forsake_session(index, session);
        }
    }

    #[cold]
    fn forsake_session(mut self, index: u32, session: i32) {
        self.free_token(index);
        self.co(index).doing = Doing::Running;
        self.suspending = false;
        self.give_up_wait(session);
    }

    /// Nobody waits for `session` any more. What still comes for it, an answer or a timer's end, must find
    /// that; for a wakeup nothing comes.
    pub fn give_up_wait(mut self, session: i32) {
        match self.waits.sessions.get_mut(&session) {
            Some(waiter) if waiter.wait != Wait::Wakeup => waiter.wait = Wait::Broken,
            _ => {
                self.waits.sessions.remove(&session);
            }
        }
    }

    /// Gives every deferred timer its coroutine, for who looks at the coroutines.
    pub fn materialize_timers(mut self) {
        let deferred: Vec<_> = self
            .waits
            .sessions
            .iter()
            .filter_map(|(session, waiter)| match waiter.wait {
                Wait::Deferred(function) => Some((*session, function)),
                _ => None,
            })
            .collect();
        for (session, function) in deferred {
            let coroutine = self.begin_deferred(function);
            self.co(coroutine).doing = Doing::Waiting(session);
            self.note_wait(session, coroutine, Wait::Timer);
        }
    }

    /// A coroutine with the function of a deferred timer.
    pub fn begin_deferred(mut self, function: c_int) -> u32 {
        let index = self.take_coroutine();
        let state = self.co(index).state;
        state.push_ref(function);
        state.drop_ref(function);
        index
    }

    /// The token that the value at `index` (none or nil: the caller's own thread) is, to sleep on it.
    pub fn claim_token(mut self, state: State, index: c_int, co: u32) -> Result<Token, LuaError> {
        let own = state.type_of(index) <= ffi::LUA_TNIL && self.co(co).state == state
            || state
                .to_thread(index)
                .is_some_and(|t| self.co(co).state == t);
        if own {
            return match self.co(co).token {
                Token::None => Ok(Token::Own(co)),
                _ => Err(LuaError::new("token duplicative")),
            };
        }
        if state.type_of(index) <= ffi::LUA_TNIL {
            state.push_self();
        } else {
            state.push_value(index);
        }
        if self.sleeper_on(state).is_some() {
            return Err(LuaError::new("token duplicative"));
        }
        self.push_tokens(state);
        state.push_value(-2);
        state.push_int(co.into());
        state.raw_set(-3);
        state.pop(1);
        Ok(Token::Value(state.make_ref()))
    }

    /// The coroutine that sleeps on the value on top of the stack, which stays.
    fn sleeper_on(mut self, state: State) -> Option<u32> {
        if self.refs.tokens != 0 {
            self.push_tokens(state);
            state.push_value(-2);
            state.raw_get(-2);
            let found = state.to_int(-1);
            state.pop(2);
            if let Some(index) = found {
                return Some(index as u32);
            }
        }
        let index = state.to_thread(-1).and_then(|t| self.find_thread(t))?;
        matches!(self.co(index).token, Token::Own(_)).then_some(index)
    }

    /// `skynet.wakeup`: true when somebody sleeps on the value on top of the stack.
    pub fn queue_wakeup(mut self, state: State) -> bool {
        let Some(index) = self.sleeper_on(state) else {
            return false;
        };
        let mut token = self.co(index).token;
        if let Token::Value(_) = token {
            // The queue needs a hold of its own: the sleeper gives its up when it wakes.
            state.push_value(-1);
            token = Token::Value(state.make_ref());
        }
        self.waits.wakeups.push_back(token);
        true
    }

    /// The sleeper that a queued wakeup means now, and its session. The queue's hold is given up.
    pub fn take_sleeper(mut self, token: Token) -> Option<(u32, i32)> {
        let index = match token {
            Token::None => return None,
            Token::Own(index) => (self.co(index).token == token).then_some(index)?,
            Token::Value(reference) => {
                let main = self.main;
                main.push_ref(reference);
                main.drop_ref(reference);
                let index = self.sleeper_on(main);
                main.pop(1);
                index.filter(|i| matches!(self.co(*i).token, Token::Value(_)))?
            }
        };
        match self.co(index).doing {
            Doing::Waiting(session) => Some((index, session)),
            _ => None,
        }
    }

    /// Gives up the token of coroutine `index`: it does not sleep any more.
    pub fn free_token(mut self, index: u32) {
        if let Token::Value(reference) = std::mem::replace(&mut self.co(index).token, Token::None) {
            let main = self.main;
            self.push_tokens(main);
            main.push_ref(reference);
            main.push_nil();
            main.raw_set(-3);
            main.pop(1);
            main.drop_ref(reference);
        }
    }

    fn push_tokens(mut self, state: State) {
        if self.refs.tokens == 0 {
            state.create_table(0, 1);
            self.refs.tokens = state.make_ref();
        }
        state.push_ref(self.refs.tokens);
    }
}

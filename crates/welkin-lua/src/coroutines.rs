//! The coroutines that run a service's messages, forks and timers, and the pool of idle ones.
//!
//! Each has a record at a small index; the thread itself is kept alive by a table in the registry at
//! the same index. A finished coroutine goes back to the pool and is resumed with the next function:
//! Lua allows that after a normal end, and after an error once it was closed. The pool keeps
//! [`IDLE_MAX`]; what a burst made beyond that is left to the collector.

use std::collections::HashMap;
use std::ffi::c_int;

use welkin_runtime::Address;

use crate::state::State;
use crate::trace::Tag;
use crate::vm::VmPtr;
use crate::waits::Token;

/// Idle coroutines kept by one service.
const IDLE_MAX: usize = 128;

/// Up to so many are looked through one by one.
const FEW: usize = 8;

/// No coroutine.
pub const NONE: u32 = u32::MAX;

/// What a coroutine is doing.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Doing {
    /// In the pool, or the record is free.
    Nothing,
    /// Made by fork or timeout, not begun.
    Prepared,
    /// It has control, or gave it up by preemption only.
    Running,
    /// Blocked on this session.
    Waiting(i32),
}

/// The request in work and whether it still wants an answer.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Not a request.
    None,
    /// Wanted, or a send (session 0), for which none is possible.
    Open,
    /// Given, taken over or refused.
    Done,
}

/// One coroutine.
#[derive(Debug)]
pub struct Coroutine {
    /// The thread.
    pub state: State,
    /// What it does.
    pub doing: Doing,
    /// Session of its request.
    pub session: i32,
    /// Sender of its request.
    pub source: Address,
    /// Type of its request.
    pub kind: u8,
    /// Whether the request wants an answer.
    pub answer: Answer,
    /// What `wakeup` finds it by while it sleeps.
    pub token: Token,
    /// Trace tag of its request.
    pub tag: Tag,
    /// The record is in use; else the thread it names may be gone.
    pub has_thread: bool,
}

/// All of one service.
#[derive(Debug)]
pub struct Coroutines {
    /// Records by index.
    pub all: Vec<Coroutine>,
    idle: Vec<u32>,
    vacant: Vec<u32>,
    by_thread: HashMap<usize, u32>,
    /// The one that has control, or [`NONE`].
    pub running: u32,
    /// The one that runs the start function, or [`NONE`].
    pub init: u32,
}

impl Default for Coroutines {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            idle: Vec::new(),
            vacant: Vec::new(),
            by_thread: HashMap::new(),
            running: NONE,
            init: NONE,
        }
    }
}

impl VmPtr {
    /// The record of coroutine `index`.
    #[inline]
    pub fn co(&mut self, index: u32) -> &mut Coroutine {
        &mut self.cos.all[index as usize]
    }

    /// The running coroutine's index, or `None` in the main file and in callbacks.
    #[inline]
    pub fn running(&self) -> Option<u32> {
        (self.cos.running != NONE).then_some(self.cos.running)
    }

    /// Index of the service coroutine that `thread` is.
    pub fn find_thread(&self, thread: State) -> Option<u32> {
        if self.cos.all.len() > FEW {
            return self.cos.by_thread.get(&(thread.ptr() as usize)).copied();
        }
        let found = self
            .cos
            .all
            .iter()
            .position(|co| co.state == thread && co.has_thread);
        found.map(|index| index as u32)
    }

    /// A coroutine with an empty stack. Called outside of protected mode, or inside one where an
    /// error for lack of memory loses nothing.
    #[inline]
    pub fn take_coroutine(mut self) -> u32 {
        if let Some(index) = self.cos.idle.pop() {
            let co = self.co(index);
            co.doing = Doing::Prepared;
            return index;
        }
        self.new_coroutine()
    }

    /// The thread that the next message will run on, if one waits for it.
    pub fn next_thread(mut self) -> Option<State> {
        let index = *self.cos.idle.last()?;
        Some(self.co(index).state)
    }

    fn new_coroutine(mut self) -> u32 {
        let main = self.main;
        let index = self.cos.vacant.pop().unwrap_or(self.cos.all.len() as u32);
        // A main thread that failed has no room of its own left.
        main.check_stack(4);
        if self.refs.threads == 0 {
            main.create_table(1, 0);
            self.refs.threads = main.make_ref();
        }
        main.push_ref(self.refs.threads);
        let state = main.new_thread();
        main.raw_set_i(-2, i64::from(index) + 1);
        main.pop(1);
        let fresh = Coroutine {
            state,
            doing: Doing::Prepared,
            session: 0,
            source: Address::NONE,
            kind: 0,
            answer: Answer::None,
            token: Token::None,
            tag: Tag::None,
            has_thread: true,
        };
        if (index as usize) < self.cos.all.len() {
            self.cos.all[index as usize] = fresh;
        } else {
            if self.cos.all.capacity() < FEW {
                // Most services need one or two for ever.
                self.cos.all.reserve_exact(1);
            }
            self.cos.all.push(fresh);
        }
        self.index_threads(index);
        index
    }

    /// Threads are found by a table once they are many.
    fn index_threads(mut self, fresh: u32) {
        let count = self.cos.all.len();
        if count > FEW {
            let from = if self.cos.by_thread.is_empty() {
                0
            } else {
                fresh
            };
            let to = if from == 0 { count as u32 } else { fresh + 1 };
            for index in from..to {
                let thread = self.co(index).state.ptr() as usize;
                if self.co(index).has_thread {
                    self.cos.by_thread.insert(thread, index);
                }
            }
        }
    }

    /// Gives a coroutine back whose stack is empty and which can be resumed again.
    #[inline]
    pub fn release_coroutine(mut self, index: u32) {
        if self.refs.hooks != 0 {
            let state = self.co(index).state;
            crate::bindings::debugger::unhook(self, state);
        }
        let co = self.co(index);
        co.doing = Doing::Nothing;
        co.session = 0;
        co.source = Address::NONE;
        co.answer = Answer::None;
        co.token = Token::None;
        if !matches!(co.tag, Tag::None) {
            co.tag = Tag::None;
        }
        if self.cos.idle.len() < IDLE_MAX {
            self.cos.idle.push(index);
        } else {
            self.drop_coroutine(index);
        }
    }

    fn drop_coroutine(mut self, index: u32) {
        let main = self.main;
        let thread = self.co(index).state;
        self.cos.by_thread.remove(&(thread.ptr() as usize));
        self.co(index).has_thread = false;
        main.push_ref(self.refs.threads);
        main.push_nil();
        main.raw_set_i(-2, i64::from(index) + 1);
        main.pop(1);
        self.cos.vacant.push(index);
    }

    /// Pushes the thread of coroutine `index` onto `to`.
    pub fn push_thread(mut self, to: State, index: u32) {
        let co = self.co(index).state;
        to.push_ref(self.refs.threads);
        to.raw_get_i(-1, i64::from(index) + 1);
        to.remove(-2);
        debug_assert!(to.to_thread(-1) == Some(co));
    }

    /// Moves the topmost `n` values of `from` onto a fresh coroutine's stack.
    pub fn fill_coroutine(mut self, index: u32, from: State, n: c_int) -> bool {
        let co = self.co(index).state;
        if !co.check_stack(n + 8) {
            return false;
        }
        from.move_to(co, n);
        true
    }
}

//! From a message to the program's function, without any Lua of ours in between.
//!
//! A request takes a coroutine from the pool; the handler of its protocol, the session, the source
//! and the unpacked values are put on that coroutine's stack, and it is resumed. An answer resumes the
//! coroutine that waits for its session; the continuation of the function that blocked unpacks it.
//! What happens after a coroutine gave up control is the same everywhere ([`VmPtr::settle`]), and
//! when the message's own coroutine is through, the queues are run ([`VmPtr::drain`]): wakeups, failed
//! calls, forks, until none is left. Preemption can stop this anywhere; [`VmPtr::go_on`] takes it up.
//!
//! All of it runs outside of protected mode with the memory limit lifted; what can raise by the
//! program's doing (an own `unpack`, `__tostring`) is called under `pcall`.

use mlua_sys as ffi;
use welkin_runtime::{Address, Flow, Message, Payload, kind};

use crate::bindings::{lifecycle, seri};
use crate::coroutines::{Answer, Doing, NONE};
use crate::preempt;
use crate::state::{Resumed, State};
use crate::trace::Tag;
use crate::vm::VmPtr;
use crate::waits::{Wait, Waiter, Woken};

/// Requests that could not be unpacked and are still owed an error; beyond it they get none.
const UNREAD_MAX: usize = 4096;

/// A message as the dispatcher sees it; the memory is the caller's.
#[derive(Copy, Clone, Debug)]
pub struct Incoming {
    /// Type.
    pub kind: u8,
    /// Session.
    pub session: i32,
    /// Sender.
    pub source: Address,
    /// Start of the payload.
    pub ptr: *mut std::ffi::c_void,
    /// Bytes.
    pub len: usize,
}

impl Incoming {
    /// The payload.
    pub fn bytes(&self) -> &[u8] {
        if self.ptr.is_null() {
            return &[];
        }
        // SAFETY: pointer and length come from a live payload (or from the program, which says so by
        // skynet.dispatch_message) and are read before the message is over.
        unsafe { std::slice::from_raw_parts(self.ptr.cast(), self.len) }
    }
}

impl VmPtr {
    /// Handles one message and what follows from it. `from` is the Lua thread below, if any.
    pub fn dispatch(self, message: &Incoming, from: Option<State>) -> Flow {
        let flow = match message.kind {
            kind::RESPONSE => self.on_response(message, from),
            kind::ERROR => {
                self.error_arrived(message.session, message.source);
                Flow::Done
            }
            _ => self.on_request(message, from),
        };
        match flow {
            Flow::Done => self.drain(from),
            Flow::Preempted => Flow::Preempted,
        }
    }

    /// Takes up the message where a preemption stopped it.
    pub fn go_on(self, from: Option<State>) -> Flow {
        let index = self.cos.running;
        match self.resume_coroutine(index, 0, from) {
            Flow::Done => self.drain(from),
            Flow::Preempted => Flow::Preempted,
        }
    }

    /// Runs wakeups, failed calls and forks until none is left.
    fn drain(mut self, from: Option<State>) -> Flow {
        loop {
            if self.dying {
                return Flow::Done;
            }
            let flow = if let Some(token) = self.waits.wakeups.pop_front() {
                self.wake(token, from)
            } else if let Some((session, why)) = self.waits.failures.pop_front() {
                self.fail(session, why, from)
            } else if let Some(fork) = self.waits.forks.pop_front() {
                let index = self.begin_fork(fork);
                // A killed fork's record is empty, or already somebody else's.
                let state = self.co(index).state;
                let args = state.top() - 1;
                self.resume_coroutine(index, args, from)
            } else {
                return Flow::Done;
            };
            if flow == Flow::Preempted {
                return flow;
            }
        }
    }

    fn wake(mut self, token: crate::waits::Token, from: Option<State>) -> Flow {
        let Some((index, session)) = self.take_sleeper(token) else {
            return Flow::Done;
        };
        // One that the debugger had stopped has no function that would do it.
        self.free_token(index);
        self.give_up_wait(session);
        self.waits.woken = Woken::Break;
        self.resume_coroutine(index, 0, from)
    }

    fn fail(mut self, session: i32, why: Woken, from: Option<State>) -> Flow {
        let Some(waiter) = self.waits.sessions.remove(&session) else {
            return Flow::Done;
        };
        if why == Woken::TimedOut {
            self.drop_answer(session);
        }
        // Killed by a coroutine that ran meanwhile.
        if waiter.wait == Wait::Broken {
            return Flow::Done;
        }
        self.waits.woken = why;
        self.resume_coroutine(waiter.coroutine, 0, from)
    }

    /// The answer to `session`, when it comes, is nobody's.
    fn drop_answer(self, session: i32) {
        self.note_wait(session, NONE, Wait::Broken);
    }

    fn on_response(mut self, message: &Incoming, from: Option<State>) -> Flow {
        let Some(mut waiter) = self.waits.sessions.remove(&message.session) else {
            self.unknown_response(message);
            return Flow::Done;
        };
        if let Wait::Deferred(function) = waiter.wait {
            waiter = Waiter {
                coroutine: self.begin_deferred(function),
                wait: Wait::Timer,
                since: waiter.since,
            };
        }
        let mut args = 0;
        match waiter.wait {
            Wait::Broken => return Flow::Done,
            Wait::Deadline => {
                self.deadlines_due(message.session);
                return Flow::Done;
            }
            Wait::Timer => {
                // The function of a timeout finds these arguments on skynet too.
                let state = self.co(waiter.coroutine).state;
                state.push_bool(true);
                state.push_light(message.ptr);
                state.push_int(message.len as i64);
                state.push_int(message.session.into());
                args = 4;
            }
            Wait::Call(..) | Wait::Sleep | Wait::Wakeup | Wait::Deferred(_) => {}
        }
        self.waits.woken = Woken::Answered;
        self.waits.answer = (message.ptr as usize, message.len);
        self.resume_coroutine(waiter.coroutine, args, from)
    }

    /// An error message: one call failed, or (session 0) its source is down.
    pub fn error_arrived(mut self, session: i32, source: Address) {
        if session == 0 {
            self.service_down(source);
            return;
        }
        let known = self.waits.sessions.get(&session);
        match known.map(|w| w.wait) {
            Some(Wait::Call(..)) => self.waits.failures.push_back((session, Woken::Failed)),
            // Given up before; nothing more comes.
            Some(Wait::Broken) => {
                self.waits.sessions.remove(&session);
            }
            _ => {}
        }
    }

    /// Drops the open responses to `source` and fails the calls made to it by address.
    pub fn service_down(mut self, source: Address) {
        self.responses.retain(|_, open| open.source != source);
        let mut failed: Vec<i32> = self
            .waits
            .sessions
            .iter()
            .filter(|(_, w)| matches!(w.wait, Wait::Call(to, _) if to == source))
            .map(|(session, _)| *session)
            .collect();
        failed.sort_unstable();
        let failed = failed.into_iter().map(|session| (session, Woken::Failed));
        self.waits.failures.extend(failed);
    }

    fn on_request(mut self, message: &Incoming, from: Option<State>) -> Flow {
        let index = self.take_coroutine();
        let co = self.co(index);
        co.session = message.session;
        co.source = message.source;
        co.kind = message.kind;
        co.answer = Answer::Open;
        let state = co.state;
        match self.prepare(state, message) {
            Ok(args) => {
                if self.tracing.switched || !self.tracing.announced.is_empty() {
                    self.begin_trace(index, message);
                }
                self.resume_coroutine(index, args, from)
            }
            Err(refused) => {
                state.set_top(0);
                self.release_coroutine(index);
                self.refuse(refused, message);
                Flow::Done
            }
        }
    }

    /// Puts handler, session, source and the unpacked values on `state`; the number of arguments.
    fn prepare(self, state: State, message: &Incoming) -> Result<i32, Refused> {
        if message.kind == kind::DEBUG && !self.protocols_full {
            crate::bindings::skynet::fill_protocols(self, state);
        }
        state.push_ref(self.refs.proto);
        if state.raw_get_i(-1, message.kind.into()) != ffi::LUA_TTABLE {
            return Err(Refused::NoProtocol);
        }
        self.push_class_field(state, -1, self.names.unpack);
        let builtin = state.is_fn(-1, seri::unpack);
        if self.push_class_field(state, -2, self.names.dispatch) == ffi::LUA_TNIL {
            if message.kind != kind::DEBUG {
                state.pop(2);
                return Err(Refused::NoDispatch);
            }
            state.pop(1);
            state.push_fn(lifecycle::debug_request);
        }
        // [proto, class, unpack, dispatch] -> [dispatch, unpack]
        state.replace(1);
        state.replace(2);
        state.set_top(2);
        let unpacked = if builtin {
            state.set_top(1);
            state.push_int(message.session.into());
            state.push_int(message.source.0.into());
            // SAFETY: `state` is a fresh coroutine of this VM; the limit is lifted.
            unsafe { seri::unpack_to_stack(state.ptr(), message.bytes()) }
                .map_err(|e| Refused::Unpack(e.to_string().into_bytes()))?
        } else {
            self.custom_unpack(state, message)?
        };
        Ok(unpacked + 2)
    }

    /// The program's own `unpack`, under pcall on the main thread. The stack is [dispatch, unpack].
    fn custom_unpack(self, state: State, message: &Incoming) -> Result<i32, Refused> {
        let main = self.main;
        main.push_fn(lifecycle::error_traceback);
        let base = main.top();
        state.move_to(main, 1);
        state.push_int(message.session.into());
        state.push_int(message.source.0.into());
        main.push_light(message.ptr);
        main.push_int(message.len as i64);
        let status = preempt::within(main, || main.pcall(2, ffi::LUA_MULTRET, base));
        let results = main.top() - base;
        if status != ffi::LUA_OK {
            let text = self.error_value_text();
            main.set_top(base - 1);
            return Err(Refused::Unpack(text));
        }
        if !state.check_stack(results + 8) {
            main.set_top(base - 1);
            return Err(Refused::Unpack(b"stack overflow: too many values".to_vec()));
        }
        main.move_to(state, results);
        main.set_top(base - 1);
        Ok(results)
    }

    /// A message that no handler takes: a call is answered with an error, a send goes to the handler
    /// of unknown requests, which by default is an error in the log.
    fn refuse(mut self, why: Refused, message: &Incoming) {
        let protocol = match why {
            Refused::Unpack(text) => {
                // Not answered now, but when this service exits.
                if message.session != 0 && self.unread.len() < UNREAD_MAX {
                    self.unread.push((message.source, message.session));
                }
                return self.note_error(&text);
            }
            Refused::NoProtocol if message.kind == kind::TRACE => {
                let tag = message.bytes().into();
                self.tracing.announced.insert(message.source, tag);
                return;
            }
            Refused::NoProtocol => None,
            Refused::NoDispatch => Some(()),
        };
        if message.session != 0 {
            self.answer_error(message.source, message.session);
            return;
        }
        self.unknown_request(message, protocol.is_some());
    }

    fn unknown_request(self, message: &Incoming, named: bool) {
        let main = self.main;
        let base = main.top();
        if named {
            main.push_ref(self.refs.proto);
            main.raw_get_i(-1, message.kind.into());
            main.raw_get_lit(-1, c"name");
            main.replace(base + 1);
            main.set_top(base + 1);
        } else {
            main.push_int(message.kind.into());
        }
        match self.refs.unknown_request {
            0 => main.push_fn(lifecycle::unknown_request),
            own => main.push_ref(own),
        }
        push_raw(main, message);
        main.push_value(base + 1);
        self.call_handler(5);
        main.set_top(base);
    }

    fn unknown_response(self, message: &Incoming) {
        let main = self.main;
        let base = main.top();
        match self.refs.unknown_response {
            0 => main.push_fn(lifecycle::unknown_response),
            own => main.push_ref(own),
        }
        push_raw(main, message);
        self.call_handler(4);
        main.set_top(base);
    }

    /// Calls a handler of unknown messages on the main thread; an error is noted.
    fn call_handler(self, args: i32) {
        let main = self.main;
        if preempt::within(main, || main.pcall(args, 0, 0)) != ffi::LUA_OK {
            let text = self.error_value_text();
            self.note_error(&text);
        }
    }

    /// Gives control to a coroutine whose function and `args` arguments are on its stack (or which
    /// goes on with none), then settles what it left.
    pub fn resume_coroutine(mut self, index: u32, args: i32, from: Option<State>) -> Flow {
        let state = {
            let co = self.co(index);
            co.doing = Doing::Running;
            co.state
        };
        let below = std::mem::replace(&mut self.cos.running, index);
        let resumed = preempt::run(self, state, from, args);
        let flow = self.settle(index, resumed);
        if flow == Flow::Done {
            self.cos.running = if from.is_some() { below } else { NONE };
            // An answer that nobody took is not to be found later: its memory goes with the message.
            self.waits.woken = Woken::default();
        }
        flow
    }

    /// After a coroutine gave up control: it ended, failed, waits, or was preempted.
    fn settle(mut self, index: u32, resumed: Resumed) -> Flow {
        match resumed {
            Resumed::Finished(_) => self.finish(index),
            Resumed::Failed => self.failed(index),
            Resumed::Yielded(_) if self.preempted => {
                self.preempted = false;
                return Flow::Preempted;
            }
            Resumed::Yielded(values) => {
                let state = self.co(index).state;
                if std::mem::take(&mut self.suspending) || self.is_passed_on(index, values) {
                    state.pop(values);
                    preempt::disarm(state);
                } else {
                    self.stray_yield(index, values);
                }
            }
        }
        Flow::Done
    }

    /// A wait inside a plain coroutine, which the program has passed on by a yield of its own, as a
    /// coroutine library made for skynet does: `SUSPEND` from a coroutine that a session belongs to.
    fn is_passed_on(mut self, index: u32, values: i32) -> bool {
        let co = self.co(index);
        let waits = matches!(co.doing, Doing::Waiting(_));
        waits && values > 0 && co.state.string(-values) == Some(b"SUSPEND")
    }

    fn finish(mut self, index: u32) {
        self.forsake(index);
        let co = self.co(index);
        let state = co.state;
        if co.answer == Answer::Open && co.session != 0 {
            self.forgotten(index);
        }
        if let Tag::On(tag) = &self.co(index).tag {
            let tag = tag.clone();
            self.trace_line(&tag, "end");
        }
        state.set_top(0);
        preempt::disarm(state);
        self.release_coroutine(index);
    }

    fn forgotten(mut self, index: u32) {
        let (session, source, kind) = {
            let co = self.co(index);
            (co.session, co.source, co.kind)
        };
        let main = self.main;
        let base = main.top();
        main.push_ref(self.refs.proto);
        let mut place = String::from("?");
        if main.raw_get_i(-1, kind.into()) == ffi::LUA_TTABLE
            && main.raw_get_lit(-1, c"dispatch") == ffi::LUA_TFUNCTION
        {
            place = crate::control::definition(main);
        }
        main.set_top(base);
        self.log(format!(
            "Maybe forgot response session {session} from {source} : {place}"
        ));
    }

    fn failed(mut self, index: u32) {
        let state = self.co(index).state;
        let text = self.traceback_of(state);
        if let Tag::On(tag) = &self.co(index).tag {
            let tag = tag.clone();
            self.trace_line(&tag, "error");
        }
        self.abandon_request(index);
        self.note_error(&text);
        self.discard(index);
    }

    /// Ends a coroutine in any state and gives its record back.
    pub fn discard(mut self, index: u32) {
        self.forsake(index);
        self.free_token(index);
        if self.cos.init == index {
            self.cos.init = NONE;
        }
        let state = self.co(index).state;
        preempt::within(state, || state.close_thread(None));
        state.set_top(0);
        preempt::disarm(state);
        self.release_coroutine(index);
    }

    /// A coroutine yielded out of the framework: it is lost; with a value that is said.
    fn stray_yield(mut self, index: u32, values: i32) {
        let state = self.co(index).state;
        if values == 0 || state.type_of(-values) == ffi::LUA_TNIL {
            state.pop(values);
            return;
        }
        state.check_stack(4);
        let user = state.string(-values) == Some(b"USER");
        if user {
            state.pop(values);
            state.push_lit(c"Call skynet.coroutine.yield out of skynet.coroutine.resume");
        } else {
            state.push_tostring(-values);
            state.push_lit(c"Unknown command : ");
            state.insert(-2);
            state.concat(2);
        }
        let text = self.traceback_of(state);
        state.set_top(0);
        self.abandon_request(index);
        self.note_error(&text);
        self.discard(index);
    }

    /// Text and traceback of the error object on top of `of`, which stays.
    pub fn traceback_of(mut self, of: State) -> Vec<u8> {
        // A main thread that failed cannot call; a coroutine of the pool can.
        let spare = (of == self.main).then(|| self.take_coroutine());
        let main = spare.map_or(self.main, |index| self.co(index).state);
        let base = main.top();
        main.check_stack(8);
        main.push_fn(lifecycle::describe_error);
        main.push_light(of.ptr().cast());
        // Where it failed, the function's own room on the stack may be used up.
        of.check_stack(1);
        of.push_value(-1);
        of.move_to(main, 1);
        preempt::within(main, || main.pcall(2, 1, 0));
        let text = main
            .text(-1)
            .unwrap_or(b"<error object without text>")
            .to_vec();
        main.set_top(base);
        if let Some(index) = spare {
            self.release_coroutine(index);
        }
        text
    }

    /// Text of the error object on top of the main thread, which stays.
    pub fn error_value_text(self) -> Vec<u8> {
        self.main
            .text(-1)
            .map_or_else(|| b"<error object without text>".to_vec(), <[u8]>::to_vec)
    }

    /// Adds an error to those of this message.
    pub fn note_error(mut self, text: &[u8]) {
        self.shared.options.hooks.count_error();
        if !self.errors.is_empty() {
            self.errors.push(b'\n');
        }
        self.errors.extend_from_slice(text);
    }

    /// Sends an error message to a requester; false: it is gone, and nobody is left to be told.
    pub fn answer_error(self, to: Address, session: i32) -> bool {
        let message = Message {
            source: self.address(),
            session,
            kind: kind::ERROR,
            payload: Payload::empty(),
        };
        self.node.post(to, message).is_ok()
    }

    fn begin_trace(mut self, index: u32, message: &Incoming) {
        let announced = self.tracing.announced.remove(&message.source);
        let main = self.main;
        let base = main.top();
        main.push_ref(self.refs.proto);
        main.raw_get_i(-1, message.kind.into());
        let switch = (main.raw_get_lit(-1, c"trace") != ffi::LUA_TNIL).then(|| main.to_bool(-1));
        main.set_top(base);
        let tag = match (switch, announced) {
            (Some(false), _) => Tag::Off,
            (_, Some(tag)) => Tag::On(tag),
            (Some(true), None) => Tag::On(self.fresh_tag()),
            (None, None) => Tag::None,
        };
        if let Tag::On(tag) = &tag {
            self.trace_line(tag, "request");
        }
        self.co(index).tag = tag;
    }
}

/// Why a request reached no handler.
enum Refused {
    NoProtocol,
    NoDispatch,
    Unpack(Vec<u8>),
}

fn push_raw(main: State, message: &Incoming) {
    main.push_int(message.session.into());
    main.push_int(message.source.0.into());
    main.push_light(message.ptr);
    main.push_int(message.len as i64);
}

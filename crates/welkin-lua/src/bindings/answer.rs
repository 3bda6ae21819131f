//! Answering: `skynet.ret`, `retpack`, `response`, `ignoreret`, `context`.

use mlua_sys as ffi;
use welkin_runtime::{Address, Message, Payload, kind};

use super::send::{pack_values, payload_arg};
use super::seri;
use crate::border::{LuaError, LuaResult};
use crate::coroutines::Answer;
use crate::lua_fn;
use crate::state::State;
use crate::vm::{OpenResponse, VmPtr};

/// Takes the request of the running coroutine, to answer it once.
fn take_request(mut vm: VmPtr, otherwise: &str) -> Result<(Address, i32), LuaError> {
    let Some(index) = vm.running() else {
        return Err(LuaError::new(otherwise));
    };
    let co = vm.co(index);
    if co.answer != Answer::Open {
        return Err(LuaError::new(otherwise));
    }
    co.answer = Answer::Done;
    Ok((co.source, co.session))
}

/// Posts an answer; false when the requester is gone.
fn answer(vm: VmPtr, to: Address, session: i32, payload: Option<Payload>) -> bool {
    let Some(payload) = payload else {
        vm.log(format!("error: The message to {:x} is too large", to.0));
        vm.answer_error(to, session);
        return false;
    };
    let message = Message {
        source: vm.address(),
        session,
        kind: kind::RESPONSE,
        payload,
    };
    vm.node.post(to, message).is_ok()
}

fn ret_payload(vm: VmPtr, state: State, payload: Option<Payload>) -> LuaResult {
    let (to, session) = take_request(vm, "No session")?;
    let done = session != 0 && {
        if let Some(tag) = vm.tag() {
            vm.trace_line(&tag, "response");
        }
        answer(vm, to, session, payload)
    };
    state.push_bool(done);
    Ok(1)
}

lua_fn! {
    /// `skynet.ret([msg[, sz]]) -> boolean`: answers the request of the running coroutine.
    fn ret(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let payload = match state.type_of(1) {
            ffi::LUA_TNIL | ffi::LUA_TNONE => Some(Payload::empty()),
            _ => payload_arg(state, 1)?,
        };
        ret_payload(vm, state, payload)
    }

    /// `skynet.retpack(...)`: `ret(pack(...))`.
    fn retpack(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let payload = pack_values(state, 1)?;
        ret_payload(vm, state, Some(payload))
    }

    /// `skynet.response([pack]) -> f`: takes over the answer of the running request.
    fn response(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        state.set_top(1);
        let (source, session) = take_request(vm, "no session")?;
        if session == 0 {
            state.push_fn(respond_to_send);
            return Ok(1);
        }
        let key = vm.response_next;
        vm.response_next += 1;
        vm.responses.insert(key, OpenResponse { session, source });
        state.push_int(key as i64);
        if state.type_of(1) <= ffi::LUA_TNIL {
            state.push_fn(seri::pack);
        } else {
            state.push_value(1);
        }
        state.push_closure(respond, 2);
        Ok(1)
    }

    /// What `response` gives for a send: nothing is to be answered.
    fn respond_to_send(_call: &mut Call) -> LuaResult {
        Ok(0)
    }

    /// What `response` gives: `f(true, ...)`, `f(false)`, `f("TEST")`.
    fn respond(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        let key = state.to_int(state.upvalue(1)).unwrap_or(-1);
        let open = vm.responses.get(&(key as u64)).copied();
        if state.string(1) == Some(b"TEST") {
            state.push_bool(key >= 0 && open.is_some());
            return Ok(1);
        }
        if key < 0 {
            return Err(LuaError::new("Can't response more than once"));
        }
        let Some(open) = open else {
            close_response(state);
            state.push_bool(false);
            return Ok(1);
        };
        let payload = if state.to_bool(1) { Some(response_payload(state)?) } else { None };
        close_response(state);
        vm.responses.remove(&(key as u64));
        let done = match payload {
            Some(payload) => answer(vm, open.source, open.session, payload),
            None => vm.answer_error(open.source, open.session),
        };
        state.push_bool(done);
        Ok(1)
    }

    /// `skynet.ignoreret()`: the running request is not to be answered.
    fn ignoreret(call: &mut Call) -> LuaResult {
        let mut vm = call.vm();
        if let Some(index) = vm.running() {
            vm.co(index).answer = Answer::Done;
        }
        Ok(0)
    }

    /// `skynet.context() -> session, source` of the running request.
    fn context(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        let Some(index) = vm.running() else {
            state.push_nil();
            state.push_nil();
            return Ok(2);
        };
        let co = vm.co(index);
        match co.answer {
            Answer::Open => state.push_int(co.session.into()),
            Answer::None | Answer::Done => state.push_nil(),
        }
        match co.answer {
            Answer::None => state.push_nil(),
            _ => state.push_int(co.source.0.into()),
        }
        Ok(2)
    }
}

/// The closure answers no more.
fn close_response(state: State) {
    state.push_int(-1);
    state.replace(state.upvalue(1));
}

/// Packs the values behind the first by the closure's `pack`.
fn response_payload(state: State) -> Result<Option<Payload>, LuaError> {
    let pack = state.upvalue(2);
    if state.is_fn(pack, seri::pack) {
        return pack_values(state, 2).map(Some);
    }
    let values = state.top() - 1;
    state.push_value(pack);
    state.insert(2);
    state.call(values, ffi::LUA_MULTRET);
    match state.type_of(2) {
        ffi::LUA_TNIL | ffi::LUA_TNONE => Ok(Some(Payload::empty())),
        _ => payload_arg(state, 2),
    }
}

impl VmPtr {
    /// The caller of the coroutine's request, if it still waits, gets an error.
    pub fn abandon_request(self, index: u32) {
        if let Some((source, session)) = self.withdraw_request(index) {
            self.answer_error(source, session);
        }
    }

    /// Source and session of the coroutine's request, if it waits for an answer; it counts as answered.
    pub fn withdraw_request(mut self, index: u32) -> Option<(Address, i32)> {
        let co = self.co(index);
        if co.answer != Answer::Open || co.session == 0 {
            return None;
        }
        co.answer = Answer::Done;
        Some((co.source, co.session))
    }
}

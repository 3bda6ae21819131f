//! Sending: `skynet.send`, `rawsend`, `redirect`, `genid`, and the raw forms of `skynet.core`.

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_runtime::{Address, Message, Payload};

use super::{pointer, seri};
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;
use crate::vm::VmPtr;

/// Payloads of this size and more are refused.
const PAYLOAD_MAX: u64 = 1 << 56;

/// Where a message goes.
#[derive(Copy, Clone, Debug)]
pub enum Target {
    /// To this address (NONE: the text `:0`).
    Service(Address),
    /// To a local name that nobody has.
    Nobody,
    /// To the global name at this stack index.
    Global(c_int),
}

impl Target {
    /// The address, when the target is one.
    pub fn address(self) -> Address {
        match self {
            Self::Service(address) => address,
            _ => Address::NONE,
        }
    }
}

/// The target named by the value at `index`.
#[inline]
pub fn target(vm: VmPtr, state: State, index: c_int) -> Result<Target, LuaError> {
    if let Some(n) = state.to_int(index)
        && n as u32 != 0
    {
        return Ok(Target::Service(Address(n as u32)));
    }
    match state.type_of(index) {
        ffi::LUA_TNUMBER => Err(LuaError::new("Invalid service address 0")),
        ffi::LUA_TSTRING => Ok(named(vm, state, index)),
        _ => Err(LuaError::new(format!(
            "dest address type ({}) must be a string or number.",
            state.type_name(index)
        ))),
    }
}

fn named(vm: VmPtr, state: State, index: c_int) -> Target {
    let name = state.string(index).unwrap_or_default();
    match name.first() {
        Some(b':') => Target::Service(Address(parse_hex(&name[1..]))),
        Some(b'.') => match vm.node.name_query(&name[1..]) {
            Some(address) => Target::Service(address),
            None => Target::Nobody,
        },
        _ => Target::Global(index),
    }
}

/// Leading hex digits as a number, as C's strtoul reads them.
pub fn parse_hex(text: &[u8]) -> u32 {
    text.iter()
        .map_while(|c| (*c as char).to_digit(16))
        .fold(0u64, |value, digit| {
            (value << 4 | u64::from(digit)) & 0xffff_ffff_ffff
        }) as u32
}

/// The payload given at `index` (and its size behind it). `None`: too large; a given buffer is freed.
#[inline]
pub fn payload_arg(state: State, index: c_int) -> Result<Option<Payload>, LuaError> {
    match state.type_of(index) {
        ffi::LUA_TSTRING => Ok(Some(Payload::copy_from(
            state.string(index).unwrap_or_default(),
        ))),
        ffi::LUA_TLIGHTUSERDATA => {
            let size = state.check_int(index + 1);
            let pointer = state.to_userdata(index);
            let too_large = size as u64 >= PAYLOAD_MAX;
            let len = if too_large { 0 } else { size as usize };
            if let Err(why) = pointer::refuse_given(state, pointer, len) {
                return Err(LuaError::new(format!(
                    "invalid param {pointer:p} ({})",
                    why.to_string_lossy()
                )));
            }
            // SAFETY: by the contract of the API a light userdata given to a send is malloc'ed memory
            // of that size, which the receiver owns from now on.
            let payload = unsafe { Payload::from_raw(pointer, len) };
            Ok((!too_large).then_some(payload))
        }
        ffi::LUA_TNONE => Err(LuaError::new("invalid param no value")),
        _ => Err(LuaError::new(format!(
            "invalid param {}",
            state.type_name(index)
        ))),
    }
}

/// Posts; false when there is no such service.
#[inline]
pub fn deliver(vm: VmPtr, state: State, to: Target, message: Message) -> bool {
    match to {
        Target::Service(Address::NONE) => {
            if message.payload.is_empty() {
                return true;
            }
            vm.log("error: Destination address can't be 0");
            false
        }
        Target::Service(address) => vm.node.post(address, message).is_ok(),
        Target::Nobody => false,
        Target::Global(index) => {
            let name = state.string(index).unwrap_or_default();
            vm.node
                .post_name(&name[..name.len().min(16)], message)
                .is_ok()
        }
    }
}

/// The class of the protocol named at `index`, pushed together with the table it is in.
#[inline]
pub fn push_class(vm: VmPtr, state: State, index: c_int) -> Result<u8, LuaError> {
    state.push_ref(vm.refs.proto);
    state.push_value(index);
    if state.raw_get(-2) != ffi::LUA_TTABLE {
        if !vm.protocols_full {
            state.pop(2);
            super::skynet::fill_protocols(vm, state);
            return push_class(vm, state, index);
        }
        return Err(LuaError::new("attempt to index a nil value (local 'p')"));
    }
    vm.push_class_field(state, -1, vm.names.id);
    let id = state.to_int(-1).unwrap_or(0) as u8;
    state.pop(1);
    Ok(id)
}

/// Packs the values from `first` on by the protocol's `pack`; the class is on top of the stack, and
/// the values end two below it. Leaves the stack with anything above the values cut or not.
#[inline]
pub fn pack_by_class(vm: VmPtr, state: State, first: c_int) -> Result<Option<Payload>, LuaError> {
    let last = state.top() - 2;
    vm.push_class_field(state, -1, vm.names.pack);
    let builtin = state.is_fn(-1, seri::pack);
    if builtin {
        state.set_top(last);
        return pack_values(state, first).map(Some);
    }
    let base = state.top() - 1;
    if !state.check_stack(last - first + 2) {
        return Err(LuaError::new("stack overflow: too many values to pack"));
    }
    for index in first..=last {
        state.push_value(index);
    }
    state.call((last - first + 1).max(0), ffi::LUA_MULTRET);
    payload_arg(state, base + 1)
}

/// Packs the values from `first` to the top.
#[inline]
pub fn pack_values(state: State, first: c_int) -> Result<Payload, LuaError> {
    seri::pack_payload(state, first).map_err(|error| LuaError::new(error.to_string()))
}

/// Says that a message was too large; the result of such a send.
pub fn too_large(vm: VmPtr, to: Target) {
    vm.log(format!(
        "error: The message to {:x} is too large",
        to.address().0
    ));
}

fn push_sent(vm: VmPtr, state: State, to: Target, session: i32, message: Option<Message>) -> c_int {
    match message {
        Some(message) => {
            if !deliver(vm, state, to, message) {
                return 0;
            }
            state.push_int(session.into());
        }
        None => {
            too_large(vm, to);
            state.push_bool(false);
        }
    }
    1
}

lua_fn! {
    /// `skynet.send(addr, protocol, ...) -> 0 or nothing`.
    fn send(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.check_any(2);
        let kind = push_class(vm, state, 2)?;
        let payload = pack_by_class(vm, state, 3)?;
        let to = target(vm, state, 1)?;
        let source = vm.address();
        let message = payload.map(|payload| Message { source, session: 0, kind, payload });
        Ok(push_sent(vm, state, to, 0, message))
    }

    /// `skynet.rawsend(addr, protocol, msg[, sz])`: without packing.
    fn rawsend(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let kind = push_class(vm, state, 2)?;
        state.pop(2);
        let to = target(vm, state, 1)?;
        let source = vm.address();
        let message = payload_arg(state, 3)?.map(|payload| Message { source, session: 0, kind, payload });
        Ok(push_sent(vm, state, to, 0, message))
    }

    /// `skynet.redirect(dest, source, protocol, session, msg[, sz])`.
    fn redirect(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let kind = push_class(vm, state, 3)?;
        state.pop(2);
        redirect_as(vm, state, kind)
    }

    /// `core.redirect(addr, source, type, session, msg[, size])`.
    fn core_redirect(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let kind = state.check_int(3) as u8;
        redirect_as(vm, state, kind)
    }

    /// `core.send(addr, type, session, msg[, size])`; session nil: a new one.
    fn core_send(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let to = target(vm, state, 1)?;
        let kind = state.check_int(2) as u8;
        let session = match state.type_of(3) {
            ffi::LUA_TNIL | ffi::LUA_TNONE => vm.next_session(),
            _ => state.check_int(3) as i32,
        };
        let source = vm.address();
        let message = payload_arg(state, 4)?.map(|payload| Message { source, session, kind, payload });
        Ok(push_sent(vm, state, to, session, message))
    }

    /// `skynet.genid() -> integer`: the next session number of this service.
    fn genid(call: &mut Call) -> LuaResult {
        let session = call.vm().next_session();
        call.state.push_int(session.into());
        Ok(1)
    }
}

fn redirect_as(vm: VmPtr, state: State, kind: u8) -> LuaResult {
    let to = target(vm, state, 1)?;
    let source = match state.check_int(2) as u32 {
        0 => vm.address(),
        other => Address(other),
    };
    let session = state.check_int(4) as i32;
    let message = payload_arg(state, 5)?.map(|payload| Message {
        source,
        session,
        kind,
        payload,
    });
    Ok(push_sent(vm, state, to, session, message))
}

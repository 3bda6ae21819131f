//! The Lua module `skynet.multicast.core`: how what is published comes to the manager of the node, and from
//! there to the subscribers.
//!
//! What is published is shared by all messages that carry it ([`SharedPayload`]): it comes to the manager
//! `multicastd` with a request that says which channel it is for, and goes from there to each subscriber as
//! the bytes of its message. No pointer and no number stands for it, so there is nothing that a program could
//! make up: bytes that somebody sends by hand are bytes, which `unpack` understands or does not. And nothing is
//! to be given back: a share goes with its message, wherever that is dropped.
//!
//! Between nodes the bytes go as they are, in one message to each manager, as in skynet.

use mlua_sys as ffi;
use welkin_codec::seri::Writer;
use welkin_runtime::{Address, Message, Payload, SharedPayload, kind};

use super::send::payload_arg;
use super::skynet::Entry;
use super::{call, object};
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;
use crate::vm::VmPtr;
use crate::waits::Wait;

const FUNCTIONS: &[Entry] = &[
    (c"keep", keep),
    (c"nextid", nextid),
    (c"publish", publish),
    (c"received", received),
    (c"send", send),
    (c"spread", spread),
];

/// The node that a channel belongs to is in its low byte, so ids go in steps.
const ID_STEP: i64 = 256;
const ID_MASK: i64 = 0x7fff_ffff;

/// Something published that waits until it is known where it goes.
#[derive(Debug, Default)]
struct Kept(Option<SharedPayload>);

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module::<Kept>(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `nextid(id) -> integer`: the id behind this one.
    fn nextid(call: &mut Call) -> LuaResult {
        let id = call.state.check_int(1);
        call.state.push_int(id.wrapping_add(ID_STEP) & ID_MASK);
        Ok(1)
    }

    /// `publish(manager, channel, pointer, size)`, `publish(manager, channel, text)`: blocks until the manager
    /// has sent it on. Takes the memory over, as `skynet.pack` gives it.
    fn publish(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let published = payload_arg(state, 3)?
            .ok_or_else(|| LuaError::new("the message is too large"))?;
        // From here on the memory is owned, so nothing is asked of Lua that may raise.
        let manager = state.to_int(1).ok_or(LuaError::Argument(1, c"address expected"))?;
        let manager = Address(manager as u32);
        let channel = state.to_int(2).ok_or(LuaError::Argument(2, c"id of a channel expected"))?;
        let session = vm.next_session();
        let request = Message {
            source: vm.address(),
            session,
            kind: kind::LUA,
            payload: request(channel).carry(SharedPayload::from(published)),
        };
        if vm.node.post(manager, request).is_err() {
            return Err(LuaError::new("call to invalid address, the multicast manager has ended"));
        }
        // The answer is unpacked on an empty stack.
        state.set_top(0);
        Err(vm.block(state, session, Wait::Call(manager, kind::LUA), call::answered))
    }

    /// `received(pointer, size) -> pointer, size`: the `unpack` of a message whose bytes its handler unpacks.
    fn received(call: &mut Call) -> LuaResult {
        call.state.set_top(2);
        Ok(2)
    }

    /// `keep() -> kept`: what the message in work publishes, for after a wait.
    fn keep(call: &mut Call) -> LuaResult {
        object::push::<Kept>(call.state, 0);
        let kept = object::check::<Kept>(call.state, -1, c"kept expected")?;
        let published = published(call.vm())?;
        // SAFETY: the object that was made just now.
        unsafe { (*kept).0 = Some(published) };
        Ok(1)
    }

    /// `send(address, channel, source[, kept])`: what the message in work publishes, or was kept of an earlier
    /// one, once, to the manager of another node.
    fn send(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let to = Address(state.check_int(1) as u32);
        let (session, source) = (channel(state, 2)?, Address(state.check_int(3) as u32));
        let published = if state.is_none_or_nil(4) {
            published(vm)?
        } else {
            let kept = object::check::<Kept>(state, 4, c"kept expected")?;
            // SAFETY: a live object; taken out, so that its memory does not wait for the collector.
            unsafe { (*kept).0.take() }.ok_or(LuaError::Argument(4, c"it was sent before"))?
        };
        // A node that is gone is said in the log by whoever keeps the link to it.
        drop(vm.node.post(to, message(&published, source, session)));
        Ok(0)
    }

    /// `spread(group, channel, source) -> boolean`: what the message in work publishes to each key of `group`,
    /// an address of this node. Takes out those that are gone; false when none is left.
    fn spread(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.check_type(1, ffi::LUA_TTABLE);
        let (session, source) = (channel(state, 2)?, Address(state.check_int(3) as u32));
        state.set_top(1);
        settle(vm)?;
        let mut live = false;
        state.push_nil();
        while state.next(1) != 0 {
            state.pop(1);
            let to = state.to_int(-1).map_or(Address::NONE, |n| Address(n as u32));
            // Taken from the message in work each time, so that nothing is owned while Lua goes on.
            if vm.node.post(to, message(&published(vm)?, source, session)).is_ok() {
                live = true;
            } else {
                state.push_value(-1);
                state.push_nil();
                state.raw_set(1);
            }
        }
        state.push_bool(live);
        Ok(1)
    }
}

/// The channel at `index`, which stands in the place of a session.
fn channel(state: State, index: i32) -> Result<i32, LuaError> {
    let id = state.check_int(index);
    i32::try_from(id).map_err(|_| LuaError::Argument(index, c"no id of a channel"))
}

fn message(published: &SharedPayload, source: Address, session: i32) -> Message {
    Message {
        source,
        session,
        kind: kind::MULTICAST,
        payload: published.payload(),
    }
}

/// `PUB channel`, as the manager is asked.
fn request(channel: i64) -> Payload {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    // Three bytes are never too long.
    let _ = writer.string(b"PUB");
    writer.integer(channel);
    Payload::copy_from(&bytes)
}

/// What the message in work publishes.
fn published(vm: VmPtr) -> Result<SharedPayload, LuaError> {
    settle(vm)?;
    let carried = vm.current.payload.carried();
    carried.ok_or_else(|| LuaError::new("nothing is published by this message"))
}

/// Makes the message in work one that carries what it publishes: one from another node is its own bytes,
/// which stay where they are.
fn settle(mut vm: VmPtr) -> Result<(), LuaError> {
    if vm.current.kind == kind::MULTICAST {
        let bytes = std::mem::take(&mut vm.current.payload);
        vm.current.payload = SharedPayload::from(bytes).payload();
    }
    Ok(())
}

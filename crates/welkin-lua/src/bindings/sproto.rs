//! The Lua module `sproto.core`: schemas, and messages straight from and to the Lua stack.
//!
//! The format is `welkin_codec::sproto`'s. Schemas are shared by all VMs of the process and known by
//! checked numbers (`handle.rs`); the walks over Lua values are `encode.rs` and `decode.rs`. All
//! functions have two upvalues: what this VM knows of schemas, and the buffer of `encode`. What the
//! module `sproto` is most called for goes straight from its objects to here (`methods.rs`).

#![allow(unsafe_code)]

mod buffer;
mod decode;
mod defaults;
mod encode;
mod handle;
mod methods;

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};

use mlua_sys as ffi;
use welkin_codec::sproto::{BrokenStream, Packer, Protocol, Schema};

use super::pointer;
use super::skynet::Entry;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

use buffer::Buffer;
use handle::{Handle, Known};

const FUNCTIONS: &[Entry] = &[
    (c"decode", decode),
    (c"default", default),
    (c"deleteproto", deleteproto),
    (c"dumpproto", dumpproto),
    (c"encode", encode),
    (c"loadproto", loadproto),
    (c"methods", methods::methods),
    (c"newproto", newproto),
    (c"pack", pack),
    (c"protocol", protocol),
    (c"querytype", querytype),
    (c"saveproto", saveproto),
    (c"unpack", unpack),
];

/// Upvalues: schemas by number, and the buffer.
const KNOWN: c_int = 1;
const BUFFER: c_int = 2;

const NEED_SCHEMA: &CStr = c"Need a sproto object";
const NEED_TYPE: &CStr = c"Need a sproto_type object";

/// Bytes that a buffer keeps between two calls.
const KEPT_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Bytes on their way from `pack` and `unpack` into a Lua string.
    static PACKER: UnsafeCell<Packer> = const { UnsafeCell::new(Packer::new()) };
}

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.create_table(0, FUNCTIONS.len() as c_int);
        state.create_table(0, 1);
        Buffer::push(state);
        for (name, function) in FUNCTIONS {
            state.push_value(-2);
            state.push_value(-2);
            state.push_closure(*function, 2);
            state.raw_set_lit(-4, name);
        }
        state.pop(2);
        Ok(1)
    }

    /// `newproto(bundle) -> schema`: nothing if the bundle cannot be read.
    fn newproto(call: &mut Call) -> LuaResult {
        let bundle = call.state.check_text(1);
        let Some(handle) = Schema::from_bundle(bundle).ok().and_then(handle::register) else {
            return Ok(0);
        };
        call.state.push_light(handle.to_light());
        Ok(1)
    }

    /// `deleteproto(schema)`: it and its types cannot be used any more.
    fn deleteproto(call: &mut Call) -> LuaResult {
        let (state, handle) = (call.state, schema_argument(call.state, NEED_SCHEMA)?);
        if !handle::delete(handle) {
            return Err(gone());
        }
        handle::forget(state, state.upvalue(KNOWN), handle);
        Ok(0)
    }

    /// `dumpproto(schema)`: a listing to standard output.
    fn dumpproto(call: &mut Call) -> LuaResult {
        let text = schema(call.state, NEED_TYPE)?.1.schema().to_string();
        // SAFETY: the pointer and the length describe `text`; through C's buffer, as Lua's own output.
        unsafe { libc::printf(c"%.*s".as_ptr(), text.len() as c_int, text.as_ptr()) };
        Ok(0)
    }

    /// `querytype(schema, name) -> type`: nothing if there is none of that full name.
    fn querytype(call: &mut Call) -> LuaResult {
        let state = call.state;
        let handle = schema_argument(state, NEED_SCHEMA)?;
        let name = state.check_text(2);
        let known = known(state, handle)?;
        let Some(index) = known.schema().type_index(name) else {
            return Ok(0);
        };
        state.push_light(handle.of_type(index).to_light());
        Ok(1)
    }

    /// `protocol(schema, name or tag) -> tag or name, request, response`: nothing if there is none.
    fn protocol(call: &mut Call) -> LuaResult {
        let state = call.state;
        let handle = schema_argument(state, NEED_SCHEMA)?;
        let is_tag = match state.type_of(2) {
            ffi::LUA_TNUMBER => true,
            ffi::LUA_TSTRING => false,
            _ => return Err(LuaError::Argument(2, c"Should be number or string")),
        };
        let schema = known(state, handle)?.schema();
        let found = if is_tag {
            let tag = state.to_int(2).and_then(|tag| u16::try_from(tag).ok());
            tag.and_then(|tag| schema.protocol_by_tag(tag))
        } else {
            schema.protocol_by_name(state.string(2).unwrap_or_default())
        };
        let Some(found) = found else {
            return Ok(0);
        };
        match is_tag {
            true => state.push_bytes(&found.name),
            false => state.push_int(found.tag.into()),
        }
        push_bodies(state, handle, found);
        Ok(3)
    }

    /// `saveproto(schema[, slot])`: lays it, or nil, into a slot that all services see.
    fn saveproto(call: &mut Call) -> LuaResult {
        let state = call.state;
        let schema = match state.to_userdata(1).is_null() {
            true => None,
            false => Some(schema_argument(state, NEED_SCHEMA)?),
        };
        let slot = slot_argument(state, 2)?;
        match handle::save(schema, slot) {
            true => Ok(0),
            false => Err(gone()),
        }
    }

    /// `loadproto([slot]) -> schema`.
    fn loadproto(call: &mut Call) -> LuaResult {
        let slot = slot_argument(call.state, 1)?;
        let Some(schema) = handle::load(slot) else {
            return Err(LuaError::new(format!("nil sproto at index {slot}")));
        };
        call.state.push_light(schema.to_light());
        Ok(1)
    }

    /// `encode(type, value) -> text`.
    fn encode(call: &mut Call) -> LuaResult {
        let (state, given) = (call.state, call.state.to_userdata(1));
        if given.is_null() {
            state.check_type(2, ffi::LUA_TNIL);
            state.push_lit(c"");
            return Ok(1);
        }
        state.set_top(2);
        encoded(state, given)?.push_bytes(state, KEPT_BYTES_MAX);
        Ok(1)
    }

    /// `decode(type, text) -> table, integer`, or `decode(type, pointer, size)`, or with a table to be
    /// filled as the last argument: the message, and its size in bytes.
    fn decode(call: &mut Call) -> LuaResult {
        let (state, given) = (call.state, call.state.to_userdata(1));
        if given.is_null() {
            return Ok(0);
        }
        decoded(state, given, bytes_argument(state, 2)?)
    }

    /// `default(type) -> table`: each field with the value it would have if it were there.
    fn default(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (known, index) = type_argument(state)?;
        defaults::push(state, known.schema(), index);
        Ok(1)
    }

    /// `pack(text) -> text`, or of a pointer and a size: zeros left out.
    fn pack(call: &mut Call) -> LuaResult {
        let bytes = bytes_argument(call.state, 1)?;
        with_packer(call.state, |packer| Ok(packer.pack(bytes)))
    }

    /// `unpack(text) -> text`, or of a pointer and a size: the zeros are back.
    fn unpack(call: &mut Call) -> LuaResult {
        let bytes = bytes_argument(call.state, 1)?;
        with_packer(call.state, |packer| packer.unpack(bytes))
    }
}

/// Encodes the value on top, of the type that the light userdata is; pushes the buffer, and more.
#[inline]
fn encoded(state: State, given: *mut c_void) -> Result<Buffer, LuaError> {
    let value = state.top();
    let (known, index) = type_of(state, given)?;
    let buffer = Buffer::take(state, BUFFER);
    let result = encode::encode(state, known, index, value, buffer.bytes());
    if let Err(stop) = result {
        buffer.give_back(KEPT_BYTES_MAX);
        return Err(stop.explain(known.schema()));
    }
    Ok(buffer)
}

/// Pushes the message of that type and its size. A table on top is filled.
#[inline]
fn decoded(state: State, given: *mut c_void, bytes: &[u8]) -> LuaResult {
    let top = state.top();
    let table = (state.type_of(top) == ffi::LUA_TTABLE).then_some(top);
    let (known, index) = type_of(state, given)?;
    match decode::decode(state, known, index, bytes, table) {
        Ok(size) => {
            state.push_int(size as i64);
            Ok(2)
        }
        Err(stop) => Err(stop.explain()),
    }
}

/// Pushes what `work` makes in this thread's packer.
fn with_packer(
    state: State,
    work: impl FnOnce(&mut Packer) -> Result<&[u8], BrokenStream>,
) -> LuaResult {
    let packer = PACKER.with(UnsafeCell::get);
    // SAFETY: only this thread reaches it, and `work` runs no Lua code. Lua copies the bytes before it
    // may run a finalizer, which may use the packer again.
    unsafe {
        match work(&mut *packer) {
            Ok(bytes) => state.push_bytes(bytes),
            Err(error) => return Err(LuaError::new(error.to_string())),
        }
        trim(packer);
    }
    Ok(1)
}

/// Appends what `packed` stands for to a buffer that nobody else uses.
fn unpack_into(packed: &[u8], out: *mut Vec<u8>) -> Result<(), LuaError> {
    let packer = PACKER.with(UnsafeCell::get);
    // SAFETY: as in `with_packer`, and no Lua code runs at all.
    let result = unsafe {
        let unpacked = (*packer).unpack(packed);
        let result = unpacked.map(|bytes| (*out).extend_from_slice(bytes));
        trim(packer);
        result
    };
    result.map_err(|error| LuaError::new(error.to_string()))
}

/// Frees memory that a large message has left.
///
/// # Safety
/// It is this thread's, and nothing borrows it.
#[inline]
unsafe fn trim(packer: *mut Packer) {
    // SAFETY: by the promise.
    unsafe {
        if (*packer).capacity() > KEPT_BYTES_MAX {
            *packer = Packer::new();
        }
    }
}

/// Pushes the request's and the response's type. The null pointer is a response without contents.
fn push_bodies(state: State, schema: Handle, protocol: &Protocol) {
    let push = |index: Option<usize>| match index {
        Some(index) => state.push_light(schema.of_type(index).to_light()),
        None => state.push_nil(),
    };
    push(protocol.request);
    match protocol.confirm && protocol.response.is_none() {
        true => state.push_light(std::ptr::null_mut()),
        false => push(protocol.response),
    }
}

fn gone() -> LuaError {
    LuaError::Argument(1, c"this sproto object has been deleted")
}

/// The first argument, which is a schema, maybe a deleted one.
fn schema_argument(state: State, otherwise: &'static CStr) -> Result<Handle, LuaError> {
    let handle = Handle::of_light(state.to_userdata(1));
    handle
        .filter(|handle| handle.type_index().is_none())
        .ok_or(LuaError::Argument(1, otherwise))
}

/// What this VM knows of the schema; pushes the value that holds it.
#[inline]
fn known<'a>(state: State, handle: Handle) -> Result<&'a Known, LuaError> {
    handle::push_known(state, KNOWN, handle).ok_or_else(gone)
}

fn schema<'a>(state: State, otherwise: &'static CStr) -> Result<(Handle, &'a Known), LuaError> {
    let handle = schema_argument(state, otherwise)?;
    Ok((handle, known(state, handle)?))
}

/// The first argument, which is a type: what this VM knows of its schema, as [`known`], and its index.
fn type_argument<'a>(state: State) -> Result<(&'a Known, usize), LuaError> {
    type_of(state, state.to_userdata(1))
}

/// The same, of what the first argument is.
#[inline]
fn type_of<'a>(state: State, light: *mut c_void) -> Result<(&'a Known, usize), LuaError> {
    let handle = Handle::of_light(light);
    let found = handle.and_then(|handle| Some((handle, handle.type_index()?)));
    let Some((handle, index)) = found else {
        return Err(LuaError::Argument(1, NEED_TYPE));
    };
    let known = known(state, handle)?;
    match index < known.schema().types.len() {
        true => Ok((known, index)),
        false => Err(LuaError::Argument(1, NEED_TYPE)),
    }
}

fn slot_argument(state: State, arg: c_int) -> Result<usize, LuaError> {
    let slot = match state.is_none_or_nil(arg) {
        true => 0,
        false => state.check_int(arg),
    };
    usize::try_from(slot)
        .ok()
        .filter(|slot| *slot < handle::SLOTS)
        .ok_or_else(|| LuaError::new(format!("Invalid global slot index {slot}")))
}

/// A string, or a userdata and its size behind it. They stay while the arguments are on the stack.
#[inline(always)] // of a short message the call is a good part
fn bytes_argument<'a>(state: State, arg: c_int) -> Result<&'a [u8], LuaError> {
    match state.argument_text(arg) {
        Some(text) => Ok(text),
        None => pointed_argument(state, arg),
    }
}

/// What is no string.
#[cold]
fn pointed_argument<'a>(state: State, arg: c_int) -> Result<&'a [u8], LuaError> {
    let kind = state.type_of(arg);
    if kind != ffi::LUA_TLIGHTUSERDATA && kind != ffi::LUA_TUSERDATA {
        return Err(LuaError::Argument(arg, c"Need a string or userdata"));
    }
    let pointer = state.to_userdata(arg);
    let size = usize::try_from(state.check_int(arg + 1)).unwrap_or(usize::MAX);
    let is_there = match kind {
        ffi::LUA_TUSERDATA => size <= state.raw_len(arg),
        _ => pointer::is_readable(state, pointer, size),
    };
    if !is_there {
        return Err(LuaError::Argument(arg, c"these bytes cannot be there"));
    }
    if size == 0 {
        return Ok(&[]);
    }
    // SAFETY: within a full userdata; of a light one the program says that the bytes are there.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), size) })
}

//! The Lua module `bson`: documents of MongoDB, to and from Lua values straight on the stack.
//!
//! The byte format is `welkin_codec::bson`; here are the walks over Lua's stack ([`encode`], [`decode`])
//! and what programs see of a document: a full userdata that holds its bytes. The module needs no node.
//!
//! Every function has the same four upvalues ([`upvalue`]), so that no name is looked up, and none has to
//! be made, where that could raise. Light userdata are believed as far as they must be: skynet's
//! interface hands documents around as bare pointers.

#![allow(unsafe_code)]

mod decode;
mod encode;
mod object_id;
mod replace;
mod values;

use std::ffi::{CStr, c_int};

use mlua_sys as ffi;
use welkin_codec::bson::{BsonError, DOCUMENT_BYTES_MIN, Document};
use welkin_lua_vm::Value;

use super::socketdriver::{END, entry};
use super::{pointer, skynet::Entry};
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

pub use decode::push_table;

/// Name of the metatable in the registry, and of the type in messages.
pub(super) const METATABLE: &CStr = c"bson";

/// What the module's functions, and those of documents, find as their upvalues.
mod upvalue {
    use std::ffi::c_int;

    use mlua_sys as ffi;

    /// Metatable of documents: which upvalue it is, and its index.
    pub const DOCUMENT_NUMBER: c_int = 1;
    pub const DOCUMENT: c_int = ffi::lua_upvalueindex(DOCUMENT_NUMBER);
    /// The string `__len`.
    pub const LEN: c_int = ffi::lua_upvalueindex(2);
    /// The string `__pairs`.
    pub const PAIRS: c_int = ffi::lua_upvalueindex(3);
    /// Metatable of the buffers that encoding leaves to the collector.
    pub const BUFFER: c_int = ffi::lua_upvalueindex(4);
    /// How many there are.
    pub const COUNT: c_int = 4;
}

const FUNCTIONS: &[Entry] = &[
    (c"binary", values::binary),
    (c"date", values::date),
    (c"decode", decode::decode),
    (c"encode", encode::encode),
    (c"encode_order", encode::encode_order),
    (c"int64", values::int64),
    (c"objectid", object_id::objectid),
    (c"regex", values::regex),
    (c"timestamp", values::timestamp),
    (c"to_lightuserdata", to_lightuserdata),
    (c"type", values::type_),
];

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.set_top(0);
        state.create_table(0, FUNCTIONS.len() as c_int + 3);
        push_upvalues(state);
        let metamethods = [
            entry(c"__len", len),
            entry(c"__newindex", replace::newindex),
            entry(c"__tostring", tostring),
            END,
        ];
        let methods = [
            entry(c"decode", decode::decode),
            entry(c"makeindex", replace::makeindex),
            END,
        ];
        // Stack: module, document metatable and the other upvalues.
        let metatable = state.top() - upvalue::COUNT + 1;
        set_functions(state, metatable, &metamethods);
        state.create_table(0, methods.len() as c_int);
        state.insert(metatable);
        set_functions(state, metatable, &methods);
        state.push_value(metatable);
        state.raw_set_lit(metatable + 1, c"__index");
        state.remove(metatable);
        for (name, function) in FUNCTIONS {
            push_function(state, *function);
            state.raw_set_lit(1, name);
        }
        state.set_top(1);
        for (name, text) in [(c"null", values::NULL), (c"minkey", values::MIN_KEY), (c"maxkey", values::MAX_KEY)] {
            state.push_bytes(text);
            state.raw_set_lit(1, name);
        }
        Ok(1)
    }

    /// `to_lightuserdata(document) -> lightuserdata`: the address of its bytes, which last as long as it.
    fn to_lightuserdata(call: &mut Call) -> LuaResult {
        call.state.push_light(call.state.to_userdata(1));
        Ok(1)
    }

    /// `#document`: its bytes.
    fn len(call: &mut Call) -> LuaResult {
        let document = own_document(call.state, 1)?;
        call.state.push_int(document.len() as i64);
        Ok(1)
    }

    /// `tostring(document)`: its bytes.
    fn tostring(call: &mut Call) -> LuaResult {
        call.state.push_bytes(own_document(call.state, 1)?);
        Ok(1)
    }
}

/// Pushes what all functions have as upvalues.
fn push_upvalues(state: State) {
    // SAFETY: a live thread in a protected call; the name ends with NUL.
    unsafe { ffi::luaL_newmetatable(state.ptr(), METATABLE.as_ptr()) };
    state.push_lit(c"__len");
    state.push_lit(c"__pairs");
    encode::push_buffer_metatable(state);
}

/// Pushes a closure over the topmost values, which stay.
fn push_function(state: State, function: ffi::lua_CFunction) {
    for _ in 0..upvalue::COUNT {
        state.push_value(-upvalue::COUNT);
    }
    state.push_closure(function, upvalue::COUNT);
}

/// Puts functions into the table at `table`; the upvalues are on the top, and stay.
fn set_functions(state: State, table: c_int, functions: &[ffi::luaL_Reg]) {
    state.push_value(table);
    for _ in 0..upvalue::COUNT {
        state.push_value(-upvalue::COUNT - 1);
    }
    // SAFETY: the list ends with END; the upvalues are popped, the table stays.
    unsafe { ffi::luaL_setfuncs(state.ptr(), functions.as_ptr(), upvalue::COUNT) };
    state.pop(1);
}

/// Pushes a new document of `len` bytes, which the caller fills at once.
fn push_document(state: State, len: usize) -> *mut u8 {
    // SAFETY: all functions of the module have the metatable as this upvalue. Bytes of any kind are a valid
    // content.
    unsafe { state.new_block(len, upvalue::DOCUMENT_NUMBER).cast() }
}

/// Whether the value at `index` is one of our documents. Programs can set a metatable for tables only.
fn is_own_document(state: State, index: c_int) -> bool {
    if state.type_of(index) != ffi::LUA_TUSERDATA || state.get_metatable(index) == 0 {
        return false;
    }
    let own = state.raw_equal(-1, upvalue::DOCUMENT) != 0;
    state.pop(1);
    own
}

/// The bytes of the argument, one of our documents; else the error of a wrong argument is raised.
fn own_document<'a>(state: State, arg: c_int) -> Result<&'a [u8], LuaError> {
    if !is_own_document(state, arg) {
        // SAFETY: nothing is owned; it raises, as the metatable is another one.
        unsafe { ffi::luaL_checkudata(state.ptr(), arg, METATABLE.as_ptr()) };
    }
    document_bytes(state, arg).map_err(|error| LuaError::new(error.to_string()))
}

/// The bytes of the document that a userdata stands for. Of a full one they are its own; a light one is
/// a pointer that is followed as far as its own length says, unless it cannot be right. They live as long
/// as the value, or what it points into, stays: the caller's to see to.
pub fn document_bytes<'a>(state: State, index: c_int) -> Result<&'a [u8], BsonError> {
    described_bytes(state, &state.argument(index))
}

/// The same of a userdata that is described.
#[inline]
fn described_bytes<'a>(state: State, given: &Value) -> Result<&'a [u8], BsonError> {
    let address = given.bits as *const u8;
    let block = |have: usize, need: usize| BsonError::Block {
        have: have as i64,
        need: need as i64,
    };
    let room = match given.lua_type {
        ffi::LUA_TUSERDATA => given.len,
        ffi::LUA_TLIGHTUSERDATA if !address.is_null() => usize::MAX,
        _ => 0,
    };
    let is_light = room == usize::MAX;
    if room < DOCUMENT_BYTES_MIN
        || is_light && !pointer::is_readable(state, address.cast(), DOCUMENT_BYTES_MIN)
    {
        return Err(block(0, DOCUMENT_BYTES_MIN));
    }
    // SAFETY: a full userdata has as many; of a light one the program says that a document is there.
    let header = unsafe { std::slice::from_raw_parts(address, DOCUMENT_BYTES_MIN) };
    let Some(len) = Document::announced_len(header) else {
        return Err(block(0, DOCUMENT_BYTES_MIN));
    };
    if len > room || is_light && !pointer::is_readable(state, address.cast(), len) {
        return Err(block(if is_light { 0 } else { room }, len));
    }
    // SAFETY: as above.
    let bytes = unsafe { std::slice::from_raw_parts(address, len) };
    match bytes.last() {
        Some(0) => Ok(bytes),
        _ => Err(BsonError::End),
    }
}

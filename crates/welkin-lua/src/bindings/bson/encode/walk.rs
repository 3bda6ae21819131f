//! The walk over a Lua value that writes it as a document.

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_codec::bson::{
    DOCUMENT_BYTES_MAX, IndexName, Sink, Special, SpecialError, WRITE_DEPTH_MAX, WriteError, Writer,
};
use welkin_lua_vm::{Kind, Value};

use super::super::{document_bytes, is_own_document, upvalue};
use super::bytes::Bytes;
use crate::border::LuaError;
use crate::state::State;

/// Why a walk ended early.
pub(super) enum Stop {
    Error(LuaError),
    /// A `__len` or `__pairs`, which the plain walk must not call.
    UserCode,
}

impl From<WriteError> for Stop {
    #[cold]
    fn from(error: WriteError) -> Self {
        refuse(error.to_string())
    }
}

/// As on skynet these errors have no position.
#[cold]
fn refuse(text: impl Into<String>) -> Stop {
    Stop::Error(LuaError::plain(text))
}

#[cold]
fn hole() -> Stop {
    refuse("Bson array has a hole (nil), Use bson.null instead")
}

#[cold]
fn refuse_key(state: State, lua_type: c_int) -> Stop {
    match lua_type {
        ffi::LUA_TNUMBER => refuse("Bson dictionary's key can't be number"),
        other => refuse(format!("Invalid key type : {}", state.name_of_type(other))),
    }
}

#[cold]
fn refuse_special(error: SpecialError, content: &[u8]) -> Stop {
    match error {
        SpecialError::ObjectId => refuse(format!("{error} {}", String::from_utf8_lossy(content))),
        _ => refuse(error.to_string()),
    }
}

pub(super) struct Walk {
    pub(super) state: State,
    pub(super) bytes: Bytes,
    /// Whether Lua code may be called.
    pub(super) calls: bool,
}

impl Walk {
    fn writer(&mut self) -> Writer<'_, Bytes> {
        Writer::new(&mut self.bytes)
    }

    /// `encode`: the table at index 1, which is a document whatever is in it.
    pub(super) fn table_at_top(&mut self, _top: c_int) -> Result<(), Stop> {
        let state = self.state;
        let start = self.writer().begin();
        if state.get_metatable(1) == 0 {
            self.fields(1, 0)?;
        } else if self.push_metamethod(upvalue::PAIRS)? {
            self.called_fields(1, 0)?;
        } else {
            state.fill(1);
            self.fields(1, 0)?;
        }
        Ok(self.writer().end(start)?)
    }

    /// `encode_order`: keys and values up to `top`.
    pub(super) fn pairs_on_stack(&mut self, top: c_int) -> Result<(), Stop> {
        let start = self.writer().begin();
        for key in (1..top).step_by(2) {
            let (key, value) = (self.state.argument(key), key + 1);
            let name = match key.kind {
                Kind::Text => text_of(&key),
                _ => &[],
            };
            Writer::<Bytes>::check_name(name)?;
            let described = self.state.argument(value);
            match described.kind {
                Kind::Other => self.value(name, value, 0)?,
                _ => self.plain(name, &described)?,
            }
        }
        Ok(self.writer().end(start)?)
    }

    /// The value at `index`, as a field of a document that lies `depth` levels deep.
    fn value(&mut self, name: &[u8], index: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        let mut writer = Writer::new(&mut self.bytes);
        match state.type_of(index) {
            ffi::LUA_TSTRING => text(&mut writer, name, state.string(index).unwrap_or_default())?,
            ffi::LUA_TNUMBER => match number(state, index) {
                Number::Integer(value) => writer.integer(name, value),
                Number::Float(value) => writer.double(name, value),
            },
            ffi::LUA_TTABLE => return self.table(name, index, depth + 1),
            ffi::LUA_TBOOLEAN => writer.boolean(name, state.to_bool(index)),
            ffi::LUA_TLIGHTUSERDATA | ffi::LUA_TUSERDATA => {
                return self.encoded_document(name, index);
            }
            ffi::LUA_TNIL => return Err(hole()),
            _ => {
                return Err(refuse(format!(
                    "Invalid value type : {}",
                    state.type_name(index)
                )));
            }
        }
        Ok(())
    }

    fn encoded_document(&mut self, name: &[u8], index: c_int) -> Result<(), Stop> {
        let state = self.state;
        let is_light = state.type_of(index) == ffi::LUA_TLIGHTUSERDATA;
        if !is_light && !is_own_document(state, index) {
            return Err(refuse("Invalid value type : userdata"));
        }
        let document = document_bytes(state, index).map_err(|error| refuse(error.to_string()))?;
        self.writer().document(name, document);
        Ok(())
    }

    fn table(&mut self, name: &[u8], index: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        if depth > WRITE_DEPTH_MAX {
            return Err(refuse("Too depth while encoding bson"));
        }
        if !state.check_stack(ffi::LUA_MINSTACK) {
            return Err(refuse("stack overflow"));
        }
        let start;
        if state.get_metatable(index) != 0 {
            if self.push_metamethod(upvalue::LEN)? {
                start = self.writer().begin_array(name);
                self.called_items(index, depth)?;
                return Ok(self.writer().end(start)?);
            }
            state.get_metatable(index);
            if self.push_metamethod(upvalue::PAIRS)? {
                start = self.writer().begin_document(name);
                self.called_fields(index, depth)?;
                return Ok(self.writer().end(start)?);
            }
            state.fill(index);
        }
        let mut entry = Entry::first(state, index);
        if let Some(len) = entry.items(state, index) {
            entry.drop_value(state);
            start = self.writer().begin_array(name);
            self.items(index, len, depth)?;
        } else {
            start = self.writer().begin_document(name);
            self.fields_from(&mut entry, index, depth)?;
        }
        Ok(self.writer().end(start)?)
    }

    fn items(&mut self, index: c_int, len: usize, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        let slot = state.top() + 1;
        let (mut name, mut value) = (IndexName::default(), Value::NIL);
        for item in 1..=len as i64 {
            state.item(index, item, &mut value);
            self.described(name.name(), &value, slot, depth)?;
            name.advance();
        }
        Ok(())
    }

    /// All entries of the table.
    fn fields(&mut self, index: c_int, depth: u32) -> Result<(), Stop> {
        self.fields_from(&mut Entry::first(self.state, index), index, depth)
    }

    /// This entry of the table and those behind it.
    #[inline]
    fn fields_from(&mut self, entry: &mut Entry, index: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        // The first value may be there already.
        let slot = state.top() + c_int::from(entry.place == 0 || entry.value.kind != Kind::Other);
        while entry.place != 0 {
            if entry.key.kind != Kind::Text {
                return Err(refuse_key(state, entry.key.lua_type));
            }
            let name = text_of(&entry.key);
            Writer::<Bytes>::check_name(name)?;
            self.described(name, &entry.value, slot, depth)?;
            entry.go_on(state, index);
        }
        Ok(())
    }

    /// A value that is not on the stack, unless it is of kind `Other`: then it lies at `slot`, on top, and
    /// is popped.
    #[inline]
    fn described(
        &mut self,
        name: &[u8],
        value: &Value,
        slot: c_int,
        depth: u32,
    ) -> Result<(), Stop> {
        if value.kind != Kind::Other {
            return self.plain(name, value);
        }
        self.value(name, slot, depth)?;
        self.state.pop(1);
        Ok(())
    }

    /// A value that is not of kind `Other`.
    #[inline]
    fn plain(&mut self, name: &[u8], value: &Value) -> Result<(), Stop> {
        let mut writer = Writer::new(&mut self.bytes);
        match value.kind {
            Kind::Text => text(&mut writer, name, text_of(value))?,
            Kind::Integer => writer.integer(name, value.bits.cast_signed()),
            Kind::Float => writer.double(name, f64::from_bits(value.bits)),
            Kind::False => writer.boolean(name, false),
            Kind::True => writer.boolean(name, true),
            Kind::Nil | Kind::Other => return Err(hole()),
        }
        Ok(())
    }

    /// The field whose key is at `key` and whose value is above it.
    #[inline]
    fn field(&mut self, key: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        let Some(name) = state.string(key) else {
            return Err(refuse_key(state, state.type_of(key)));
        };
        Writer::<Bytes>::check_name(name)?;
        self.value(name, key + 1, depth)
    }

    /// Replaces the metatable on top by this metamethod; without one, pops it and gives false.
    fn push_metamethod(&mut self, name: c_int) -> Result<bool, Stop> {
        let state = self.state;
        state.push_value(name);
        if state.raw_get(-2) == ffi::LUA_TNIL {
            state.pop(2);
            return Ok(false);
        }
        if !self.calls {
            return Err(Stop::UserCode);
        }
        state.remove(-2);
        Ok(true)
    }

    /// Items of the table at `index`, read with its metamethods; the `__len` is on top.
    fn called_items(&mut self, index: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        state.push_value(index);
        state.call(1, 1);
        let slot = state.top();
        let Some(Number::Integer(len)) = if_number(state, slot) else {
            return Err(refuse("__len should return integer"));
        };
        if len < 0 {
            return Err(hole());
        }
        state.pop(1);
        let mut name = IndexName::default();
        for item in 1..=len {
            state.push_int(item);
            state.get(index);
            self.value(name.name(), slot, depth)?;
            state.pop(1);
            name.advance();
            self.check_len()?;
        }
        Ok(())
    }

    /// Fields as the `__pairs` on top iterates over the table at `index`.
    fn called_fields(&mut self, index: c_int, depth: u32) -> Result<(), Stop> {
        let state = self.state;
        let iterator = state.top();
        state.push_value(index);
        state.call(1, 3);
        state.for_each(|key| {
            self.field(key, depth)?;
            self.check_len()
        })?;
        state.set_top(iterator - 1);
        Ok(())
    }

    /// User code can go on for ever; a table cannot.
    fn check_len(&self) -> Result<(), Stop> {
        match self.bytes.written() > DOCUMENT_BYTES_MAX {
            true => Err(WriteError::TooLong.into()),
            false => Ok(()),
        }
    }
}

enum Number {
    Integer(i64),
    Float(f64),
}

fn if_number(state: State, index: c_int) -> Option<Number> {
    (state.type_of(index) == ffi::LUA_TNUMBER).then(|| number(state, index))
}

#[inline]
fn number(state: State, index: c_int) -> Number {
    let l = state.ptr();
    // SAFETY: a live thread (`State`) and, as the caller has looked, a number; nothing is converted.
    unsafe {
        if ffi::lua_isinteger(l, index) != 0 {
            Number::Integer(ffi::lua_tointegerx(l, index, std::ptr::null_mut()))
        } else {
            Number::Float(ffi::lua_tonumberx(l, index, std::ptr::null_mut()))
        }
    }
}

#[inline]
fn text(writer: &mut Writer<'_, Bytes>, name: &[u8], text: &[u8]) -> Result<(), Stop> {
    match Special::split(text) {
        None => writer.string(name, text)?,
        Some((kind, content)) => {
            let special = Special::parse_to_write(kind, content);
            writer.special(name, special.map_err(|e| refuse_special(e, content))?)?;
        }
    }
    Ok(())
}

/// The bytes of a described text, which stay while nothing is made and no Lua code runs.
#[inline]
fn text_of<'a>(value: &Value) -> &'a [u8] {
    // SAFETY: of kind `Text`, as the callers have looked, and described just now.
    unsafe { std::slice::from_raw_parts(value.bits as *const u8, value.len) }
}

/// An entry of a table. A value of kind `Other` is on top of the stack.
struct Entry {
    key: Value,
    value: Value,
    /// Where to go on; 0: there is no entry.
    place: u32,
}

impl Entry {
    #[inline]
    fn first(state: State, index: c_int) -> Self {
        let mut entry = Self {
            key: Value::NIL,
            value: Value::NIL,
            place: 0,
        };
        entry.go_on(state, index);
        entry
    }

    /// Becomes the next one.
    #[inline]
    fn go_on(&mut self, state: State, index: c_int) {
        self.place = state.entry(index, self.place, &mut self.key, &mut self.value);
    }

    /// Pops what is on the stack.
    fn drop_value(&self, state: State) {
        if self.value.kind == Kind::Other {
            state.pop(1);
        }
    }

    /// The number of items if the table at `index` is an array, as this entry, its first one, says.
    fn items(&self, state: State, index: c_int) -> Option<usize> {
        if self.place == 0 || self.key.kind != Kind::Integer {
            return None;
        }
        let first = self.key.bits.cast_signed();
        let len = state.raw_len(index);
        let is_item = usize::try_from(first).is_ok_and(|first| (1..=len).contains(&first));
        (is_item || first == 1).then_some(len)
    }
}

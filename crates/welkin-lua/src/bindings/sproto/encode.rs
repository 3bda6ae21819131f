//! Lua values to bytes: a walk over the fields of a type, which asks the table for each.
//!
//! Tables are asked with their metamethods, so Lua code may run, and leave, at nearly every step:
//! nothing here owns memory, and the buffer, which a userdata owns, is borrowed for one expression at a
//! time. Names of fields are Lua strings already ([`Known::name`]).

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_codec::sproto::{
    Block, DEPTH_MAX, Field, Kind as FieldKind, Message, Schema, Shape, TooLarge, Type,
};
use welkin_lua_vm::{Kind, Value as Found};

use super::handle::Known;
use crate::border::LuaError;
use crate::state::State;

/// Why a value cannot be encoded.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    TooLarge,
    TooDeep,
    NoStack,
    /// A value of the wrong type.
    Value {
        /// Number of the field in the schema.
        field: usize,
        /// Item of the array, or 0.
        item: i64,
        wanted: &'static str,
        found: &'static str,
    },
    /// Something that is no table where an array is wanted.
    NoTable {
        field: usize,
        found: &'static str,
    },
}

impl From<TooLarge> for Stop {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

impl Stop {
    /// As Lua programs see it.
    #[cold]
    pub fn explain(self, schema: &Schema) -> LuaError {
        let name = |number: usize| {
            let is_of = |ty: &&Type| number < ty.first_field + ty.fields.len();
            let ty = schema.types.iter().find(is_of);
            ty.map_or_else(String::new, |ty| {
                let field = &ty.fields[number - ty.first_field];
                let names = [&*ty.name, &*field.name];
                names.map(String::from_utf8_lossy).join(".")
            })
        };
        LuaError::new(match self {
            Self::TooLarge => TooLarge.to_string(),
            Self::TooDeep => "The table is too deep".into(),
            Self::NoStack => "stack overflow".into(),
            Self::Value {
                field,
                item,
                wanted,
                found,
            } => format!("{}[{item}] is not {wanted} (Is a {found})", name(field)),
            Self::NoTable { field, found } => format!(
                "{}(1) should be a table or an userdata with metamethods (Is a {found})",
                name(field)
            ),
        })
    }
}

/// Writes the message of type `ty` that the value at `index` is to `out`, which is empty. The stack is as
/// before, except after an error.
///
/// `out` is valid for the whole time, and nobody else uses it.
pub fn encode(
    state: State,
    known: &Known,
    ty: usize,
    index: c_int,
    out: *mut Vec<u8>,
) -> Result<(), Stop> {
    let schema = known.schema();
    let mut walk = Walk {
        state,
        known,
        schema,
        out,
    };
    walk.message(&schema.types[ty], index, 0)
}

struct Walk<'s> {
    state: State,
    known: &'s Known,
    schema: &'s Schema,
    out: *mut Vec<u8>,
}

/// A field on its way: what is said of it in errors, and where its values go.
#[derive(Clone, Copy)]
struct At<'s> {
    field: &'s Field,
    number: usize,
    depth: u32,
}

/// A value on the stack, with its type.
#[derive(Clone, Copy)]
struct Value {
    index: c_int,
    kind: c_int,
}

impl<'s> Walk<'s> {
    #[inline]
    fn out(&mut self) -> &mut Vec<u8> {
        // SAFETY: valid for the walk and used by nobody else (`encode`).
        unsafe { &mut *self.out }
    }

    fn message(&mut self, ty: &'s Type, index: c_int, depth: u32) -> Result<(), Stop> {
        self.enter(depth)?;
        let state = self.state;
        let mut message = Message::open(self.out(), ty.entries_max);
        let slot = state.top() + 1;
        let mut found = Found::NIL;
        for (number, field) in (ty.first_field..).zip(&ty.fields) {
            // SAFETY: the names are this VM's, and held by what holds the schema.
            let is_pushed = unsafe { state.field(index, self.known.name(number), &mut found) };
            let at = At {
                field,
                number,
                depth,
            };
            if !self.found_field(&mut message, at, &found)? && found.kind != Kind::Nil {
                if !is_pushed {
                    state.push_described(&found);
                }
                let kind = found.lua_type;
                self.field(&mut message, at, Value { index: slot, kind })?;
                state.set_top(slot - 1);
            } else if is_pushed {
                state.pop(1);
            }
        }
        message.close(self.out());
        Ok(())
    }

    /// Writes a value as it was found, if it is of the very kind that is wanted, as nearly all are.
    #[inline]
    fn found_field(
        &mut self,
        message: &mut Message,
        at: At<'s>,
        found: &Found,
    ) -> Result<bool, Stop> {
        let tag = at.field.tag;
        if at.field.shape != Shape::Single {
            return Ok(false);
        }
        match (at.field.kind, found.kind) {
            (FieldKind::Integer, Kind::Integer) => {
                message.integer(self.out(), tag, found.bits.cast_signed());
            }
            (FieldKind::String | FieldKind::Binary, Kind::Text) => {
                message.text(self.out(), tag, text_of(found))?;
            }
            (FieldKind::Boolean, Kind::True | Kind::False) => {
                message.boolean(self.out(), tag, found.kind == Kind::True);
            }
            (FieldKind::Double, Kind::Float) => {
                message.double(self.out(), tag, f64::from_bits(found.bits));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    #[inline]
    fn enter(&self, depth: u32) -> Result<(), Stop> {
        if depth >= DEPTH_MAX {
            return Err(Stop::TooDeep);
        }
        // The first message has the room that every C function has, and needs no more.
        match depth == 0 || self.state.check_stack(ffi::LUA_MINSTACK) {
            true => Ok(()),
            false => Err(Stop::NoStack),
        }
    }

    #[inline]
    fn field(&mut self, message: &mut Message, at: At<'s>, value: Value) -> Result<(), Stop> {
        let tag = at.field.tag;
        if at.field.shape != Shape::Single {
            let block = message.block(self.out(), tag);
            let top = self.state.top();
            self.array(block, at, value)?;
            self.state.set_top(top);
            return Ok(block.close(self.out())?);
        }
        match at.field.kind {
            FieldKind::Integer => {
                let value = self.integer(at, value, 0)?;
                message.integer(self.out(), tag, value);
            }
            FieldKind::Decimal(scale) => {
                let value = self.decimal(value, scale);
                message.integer(self.out(), tag, value);
            }
            FieldKind::Boolean => {
                let value = self.boolean(at, value, 0)?;
                message.boolean(self.out(), tag, value);
            }
            FieldKind::Double => {
                let value = self.double(value);
                message.double(self.out(), tag, value);
            }
            FieldKind::String | FieldKind::Binary => {
                let text = self.text(at, value, 0)?;
                message.text(self.out(), tag, text)?;
            }
            FieldKind::Struct(ty) => {
                let block = message.block(self.out(), tag);
                self.message(&self.schema.types[ty], value.index, at.depth + 1)?;
                block.close(self.out())?;
            }
        }
        Ok(())
    }

    /// The items of the table at `index`, in whatever shape. Leaves values on the stack.
    fn array(&mut self, block: Block, at: At<'s>, value: Value) -> Result<(), Stop> {
        let state = self.state;
        let index = value.index;
        let is_table = value.kind == ffi::LUA_TTABLE;
        // SAFETY: a live thread (`State`); pushes the field if there is one.
        let has_pairs = || unsafe {
            ffi::luaL_getmetafield(state.ptr(), index, c"__pairs".as_ptr()) != ffi::LUA_TNIL
        };
        match (at.field.shape, at.field.kind) {
            (Shape::Keyed { .. } | Shape::Pairs { .. }, FieldKind::Struct(ty)) => {
                let ty = &self.schema.types[ty];
                if has_pairs() {
                    return self.called_pairs(ty, at, index);
                }
                if is_table {
                    return self.pairs(ty, at, index);
                }
            }
            _ if is_table || has_pairs() => return self.items(block, at, index),
            _ => {}
        }
        let found = match at.field.shape {
            Shape::Pairs { .. } => "table",
            _ => state.type_name(index),
        };
        Err(Stop::NoTable {
            field: at.number,
            found,
        })
    }

    fn items(&mut self, block: Block, at: At<'s>, table: c_int) -> Result<(), Stop> {
        match at.field.kind {
            FieldKind::Integer => {
                let mut array = block.integers();
                self.each(table, |walk, item, value| {
                    let value = walk.integer(at, value, item)?;
                    Ok(array.push(walk.out(), value)?)
                })
            }
            FieldKind::Decimal(scale) => {
                let mut array = block.integers();
                self.each(table, |walk, _, value| {
                    let value = walk.decimal(value, scale);
                    Ok(array.push(walk.out(), value)?)
                })
            }
            FieldKind::Boolean => self.each(table, |walk, item, value| {
                let value = walk.boolean(at, value, item)?;
                Ok(block.boolean(walk.out(), value)?)
            }),
            FieldKind::Double => self.each(table, |walk, _, value| {
                let value = walk.double(value);
                Ok(block.double(walk.out(), value)?)
            }),
            FieldKind::String | FieldKind::Binary => self.each(table, |walk, item, value| {
                let text = walk.text(at, value, item)?;
                Ok(block.text(walk.out(), text)?)
            }),
            FieldKind::Struct(ty) => {
                let ty = &self.schema.types[ty];
                self.each(table, |walk, _, value| {
                    walk.element(ty, value.index, at.depth)
                })
            }
        }
    }

    /// Hands `item` the items 1, 2, ... up to the first nil.
    #[inline]
    fn each(
        &mut self,
        table: c_int,
        mut item: impl FnMut(&mut Self, i64, Value) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let state = self.state;
        let top = state.top();
        for number in 1.. {
            // SAFETY: a live thread (`State`), whose stack has room for this value (`enter`).
            let kind = unsafe { ffi::lua_geti(state.ptr(), table, number) };
            if kind == ffi::LUA_TNIL {
                break;
            }
            let index = top + 1;
            item(self, number, Value { index, kind })?;
            state.set_top(top);
        }
        Ok(())
    }

    fn element(&mut self, ty: &'s Type, index: c_int, depth: u32) -> Result<(), Stop> {
        let block = Block::open(self.out());
        self.message(ty, index, depth + 1)?;
        Ok(block.close(self.out())?)
    }

    fn pairs(&mut self, ty: &'s Type, at: At<'s>, table: c_int) -> Result<(), Stop> {
        let state = self.state;
        state.push_nil();
        let key = state.top();
        while state.next(table) != 0 {
            self.pair(ty, at, key)?;
            state.set_top(key);
        }
        Ok(())
    }

    /// Pairs as the function on top iterates.
    fn called_pairs(&mut self, ty: &'s Type, at: At<'s>, table: c_int) -> Result<(), Stop> {
        let state = self.state;
        state.push_value(table);
        state.call(1, 3);
        state.for_each(|key| self.pair(ty, at, key))
    }

    /// One element; its key is at `key`, its value above that.
    fn pair(&mut self, ty: &'s Type, at: At<'s>, key: c_int) -> Result<(), Stop> {
        let Shape::Pairs { key: key_place } = at.field.shape else {
            return self.element(ty, key + 1, at.depth);
        };
        let depth = at.depth + 1;
        self.enter(depth)?;
        let block = Block::open(self.out());
        let mut message = Message::open(self.out(), ty.entries_max);
        for (place, field) in ty.fields.iter().enumerate() {
            let number = ty.first_field + place;
            let at = At {
                field,
                number,
                depth,
            };
            let index = key + c_int::from(place != key_place);
            let kind = self.state.type_of(index);
            self.field(&mut message, at, Value { index, kind })?;
        }
        message.close(self.out());
        Ok(block.close(self.out())?)
    }

    #[inline]
    fn integer(&self, at: At<'_>, value: Value, item: i64) -> Result<i64, Stop> {
        let number = self.state.to_int(value.index);
        number.ok_or_else(|| self.wrong(at, value, item, "an integer"))
    }

    /// Rounded to the nearest, halves away from zero. What is no number is zero, and what does not fit
    /// the smallest integer, as other writers have it.
    fn decimal(&self, value: Value, scale: i32) -> i64 {
        let value = (self.double(value) * f64::from(scale)).round();
        match (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
            true => value as i64,
            false => i64::MIN,
        }
    }

    fn double(&self, value: Value) -> f64 {
        self.state.to_num(value.index).unwrap_or(0.0)
    }

    #[inline]
    fn boolean(&self, at: At<'_>, value: Value, item: i64) -> Result<bool, Stop> {
        match value.kind {
            ffi::LUA_TBOOLEAN => Ok(self.state.to_bool(value.index)),
            _ => Err(self.wrong(at, value, item, "a boolean")),
        }
    }

    /// The text, which stays while the value is on the stack. A number is none.
    #[inline]
    fn text<'a>(&self, at: At<'_>, value: Value, item: i64) -> Result<&'a [u8], Stop> {
        let is_text = value.kind == ffi::LUA_TSTRING;
        let text = is_text.then(|| self.state.text(value.index)).flatten();
        text.ok_or_else(|| self.wrong(at, value, item, "a string"))
    }

    #[cold]
    fn wrong(&self, at: At<'_>, value: Value, item: i64, wanted: &'static str) -> Stop {
        Stop::Value {
            field: at.number,
            item,
            wanted,
            found: self.state.type_name(value.index),
        }
    }
}

/// The bytes of a text that was found, which stay while nothing is made and no Lua code runs.
#[inline]
fn text_of<'a>(found: &Found) -> &'a [u8] {
    // SAFETY: of kind `Text`, as the caller has looked, and found just now.
    unsafe { std::slice::from_raw_parts(found.bits as *const u8, found.len) }
}

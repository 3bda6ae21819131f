//! Bytes to Lua values.
//!
//! Tables are made as large as they will be, from what is counted in the bytes; names of fields are
//! Lua strings already ([`Known::name`]). No Lua code runs, except that of a table the program wants filled.

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_codec::sproto::{
    Blocks, DEPTH_MAX, DecodeError, Field, Fields, Integers, Kind, Schema, Shape, Type, Wire,
    doubles,
};
use welkin_lua_vm::{Kind as ValueKind, Value};

use super::handle::Known;
use crate::border::LuaError;
use crate::state::{Name, State};

/// Why bytes cannot be decoded. With the name of the field whose elements have no key or value.
#[derive(Clone, Copy, Debug)]
pub enum Stop<'s> {
    Broken,
    TooDeep,
    NoStack,
    NoMainIndex { tag: u16, field: &'s Field },
    NoKey(&'s Field),
    NoValue(&'s Field),
}

impl From<DecodeError> for Stop<'_> {
    #[cold]
    fn from(_: DecodeError) -> Self {
        Self::Broken
    }
}

impl Stop<'_> {
    /// As Lua programs see it.
    #[cold]
    pub fn explain(self) -> LuaError {
        let name = |field: &Field| String::from_utf8_lossy(&field.name).into_owned();
        LuaError::new(match self {
            Self::Broken => DecodeError.to_string(),
            Self::TooDeep => "The table is too deep".into(),
            Self::NoStack => "stack overflow".into(),
            Self::NoMainIndex { tag, field } => {
                format!("Can't find main index (tag={tag}) in [{}]", name(field))
            }
            Self::NoKey(field) => format!("Can't find key field in [{}]", name(field)),
            Self::NoValue(field) => format!("Can't find value field in [{}]", name(field)),
        })
    }
}

/// Pushes the message of type `ty` at the front of `bytes`: a new table, or the one at index `given`,
/// which is filled. Gives the size of the message.
pub fn decode<'s>(
    state: State,
    known: &'s Known,
    ty: usize,
    bytes: &[u8],
    given: Option<c_int>,
) -> Result<usize, Stop<'s>> {
    let schema = known.schema();
    let walk = Walk {
        state,
        known,
        schema,
    };
    let ty = &schema.types[ty];
    let Some(given) = given else {
        let rest = walk.message(ty, bytes, 0)?;
        return Ok(bytes.len() - rest.len());
    };
    walk.enter(0)?;
    state.push_value(given);
    let table = state.top();
    let rest = walk.fields(ty, Fields::open(bytes)?, 0, |name, value| {
        // SAFETY: a live thread (`State`); the name is the schema's. A value that only the stack can hold is
        // there, on top. A metamethod may raise; nothing is owned.
        unsafe {
            state.push_name(name);
            match value.kind {
                ValueKind::Other => state.insert(-2),
                _ => state.push_described(&value),
            }
            ffi::lua_settable(state.ptr(), table);
        }
    })?;
    Ok(bytes.len() - rest.len())
}

struct Walk<'s> {
    state: State,
    known: &'s Known,
    schema: &'s Schema,
}

impl<'s> Walk<'s> {
    /// Pushes a message and gives what lies behind it.
    fn message<'b>(&self, ty: &'s Type, bytes: &'b [u8], depth: u32) -> Result<&'b [u8], Stop<'s>> {
        self.enter(depth)?;
        let fields = Fields::open(bytes)?;
        let state = self.state;
        state.create_table(0, fields.announced().min(ty.fields.len()) as c_int);
        let table = state.top();
        self.fields(ty, fields, depth, |name, value| {
            // SAFETY: the name is the schema's, whose holder is on the stack.
            unsafe { state.store_field(table, name, &value) };
        })
    }

    /// Pushes a message that fills `block`.
    fn whole(&self, ty: &'s Type, block: &[u8], depth: u32) -> Result<(), Stop<'s>> {
        match self.message(ty, block, depth)? {
            [] => Ok(()),
            _ => Err(Stop::Broken),
        }
    }

    #[inline]
    fn enter(&self, depth: u32) -> Result<(), Stop<'s>> {
        if depth >= DEPTH_MAX {
            return Err(Stop::TooDeep);
        }
        // The first message has the room that every C function has, and needs no more.
        match depth == 0 || self.state.check_stack(ffi::LUA_MINSTACK) {
            true => Ok(()),
            false => Err(Stop::NoStack),
        }
    }

    /// Hands `set` the name and the value of each field that the type has. A value of kind `Other` is on
    /// top, for `set` to pop.
    #[inline]
    fn fields<'b>(
        &self,
        ty: &'s Type,
        mut fields: Fields<'b>,
        depth: u32,
        set: impl Fn(Name, Value),
    ) -> Result<&'b [u8], Stop<'s>> {
        let mut place = 0;
        while let Some((tag, wire)) = fields.next()? {
            // Tags ascend on both sides.
            while ty
                .fields
                .get(place)
                .is_some_and(|field| u32::from(field.tag) < tag)
            {
                place += 1;
            }
            let Some(field) = ty.fields.get(place).filter(|f| u32::from(f.tag) == tag) else {
                continue;
            };
            let value = self.value(field, wire, depth)?;
            set(self.known.name(ty.first_field + place), value);
            place += 1;
        }
        Ok(fields.rest())
    }

    /// The value, which is pushed if it is of kind `Other`. A text is a part of the bytes.
    #[inline]
    fn value(&self, field: &'s Field, wire: Wire<'_>, depth: u32) -> Result<Value, Stop<'s>> {
        if field.shape != Shape::Single {
            self.array(field, wire.block()?, depth)?;
            return Ok(Value::OTHER);
        }
        Ok(match field.kind {
            Kind::Integer => Value::integer(wire.integer()?),
            Kind::Decimal(scale) => Value::float(divided(wire.integer()?, scale)),
            Kind::Boolean => Value::boolean(wire.boolean()?),
            Kind::Double => Value::float(wire.double()?),
            Kind::String | Kind::Binary => Value::text(wire.block()?),
            Kind::Struct(ty) => {
                self.whole(&self.schema.types[ty], wire.block()?, depth + 1)?;
                Value::OTHER
            }
        })
    }

    fn array(&self, field: &'s Field, block: &[u8], depth: u32) -> Result<(), Stop<'s>> {
        match field.kind {
            Kind::Integer => self.items(Integers::of(block)?, Value::integer),
            Kind::Decimal(scale) => self.items(Integers::of(block)?, |value| {
                Value::float(divided(value, scale))
            }),
            Kind::Boolean => self.items(block.iter(), |value| Value::boolean(*value != 0)),
            Kind::Double => self.items(doubles(block)?, Value::float),
            Kind::String | Kind::Binary => self.blocks(block, |item| Ok(Value::text(item)))?,
            Kind::Struct(ty) => {
                let ty = &self.schema.types[ty];
                match field.shape {
                    Shape::Keyed { tag, key } => self.keyed(field, ty, (tag, key), block, depth)?,
                    Shape::Pairs { key } => self.pairs(field, ty, key, block, depth)?,
                    _ => self.blocks(block, |item| {
                        self.whole(ty, item, depth + 1)?;
                        Ok(Value::OTHER)
                    })?,
                }
            }
        }
        Ok(())
    }

    /// Pushes an array of what `value` makes of its items.
    #[inline]
    fn items<T>(&self, items: impl ExactSizeIterator<Item = T>, value: impl Fn(T) -> Value) {
        self.state.create_table(length(items.len()), 0);
        let table = self.state.top();
        for (number, item) in (1..).zip(items) {
            self.state.store_item(table, number, &value(item));
        }
    }

    /// As [`Walk::items`], of items that may be broken. `value` may push one of kind `Other`.
    #[inline]
    fn blocks(
        &self,
        block: &[u8],
        value: impl Fn(&[u8]) -> Result<Value, Stop<'s>>,
    ) -> Result<(), Stop<'s>> {
        let blocks = Blocks::of(block);
        self.state.create_table(length(blocks.ahead()), 0);
        let table = self.state.top();
        for (number, item) in (1..).zip(blocks) {
            self.state.store_item(table, number, &value(item?)?);
        }
        Ok(())
    }

    /// Pushes a table of messages by one of their fields.
    fn keyed(
        &self,
        field: &'s Field,
        ty: &'s Type,
        (tag, key): (u16, Option<usize>),
        block: &[u8],
        depth: u32,
    ) -> Result<(), Stop<'s>> {
        let state = self.state;
        let missing = Stop::NoMainIndex { tag, field };
        let key = key.filter(|place| ty.fields[*place].shape == Shape::Single);
        let blocks = Blocks::of(block);
        state.create_table(0, length(blocks.ahead()));
        for item in blocks {
            self.whole(ty, item?, depth + 1)?;
            let name = self.known.name(ty.first_field + key.ok_or(missing)?);
            // SAFETY: the name is the schema's, whose holder is on the stack.
            unsafe { state.push_name(name) };
            if state.raw_get(-2) == ffi::LUA_TNIL {
                return Err(missing);
            }
            state.insert(-2);
            state.raw_set(-3);
        }
        Ok(())
    }

    /// Pushes a table of keys and values.
    fn pairs(
        &self,
        field: &'s Field,
        ty: &'s Type,
        key: usize,
        block: &[u8],
        depth: u32,
    ) -> Result<(), Stop<'s>> {
        let state = self.state;
        let blocks = Blocks::of(block);
        state.create_table(0, length(blocks.ahead()));
        let top = state.top();
        for item in blocks {
            let item = item?;
            self.enter(depth + 1)?;
            state.push_nil();
            state.push_nil();
            let mut fields = Fields::open(item)?;
            while let Some((tag, wire)) = fields.next()? {
                let Some(place) = ty.fields.iter().position(|f| u32::from(f.tag) == tag) else {
                    continue;
                };
                let value = self.value(&ty.fields[place], wire, depth + 1)?;
                if value.kind != ValueKind::Other {
                    state.push_described(&value);
                }
                state.replace(top + 1 + c_int::from(place != key));
            }
            if !fields.rest().is_empty() {
                return Err(Stop::Broken);
            }
            if state.type_of(top + 1) == ffi::LUA_TNIL {
                return Err(Stop::NoKey(field));
            }
            if state.type_of(top + 2) == ffi::LUA_TNIL {
                return Err(Stop::NoValue(field));
            }
            state.raw_set(top);
        }
        Ok(())
    }
}

fn divided(value: i64, scale: i32) -> f64 {
    value as f64 / f64::from(scale)
}

fn length(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}

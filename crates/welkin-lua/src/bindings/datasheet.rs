//! `skynet.datasheet.core`: sheets, shared by number, and their tables copied into those of programs.
//!
//! The format is `welkin_codec::datasheet`'s; what is lazy about a sheet is Lua (`skynet.datasheet`).

use welkin_codec::datasheet::{Key, Sheet, Value};

use super::object;
use crate::border::LuaError;
use crate::lua_fn;
use crate::sharedata::Version;
use crate::state::State;

/// Empty once it was released.
type Object = Option<Version<Sheet>>;

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module::<Object>(call.state, &[
            (c"fill", fill),
            (c"find", find),
            (c"new", new),
            (c"number", number),
            (c"release", release),
            (c"tables", tables),
        ]);
        Ok(1)
    }

    /// `new(text) -> sheet`: refuses what is none.
    fn new(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let text = state.check_text(1);
        object::push::<Object>(state, 0);
        let object = object::check::<Object>(state, -1, c"sheet expected")?;
        let sheet = Sheet::new(text).map_err(|error| LuaError::new(error.to_string()))?;
        // SAFETY: the object is on the stack and nobody else has it yet.
        unsafe { *object = Some(vm.shared.sheets.add(sheet)) };
        Ok(1)
    }

    /// `find(number) -> sheet`: nothing if it is gone.
    fn find(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let number = state.check_int(1).cast_unsigned();
        object::push::<Object>(state, 0);
        let object = object::check::<Object>(state, -1, c"sheet expected")?;
        let Some(sheet) = vm.shared.sheets.get(number) else {
            return Ok(0);
        };
        // SAFETY: the object is on the stack and nobody else has it yet.
        unsafe { *object = Some(sheet) };
        Ok(1)
    }

    /// `number(sheet) -> integer`
    fn number(call: &mut Call) -> LuaResult {
        // SAFETY: the borrow ends before Lua is called.
        let number = unsafe { version(call.state)? }.number;
        call.state.push_int(number.cast_signed());
        Ok(1)
    }

    /// `tables(sheet) -> integer`: as many have a number, from 0 on.
    fn tables(call: &mut Call) -> LuaResult {
        // SAFETY: the borrow ends before Lua is called.
        let count = unsafe { version(call.state)? }.data.tables();
        call.state.push_int(count.into());
        Ok(1)
    }

    /// `release(sheet)`: the object holds it no more.
    fn release(call: &mut Call) -> LuaResult {
        let object = object::check::<Object>(call.state, 1, c"sheet expected")?;
        // SAFETY: an object of ours, on the stack; dropping a sheet calls no Lua.
        unsafe { *object = None };
        Ok(0)
    }

    /// `fill(sheet, number, table) -> boolean, {key, number...}`: puts what table `number` of the sheet has
    /// into `table`, without metamethods, but lists those that are tables. False: there is no such table.
    fn fill(call: &mut Call) -> LuaResult {
        let state = call.state;
        let number = u32::try_from(state.check_int(2)).unwrap_or(u32::MAX);
        state.check_type(3, mlua_sys::LUA_TTABLE);
        state.set_top(3);
        // A hold of its own: finalizers may run, and release the object.
        object::push::<Object>(state, 0);
        let hold = object::check::<Object>(state, 4, c"sheet expected")?;
        // SAFETY: the new object is on the stack, nobody else has it, and it keeps the sheet.
        let sheet: &Sheet = unsafe {
            let version = version(state)?.clone();
            let sheet = &raw const *version.data;
            *hold = Some(version);
            &*sheet
        };
        let Some(entries) = sheet.table(number) else {
            state.push_bool(false);
            return Ok(1);
        };
        state.push_bool(true);
        state.create_table(0, 0);
        let mut below = 0;
        for (key, value) in entries {
            push_key(state, key);
            if let Value::Table(number) = value {
                state.raw_set_i(-2, below + 1);
                state.push_int(number.into());
                state.raw_set_i(-2, below + 2);
                below += 2;
            } else {
                push_value(state, value);
                state.raw_set(3);
            }
        }
        Ok(2)
    }
}

/// The first argument.
///
/// # Safety
/// What it gives is not used over a call into Lua.
unsafe fn version<'a>(state: State) -> Result<&'a Version<Sheet>, LuaError> {
    let object = object::check::<Object>(state, 1, c"sheet expected")?;
    // SAFETY: an object of ours, on the stack; by the promise it is not released meanwhile.
    let object = unsafe { &*object };
    let released = LuaError::Argument(1, c"the sheet was released");
    object.as_ref().ok_or(released)
}

fn push_key(state: State, key: Key<'_>) {
    match key {
        Key::Item(item) => state.push_int(item.into()),
        Key::Field(name) => state.push_bytes(name),
    }
}

fn push_value(state: State, value: Value<'_>) {
    match value {
        Value::Nil => state.push_nil(),
        Value::Integer(value) => state.push_int(value.into()),
        Value::Real(value) => state.push_num(value.into()),
        Value::Boolean(value) => state.push_bool(value),
        Value::Table(number) => state.push_int(number.into()),
        Value::Text(text) => state.push_bytes(text),
    }
}

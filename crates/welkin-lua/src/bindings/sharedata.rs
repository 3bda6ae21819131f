//! `skynet.sharedata.core`: versions of shared data, and what a service sees of them.
//!
//! The service `sharedatad` makes versions (`new`) and tells their numbers; readers make a *root* of a number,
//! whose proxies (`sharedata/proxy.rs`) show the version, and tell the root of newer ones. Nothing of a
//! version itself is ever a value of a program: sub tables are behind proxies, texts are copied. So a version is
//! let go as soon as nobody looks at it, whatever the program has read.

mod build;
mod proxy;

use std::ffi::c_int;

use mlua_sys as ffi;

use super::object;
use crate::border::LuaError;
use crate::lua_fn;
use crate::sharedata::Version;
use crate::sharedata::tree::{Builder, Key, Name, Tree, Value};
use crate::state::State;

use proxy::{Root, name_argument};

/// What the functions here are given and give.
#[derive(Debug, Default)]
enum Object {
    #[default]
    Empty,
    /// A version in the making.
    Making(Box<Builder>),
    Version(Version<Tree>),
    Root(Box<Root>),
}

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module::<Object>(call.state, &[
            (c"copy", copy),
            (c"info", info),
            (c"loosen", loosen),
            (c"new", new),
            (c"proxy", proxy),
            (c"release", release),
            (c"root", root),
            (c"settle", settle),
            (c"update", update),
        ]);
        Ok(1)
    }

    /// `new(table) -> version`: of what the table has now; metatables count for nothing.
    fn new(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.check_type(1, ffi::LUA_TTABLE);
        object::push::<Object>(state, 0);
        let object = object::check::<Object>(state, -1, c"version expected")?;
        let mut builder = Box::<Builder>::default();
        let making: *mut Builder = &raw mut *builder;
        // SAFETY: the object is on the stack, nobody else has it, and it owns the builder from here on.
        unsafe {
            *object = Object::Making(builder);
            build::fill(state, 1, &mut *making, 0, 0)?;
            if let Object::Making(builder) = std::mem::take(&mut *object) {
                *object = Object::Version(vm.shared.data.add(builder.finish()));
            }
        }
        Ok(1)
    }

    /// `info(version)`: its number and its bytes.
    fn info(call: &mut Call) -> LuaResult {
        let object = object::check::<Object>(call.state, 1, c"version expected")?;
        // SAFETY: an object of ours, on the stack; the borrow ends before Lua is called.
        let Object::Version(version) = (unsafe { &*object }) else {
            return Err(LuaError::Argument(1, c"version expected"));
        };
        let (number, bytes) = (version.number, version.data.size());
        call.state.push_int(number.cast_signed());
        call.state.push_int(bytes as i64);
        Ok(2)
    }

    /// `release(version)`: the object holds it no more.
    fn release(call: &mut Call) -> LuaResult {
        let object = object::check::<Object>(call.state, 1, c"version expected")?;
        // SAFETY: an object of ours, on the stack; dropping a version calls no Lua.
        unsafe {
            if let Object::Version(_) = &*object {
                *object = Object::Empty;
            }
        }
        Ok(0)
    }

    /// `root(number) -> root`: of that version; nothing if it is gone.
    fn root(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let number = state.check_int(1).cast_unsigned();
        object::push::<Object>(state, proxy::VALUES);
        let object = object::check::<Object>(state, -1, c"root expected")?;
        let Some(version) = vm.shared.data.get(number) else {
            return Ok(0);
        };
        // SAFETY: the object is on the stack and nobody else has it yet.
        unsafe { *object = Object::Root(Box::new(Root::new(version))) };
        proxy::furnish(state);
        Ok(1)
    }

    /// `proxy(root) -> table`: what shows the root table; the same one as long as anybody has it.
    fn proxy(call: &mut Call) -> LuaResult {
        let root = root_argument(call.state)?;
        while !proxy::push(call.state, root, 1, 0) {}
        Ok(1)
    }

    /// `update(root, number)`: the proxies are to show that version from their next use on, if it is newer
    /// and there still.
    fn update(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let number = state.check_int(2).cast_unsigned();
        let root = root_argument(state)?;
        if let Some(version) = vm.shared.data.get(number) {
            // SAFETY: the root of an object on the stack; no Lua is called.
            unsafe { (*root).tell(version) };
        }
        Ok(0)
    }

    /// `settle(root)`: its proxies show the newest version it was told of now.
    fn settle(call: &mut Call) -> LuaResult {
        let root = root_argument(call.state)?;
        proxy::advance(call.state, root, 1);
        Ok(0)
    }

    /// `loosen(root, metatable or nil)`: of the table that keeps the proxies.
    fn loosen(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.set_top(2);
        root_argument(state)?;
        proxy::set_keeping(state, 1);
        Ok(0)
    }

    /// `copy(root, key...) -> value`: what the version that the proxies showed last has at these keys, tables
    /// as plain ones; nothing if there is nothing. Keys behind a value that is no table do not count.
    fn copy(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (root, keys) = (root_argument(state)?, state.top());
        // Keeps the version whatever finalizers do while the copy is made.
        object::push::<Object>(state, 0);
        let object = object::check::<Object>(state, -1, c"version expected")?;
        // SAFETY: the root is on the stack, the object too and nobody else has it; so the tree stays.
        let tree: &Tree = unsafe {
            let version = (*root).version();
            let tree = &raw const *version.data;
            *object = Object::Version(version);
            &*tree
        };
        let mut value = Value::Table(0);
        for at in 2..=keys {
            let Value::Table(table) = value else {
                break;
            };
            let Some(name) = name_argument(state, at)? else {
                break;
            };
            value = tree.get(table, name).unwrap_or(Value::Nil);
        }
        if value == Value::Nil {
            return Ok(0);
        }
        push_copy(state, tree, value)?;
        Ok(1)
    }
}

/// The root that the first argument is.
fn root_argument(state: State) -> Result<*mut Root, LuaError> {
    let object = object::check::<Object>(state, 1, c"root expected")?;
    // SAFETY: an object of ours, on the stack.
    match unsafe { &mut *object } {
        Object::Root(root) => Ok(&raw mut **root),
        _ => Err(LuaError::Argument(1, c"root expected")),
    }
}

/// Pushes a value, tables with all that is in them.
fn push_copy(state: State, tree: &Tree, value: Value) -> Result<(), LuaError> {
    let Value::Table(table) = value else {
        push_plain(state, tree, value);
        return Ok(());
    };
    if !state.check_stack(4) {
        return Err(LuaError::new("stack overflow"));
    }
    let (items, fields) = tree.counts(table);
    state.create_table(items as c_int, fields as c_int);
    for (key, value) in tree.entries(table) {
        match key {
            Key::Integer(key) => {
                push_copy(state, tree, value)?;
                state.raw_set_i(-2, key);
            }
            Key::Text(key) => {
                state.push_bytes(tree.text(key));
                push_copy(state, tree, value)?;
                state.raw_set(-3);
            }
        }
    }
    Ok(())
}

/// Pushes a value that is no table.
#[inline]
fn push_plain(state: State, tree: &Tree, value: Value) {
    match value {
        Value::Nil | Value::Table(_) => state.push_nil(),
        Value::Boolean(value) => state.push_bool(value),
        Value::Integer(value) => state.push_int(value),
        Value::Float(value) => state.push_num(value),
        Value::Text(text) => state.push_bytes(tree.text(text)),
    }
}

//! `skynet.sharetable.core`: making versions of shared tables, and reading them.
//!
//! A version that a service has made is an object of its own, which `matrix` gives; other services know
//! it by its number. Nothing here asks who may: the number alone does no harm, and a stale one gives nil.

use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_lua_vm::{Version, welkin_isshared, welkin_pushshared, welkin_replace};
use welkin_runtime::blocking;

use super::object;
use crate::border::LuaError;
use crate::lua_fn;
use crate::sharetable::{self, Argument, Held};
use crate::state::State;
use crate::vm::VmPtr;

/// What `matrix` gives: empty once it was released.
type Object = Option<Held>;

lua_fn! {
    /// The module.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module::<Object>(call.state, &[
            (c"clone", clone),
            (c"info", info),
            (c"is_sharedtable", is_sharedtable),
            (c"matrix", matrix),
            (c"release", release),
            (c"replace", replace),
            (c"share", share),
        ]);
        Ok(1)
    }

    /// `is_sharedtable(value)`
    fn is_sharedtable(call: &mut Call) -> LuaResult {
        // SAFETY: looks at an argument, if there is one.
        let shared = unsafe { welkin_isshared(call.L, 1) };
        call.state.push_bool(shared != 0);
        Ok(1)
    }

    /// `matrix(source, ...)`: the version that the program `source`, or `@file`, returns when it is called
    /// with these arguments.
    fn matrix(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let source = state.check_text(1);
        object::push::<Object>(state, 0);
        let object = object::check::<Object>(state, -1, c"version expected")?;
        let count = state.top() - 1;
        let mut arguments = Vec::with_capacity(count as usize);
        for at in 2..=count {
            arguments.push(argument(state, at)?);
        }
        // The other workers' services do not wait while the program runs.
        match blocking(|| sharetable::make(source, &arguments, vm.shared.seed)) {
            // SAFETY: the object is on the stack and nobody else has it yet.
            Ok(version) => unsafe { *object = Some(vm.shared.tables.add(version)) },
            Err(text) => return Err(LuaError::Plain(String::from_utf8_lossy(&text).into_owned())),
        }
        Ok(1)
    }

    /// `share(table)`: the version of a table of this service, without anything but plain values.
    fn share(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.set_top(1);
        object::push::<Object>(state, 0);
        let object = object::check::<Object>(state, -1, c"version expected")?;
        state.insert(1);
        let Some(version) = sharetable::share(state, &[]) else {
            return Err(LuaError::Raise);
        };
        // SAFETY: the object is on the stack and nobody else has it yet.
        unsafe { *object = Some(vm.shared.tables.add(version)) };
        Ok(1)
    }

    /// `info(version)`: its number, its bytes, and its address for a log.
    fn info(call: &mut Call) -> LuaResult {
        let state = call.state;
        let (number, bytes, address) = {
            let held = check(state, 1)?;
            (held.number, held.version.bytes(), held.version.as_ptr().cast_mut())
        };
        state.push_int(number as i64);
        state.push_int(bytes as i64);
        state.push_light(address.cast());
        Ok(3)
    }

    /// `release(version)`: the object holds it no more.
    fn release(call: &mut Call) -> LuaResult {
        let object = object::check::<Object>(call.state, 1, c"version expected")?;
        // SAFETY: an object of ours, on the stack; dropping a hold calls no Lua.
        unsafe { *object = None };
        Ok(0)
    }

    /// `clone(number)`: the table, which this service keeps from now on; nil: it is gone.
    fn clone(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let number = state.check_int(1) as u64;
        let Some(at) = keep(vm, number) else {
            return Ok(0);
        };
        // SAFETY: the VM holds it until it is closed, and its seed is the node's.
        unsafe { welkin_pushshared(call.L, vm.tables[at].version.as_ptr()) };
        Ok(1)
    }

    /// `replace(old, now, ...)`: numbers of versions that this service has cloned. Puts the tables of each
    /// second one where the service has those of the first.
    fn replace(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let count = state.top() & !1;
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: a block of that many pointers, aligned by Lua, and on the stack until it was used.
        unsafe {
            let versions = ffi::lua_newuserdatauv(call.L, count as usize * size_of::<*const Version>(), 0)
                .cast::<*const Version>();
            for at in 0..count {
                let number = state.check_int(at + 1) as u64;
                let held = vm.tables.iter().find(|held| held.number == number);
                let Some(held) = held else {
                    return Err(LuaError::Argument(at + 1, c"a version of this service expected"));
                };
                versions.add(at as usize).write(held.version.as_ptr());
            }
            welkin_replace(call.L, versions, count);
        }
        Ok(0)
    }
}

fn check(state: State, index: c_int) -> Result<Held, LuaError> {
    let object = object::check::<Object>(state, index, c"version expected")?;
    // SAFETY: an object of ours, on the stack; the copy calls no Lua.
    let held = unsafe { (*object).clone() };
    held.ok_or(LuaError::Argument(index, c"the version was released"))
}

/// Where among the VM's tables that version is.
fn keep(mut vm: VmPtr, number: u64) -> Option<usize> {
    let known = vm.tables.iter().position(|held| held.number == number);
    known.or_else(|| {
        let held = vm.shared.tables.get(number)?;
        vm.tables.push(held);
        Some(vm.tables.len() - 1)
    })
}

fn argument(state: State, at: c_int) -> Result<Argument, LuaError> {
    match state.type_of(at) {
        ffi::LUA_TBOOLEAN => Ok(Argument::Boolean(state.to_bool(at))),
        ffi::LUA_TLIGHTUSERDATA => Ok(Argument::Pointer(state.to_userdata(at))),
        // SAFETY: looks at a number.
        ffi::LUA_TNUMBER => Ok(match unsafe { ffi::lua_isinteger(state.ptr(), at) } {
            0 => Argument::Float(state.to_num(at).unwrap_or_default()),
            _ => Argument::Integer(state.to_int(at).unwrap_or_default()),
        }),
        _ => Err(LuaError::Argument(at, c"Type invalid")),
    }
}

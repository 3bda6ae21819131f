//! Proxies: tables of a program that show the tables of a version.
//!
//! A proxy has one raw field, under a key that no data has: the number of the table it shows. Everything
//! else are metamethods, closures over the root, of which there is one for each name in a service. The
//! root has the version, and keeps a proxy for each table that was looked at, by number.
//!
//! When the root was told of a newer version, the next use of any proxy moves them all: each is found its
//! table at the same path, and where there is none its raw field becomes that path, for the error.
//!
//! Whatever makes a Lua value may run a finalizer, which may use proxies of this very root. So after each
//! such step the root's counters are looked at, and the work is begun again if they have changed.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};

use mlua_sys as ffi;
use welkin_lua_vm::Kind;

use super::{Key, Name, Object, Tree, Value, Version, push_plain};
use crate::bindings::info::push_owned;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

/// User values of a root, and which is which: proxies by the number of their table; their metatable.
pub const VALUES: c_int = 2;
const PROXIES: c_int = 1;
const METATABLE: c_int = 2;

/// Its address is the key of a proxy's raw field.
static PLACE: u8 = 0;

fn place_key() -> *const c_void {
    (&raw const PLACE).cast()
}

/// What the proxies of one name in one service have in common.
#[derive(Debug)]
pub struct Root {
    now: Version<Tree>,
    /// The newest version it was told of.
    next: Option<Version<Tree>>,
    /// How often the proxies have moved.
    moves: u64,
    /// How many proxies were made.
    made: u64,
    /// While they move: numbers of tables now and in the next version.
    plan: Vec<(u32, Option<u32>)>,
}

impl Root {
    /// One that shows `version`.
    pub fn new(version: Version<Tree>) -> Self {
        Self {
            now: version,
            next: None,
            moves: 0,
            made: 0,
            plan: Vec::new(),
        }
    }

    /// The version that was looked at last.
    pub fn version(&self) -> Version<Tree> {
        self.now.clone()
    }

    /// Notes that there is a version, if it is a newer one.
    pub fn tell(&mut self, version: Version<Tree>) {
        let known = self.next.as_ref().unwrap_or(&self.now).number;
        if version.number > known {
            self.next = Some(version);
        }
    }

    fn state(&self) -> (u64, u64) {
        (self.moves, self.made)
    }

    fn planned(&self, i: usize) -> Option<(u32, Option<u32>)> {
        self.plan.get(i).copied()
    }

    /// Finds the successors of the tables in the plan; how many there are.
    fn find_successors(&mut self) -> usize {
        let Some(next) = &self.next else {
            return 0;
        };
        let mut known = HashMap::new();
        for (old, new) in &mut self.plan {
            *new = self.now.data.successor(*old, &next.data, &mut known);
        }
        self.plan.iter().filter(|(_, new)| new.is_some()).count()
    }
}

lua_fn! {
    /// `__index(proxy, key)`
    fn index(call: &mut Call) -> LuaResult {
        let state = call.state;
        loop {
            let root = root(state)?;
            let table = shown(state, root)?;
            let Some(name) = name_argument(state, 2)? else {
                state.push_nil();
                return Ok(1);
            };
            // SAFETY: the closure's own root; the borrow ends before Lua is called.
            let value = unsafe { (*root).now.data.get(table, name) };
            if push_value(state, root, value.ok_or(LuaError::Argument(1, NO_PROXY))?) {
                return Ok(1);
            }
            state.set_top(2);
        }
    }

    /// `__newindex(proxy, key, value)`
    fn newindex(call: &mut Call) -> LuaResult {
        let state = call.state;
        let root = root(state)?;
        state.push_where(1);
        state.push_lit(c"Error newindex, the key [");
        if place(state)? == ffi::LUA_TNUMBER {
            let table = state.to_int(-1).unwrap_or_default() as u32;
            state.pop(1);
            // SAFETY: the closure's own root; the borrow ends before Lua is called.
            push_owned(state, unsafe { (*root).now.data.path(table) });
        }
        state.push_lit(c"]");
        state.concat(4);
        Err(LuaError::Raise)
    }

    /// `__len(proxy)`
    fn len(call: &mut Call) -> LuaResult {
        let root = root(call.state)?;
        let table = shown(call.state, root)?;
        // SAFETY: the closure's own root; the borrow ends before Lua is called.
        let length = unsafe { (*root).now.data.length(table) };
        call.state.push_int(length.ok_or(LuaError::Argument(1, NO_PROXY))?);
        Ok(1)
    }

    /// `__pairs(proxy)`: the second upvalue is `step`.
    fn pairs(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.set_top(1);
        state.push_value(state.upvalue(2));
        state.push_value(1);
        state.push_nil();
        Ok(3)
    }

    /// `step(proxy, key) -> key, value`: what is behind that key, nil at the end and where there is no such
    /// key (any more).
    fn step(call: &mut Call) -> LuaResult {
        let state = call.state;
        loop {
            let root = root(state)?;
            let table = shown(state, root)?;
            let argument = state.argument(2);
            // A float is the key of nothing.
            let after = match argument.kind {
                Kind::Float => return Ok(0),
                _ => name_argument(state, 2)?,
            };
            // SAFETY: the closure's own root; the borrow ends before Lua is called.
            let (entry, moves) = unsafe { ((*root).now.data.next(table, after), (*root).moves) };
            let Some((key, value)) = entry else {
                state.push_nil();
                return Ok(1);
            };
            let key = match key {
                Key::Integer(key) => Value::Integer(key),
                Key::Text(key) => Value::Text(key),
            };
            if push_value(state, root, key) {
                // SAFETY: as above.
                let same = unsafe { (*root).moves == moves };
                if same && push_value(state, root, value) {
                    return Ok(2);
                }
            }
            state.set_top(2);
        }
    }
}

const NO_PROXY: &std::ffi::CStr = c"shared data expected";

/// Gives the root on top its proxies and their metatable.
pub fn furnish(state: State) {
    let l = state.ptr();
    let root = state.top();
    state.create_table(0, 1);
    // SAFETY: a root is at `root`, with so many user values.
    unsafe { ffi::lua_setiuservalue(l, root, PROXIES) };
    state.create_table(0, 4);
    for (name, event) in [
        (c"__index", index as ffi::lua_CFunction),
        (c"__newindex", newindex),
        (c"__len", len),
    ] {
        state.push_value(root);
        state.push_closure(event, 1);
        state.raw_set_lit(-2, name);
    }
    state.push_value(root);
    state.push_value(root);
    state.push_closure(step, 1);
    state.push_closure(pairs, 2);
    state.raw_set_lit(-2, c"__pairs");
    // SAFETY: as above.
    unsafe { ffi::lua_setiuservalue(l, root, METATABLE) };
}

/// The value on top becomes the metatable of the table that keeps the proxies of the root at `at`.
pub fn set_keeping(state: State, at: c_int) {
    push_user_value(state, at, PROXIES);
    state.insert(-2);
    state.set_metatable(-2);
    state.pop(1);
}

/// A key: nil is none.
#[inline]
pub fn name_argument<'a>(state: State, at: c_int) -> Result<Option<Name<'a>>, LuaError> {
    let key = state.argument(at);
    match key.kind {
        // SAFETY: the bytes of an argument, which stays on the stack.
        Kind::Text => Ok(Some(Name::Text(unsafe {
            std::slice::from_raw_parts(key.bits as *const u8, key.len)
        }))),
        Kind::Integer => Ok(Some(Name::Integer(key.bits.cast_signed()))),
        Kind::Nil => Ok(None),
        Kind::Float => {
            state.push_where(1);
            state.push_lit(c"Invalid key ");
            state.push_tostring(at);
            state.concat(3);
            Err(LuaError::Raise)
        }
        _ => {
            // Raises.
            state.check_text(at);
            Ok(None)
        }
    }
}

/// The root that the running metamethod is of.
#[inline]
fn root(state: State) -> Result<*mut Root, LuaError> {
    let object = state.to_userdata(state.upvalue(1)).cast::<Object>();
    // SAFETY: `furnish` put the object there. It is empty when it was collected together with an object whose
    // finalizer still uses the proxy.
    match unsafe { &mut *object } {
        Object::Root(root) => Ok(&raw mut **root),
        _ => Err(LuaError::new("the shared data was collected already")),
    }
}

/// The number of the table that the first argument shows, which is the newest version's.
#[inline]
fn shown(state: State, root: *mut Root) -> Result<u32, LuaError> {
    advance(state, root, state.upvalue(1));
    if place(state)? == ffi::LUA_TNUMBER {
        let table = state.to_int(-1).unwrap_or_default() as u32;
        state.pop(1);
        return Ok(table);
    }
    state.push_where(1);
    state.push_lit(c"The key [");
    state.push_value(-3);
    state.push_lit(c"] doesn't exist after update");
    state.concat(4);
    Err(LuaError::Raise)
}

/// Pushes the raw field of the first argument, a number or a text; its type.
#[inline]
fn place(state: State) -> Result<c_int, LuaError> {
    if state.type_of(1) != ffi::LUA_TTABLE {
        return Err(LuaError::Argument(1, NO_PROXY));
    }
    // SAFETY: a table is at 1; the key is only compared.
    let found = unsafe { ffi::lua_rawgetp(state.ptr(), 1, place_key()) };
    match found {
        ffi::LUA_TNUMBER | ffi::LUA_TSTRING => Ok(found),
        _ => Err(LuaError::Argument(1, NO_PROXY)),
    }
}

#[inline]
fn push_user_value(state: State, at: c_int, which: c_int) {
    // SAFETY: a root is at `at`, with so many user values.
    unsafe { ffi::lua_getiuservalue(state.ptr(), at, which) };
}

/// Pushes a value of the version that the root shows. False: it shows another one now.
#[inline]
fn push_value(state: State, root: *mut Root, value: Value) -> bool {
    match value {
        Value::Table(table) => push(state, root, state.upvalue(1), table),
        value => {
            // SAFETY: the closure's own root. A text's bytes are copied before anything else can run.
            let tree = unsafe { &(*root).now.data };
            push_plain(state, tree, value);
            true
        }
    }
}

/// Pushes the proxy of a table; the root is at `at` too. False: another version is shown now.
#[inline]
pub fn push(state: State, root: *mut Root, at: c_int, table: u32) -> bool {
    push_user_value(state, at, PROXIES);
    if state.raw_get_i(-1, table.into()) == ffi::LUA_TTABLE {
        state.remove(-2);
        return true;
    }
    state.pop(2);
    make(state, root, at, table)
}

fn make(state: State, root: *mut Root, at: c_int, table: u32) -> bool {
    // SAFETY: the caller's root, here and below; no borrow lasts.
    let before = unsafe { (*root).state() };
    state.create_table(0, 1);
    state.push_int(table.into());
    // SAFETY: a table is below the value.
    unsafe { ffi::lua_rawsetp(state.ptr(), -2, place_key()) };
    push_user_value(state, at, METATABLE);
    state.set_metatable(-2);
    // SAFETY: as above.
    if unsafe { (*root).state() } != before {
        return false;
    }
    push_user_value(state, at, PROXIES);
    state.push_value(-2);
    state.raw_set_i(-2, table.into());
    state.pop(1);
    // SAFETY: as above.
    unsafe { (*root).made += 1 };
    true
}

/// Moves the proxies of the root, which is at `at` too, to the newest version it was told of.
#[inline]
pub fn advance(state: State, root: *mut Root, at: c_int) {
    // SAFETY: the caller's root; no borrow lasts.
    while unsafe { (*root).next.is_some() } {
        try_to_advance(state, root, at);
    }
}

/// Everything is got ready first; the move itself makes nothing, so it cannot fail in the middle.
#[cold]
fn try_to_advance(state: State, root: *mut Root, at: c_int) {
    let top = state.top();
    // SAFETY: the caller's root, here and below; no borrow lasts over a call into Lua.
    let before = unsafe { (*root).state() };
    push_user_value(state, at, PROXIES);
    plan(state, root);
    // SAFETY: as above.
    let (all, alive) = unsafe {
        let alive = (*root).find_successors();
        ((*root).plan.len(), alive)
    };
    state.create_table(0, alive as c_int);
    state.create_table(0, (all - alive) as c_int);
    let (proxies, moved, paths) = (top + 1, top + 2, top + 3);
    for i in 0.. {
        // SAFETY: as above. A finalizer may have made another plan.
        let Some((old, new)) = (unsafe { (*root).planned(i) }) else {
            break;
        };
        if let Some(new) = new {
            state.raw_get_i(proxies, old.into());
            state.raw_set_i(moved, new.into());
        } else {
            // SAFETY: as above.
            push_owned(state, unsafe { (*root).now.data.path(old) });
            state.raw_set_i(paths, old.into());
        }
    }
    // SAFETY: as above.
    if unsafe { (*root).state() } == before {
        commit(state, root, at, top);
    }
    state.set_top(top);
}

/// Writes down the numbers of the proxies in the table on top.
fn plan(state: State, root: *mut Root) {
    // SAFETY: the caller's root; no borrow lasts over a call into Lua.
    unsafe { (*root).plan.clear() };
    state.push_nil();
    while state.next(-2) != 0 {
        let number = state.to_int(-2).unwrap_or_default() as u32;
        // SAFETY: as above.
        unsafe { (*root).plan.push((number, None)) };
        state.pop(1);
    }
}

/// Above `top` there are the proxies by their old numbers, by their new ones, and the paths of the others.
fn commit(state: State, root: *mut Root, at: c_int, top: c_int) {
    let (proxies, moved, paths) = (top + 1, top + 2, top + 3);
    // SAFETY: the caller's root. Nothing here runs other code: fields that are there already are set.
    unsafe {
        for (old, new) in std::mem::take(&mut (*root).plan) {
            if state.raw_get_i(proxies, old.into()) == ffi::LUA_TTABLE {
                match new {
                    Some(new) => state.push_int(new.into()),
                    None => _ = state.raw_get_i(paths, old.into()),
                }
                ffi::lua_rawsetp(state.ptr(), -2, place_key());
            }
            state.pop(1);
        }
        state.push_value(moved);
        ffi::lua_setiuservalue(state.ptr(), at, PROXIES);
        if let Some(next) = (*root).next.take() {
            (*root).now = next;
        }
        (*root).moves += 1;
    }
}

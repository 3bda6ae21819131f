//! Schemas of the process, and the numbers by which Lua programs know them and their types.
//!
//! Programs hold schemas and types as light userdata, pass them between services and keep them for
//! longer than they live. So the value is no address but a number that is never given twice: a mark in
//! the high bits, where no address has one, the schema's number, and the index of the type plus one.
//!
//! All schemas stand in one table behind a lock. A VM looks there once for each schema and keeps what
//! it found in a table of its own ([`Known`]), with the names of all fields as Lua strings. A deleted
//! schema is noticed by a flag.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua_sys as ffi;
use welkin_codec::sproto::Schema;

use crate::state::{Name, State, lua_State};

/// Slots in which services find schemas of others.
pub const SLOTS: usize = 16;

const MARK: u64 = 1 << 62;
const TYPE_BITS: u32 = 24;
const NUMBER_BITS: u32 = 62 - TYPE_BITS;

/// A schema, or a type of one, as programs hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(u64);

impl Handle {
    fn of_number(number: u64) -> Self {
        Self(MARK | number << TYPE_BITS)
    }

    /// From a light userdata; `None` if it never was a handle.
    #[inline]
    pub fn of_light(pointer: *mut c_void) -> Option<Self> {
        let value = pointer as u64;
        (value >> (TYPE_BITS + NUMBER_BITS) == 1).then_some(Self(value))
    }

    /// As a light userdata.
    #[inline]
    pub fn to_light(self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.0 as usize)
    }

    #[inline]
    fn number(self) -> u64 {
        (self.0 & (MARK - 1)) >> TYPE_BITS
    }

    /// The type's index; `None` for a schema.
    #[inline]
    pub fn type_index(self) -> Option<usize> {
        ((self.0 & ((1 << TYPE_BITS) - 1)) as usize).checked_sub(1)
    }

    /// The type with this index, of the same schema.
    pub fn of_type(self, index: usize) -> Self {
        Self(Self::of_number(self.number()).0 | (index as u64 + 1))
    }
}

/// A schema in use.
#[derive(Debug)]
pub struct Shared {
    schema: Schema,
    /// Set once, by whoever deletes it.
    is_gone: AtomicBool,
}

struct Registry {
    last: u64,
    /// With each: whether it is kept for ever, because it was in a slot.
    schemas: BTreeMap<u64, (Arc<Shared>, bool)>,
    slots: [Option<Handle>; SLOTS],
}

/// Without a limit: each schema belongs to an object of a program, whose collection deletes it, or was
/// put into a slot on purpose.
static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    last: 0,
    schemas: BTreeMap::new(),
    slots: [None; SLOTS],
});

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a schema in. `None`: it has more types than a handle can name.
pub fn register(schema: Schema) -> Option<Handle> {
    let mut registry = registry();
    if schema.types.len() >= 1 << TYPE_BITS || registry.last + 1 >= 1 << NUMBER_BITS {
        return None;
    }
    registry.last += 1;
    let number = registry.last;
    let is_gone = AtomicBool::new(false);
    let shared = Arc::new(Shared { schema, is_gone });
    registry.schemas.insert(number, (shared, false));
    Some(Handle::of_number(number))
}

/// Deletes a schema, unless a slot made it permanent. False: it is gone already.
pub fn delete(handle: Handle) -> bool {
    let mut registry = registry();
    match registry.schemas.get(&handle.number()) {
        None => false,
        Some((_, true)) => true,
        Some((shared, false)) => {
            shared.is_gone.store(true, Ordering::Relaxed);
            registry.schemas.remove(&handle.number());
            true
        }
    }
}

/// Lays a schema, or none, into a slot. False: it is gone.
pub fn save(schema: Option<Handle>, slot: usize) -> bool {
    let mut registry = registry();
    if let Some(handle) = schema {
        let Some((_, is_kept)) = registry.schemas.get_mut(&handle.number()) else {
            return false;
        };
        *is_kept = true;
    }
    registry.slots[slot] = schema;
    true
}

/// What lies in a slot.
pub fn load(slot: usize) -> Option<Handle> {
    registry().slots[slot]
}

/// A schema as one VM holds it: the contents of a userdata. Empty after its finalizer.
#[derive(Debug)]
pub struct Known {
    shared: Option<Arc<Shared>>,
    /// Of all fields, by number. The userdata's user value is a table that holds the strings.
    names: Vec<Name>,
}

impl Known {
    /// The schema.
    #[inline]
    pub fn schema(&self) -> &Schema {
        // What `push_known` gives is filled, and is emptied when nobody can reach it any more.
        &self.shared.as_ref().expect("a schema in use").schema
    }

    /// The name of the field with this number, good while the userdata is on the stack.
    #[inline]
    pub fn name(&self, field: usize) -> Name {
        self.names[field]
    }
}

/// Pushes the userdata that holds the schema; `upvalue` is the number of the table of those. `None`, with
/// nothing to be used on the stack: there is no such schema (any more). The reference is good while the
/// userdata is on the stack.
#[inline]
pub fn push_known<'a>(state: State, upvalue: c_int, handle: Handle) -> Option<&'a Known> {
    let number = handle.number() as i64;
    // SAFETY: all functions of the module have the table; only `make_known` puts values into it, and such
    // userdata hold a `Known`, which stays where it is while the value is on the stack.
    let known = unsafe {
        let block = state.push_block_at(upvalue, number).cast::<Known>();
        block.as_ref()
    };
    let Some(known) = known else {
        return make_known(state, upvalue, handle);
    };
    let is_there = |shared: &Arc<Shared>| !shared.is_gone.load(Ordering::Relaxed);
    if known.shared.as_ref().is_some_and(is_there) {
        return Some(known);
    }
    forget(state, state.upvalue(upvalue), handle);
    None
}

#[cold]
fn make_known<'a>(state: State, upvalue: c_int, handle: Handle) -> Option<&'a Known> {
    if !registry().schemas.contains_key(&handle.number()) {
        return None;
    }
    // SAFETY: a live thread; Lua aligns the block for any type. The value owns nothing until the
    // metatable that frees it is set. No reference to it outlives an expression until it is complete.
    let known = unsafe {
        let block = ffi::lua_newuserdatauv(state.ptr(), size_of::<Known>(), 1);
        let known = block.cast::<Known>();
        known.write(Known {
            shared: None,
            names: Vec::new(),
        });
        known
    };
    state.create_table(0, 1);
    state.push_fn(free_known);
    state.raw_set_lit(-2, c"__gc");
    state.set_metatable(-2);
    // SAFETY: as above; the userdata is on the stack.
    unsafe {
        // Looked up again: making the userdata may have run a finalizer that deletes the schema.
        (*known).shared = registry()
            .schemas
            .get(&handle.number())
            .map(|(shared, _)| Arc::clone(shared));
        (*known).shared.as_ref()?;
    }
    push_names(state, known);
    // SAFETY: a live thread; takes the table on top for the userdata below it.
    unsafe { ffi::lua_setiuservalue(state.ptr(), -2, 1) };
    state.push_value(-1);
    state.raw_set_i(state.upvalue(upvalue), handle.number() as i64);
    // SAFETY: complete, and on the stack.
    Some(unsafe { &*known })
}

/// Pushes a table of the names of all fields, and lists them in `known`, which is on the stack and has its
/// schema.
fn push_names(state: State, known: *mut Known) {
    // SAFETY: on the stack, and nothing else changes it; it holds the schema. No reference to `known` itself
    // outlives an expression.
    unsafe {
        let Some(shared) = (*known).shared.as_ref().map(Arc::as_ptr) else {
            return;
        };
        let schema = &(*shared).schema;
        let count = schema.fields().count();
        (*known).names.reserve_exact(count);
        state.create_table(count as c_int, 0);
        for (at, field) in schema.fields().enumerate() {
            state.push_bytes(&field.name);
            (*known).names.push(state.name());
            state.raw_set_i(-2, at as i64 + 1);
        }
    }
}

/// `__gc` of what [`make_known`] makes. Nobody else can reach it: the metatable is on no other value,
/// and the table that holds these values is an upvalue of native functions.
unsafe extern "C-unwind" fn free_known(l: *mut lua_State) -> c_int {
    // SAFETY: Lua passes the running thread, and the object, which holds a `Known`. An empty one is left.
    drop(unsafe {
        let known = State::new(l).to_userdata(1).cast::<Known>();
        ((*known).shared.take(), std::mem::take(&mut (*known).names))
    });
    0
}

/// This VM need not hold a deleted schema any more.
pub fn forget(state: State, table: c_int, handle: Handle) {
    state.push_nil();
    state.raw_set_i(table, handle.number() as i64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_a_schema_and_a_type_and_is_no_address() {
        let schema = Handle::of_number(77);
        let of_type = schema.of_type(3);
        assert_eq!(Handle::of_light(of_type.to_light()), Some(of_type));
        assert_eq!((of_type.number(), of_type.type_index()), (77, Some(3)));
        assert_eq!((schema.number(), schema.type_index()), (77, None));
        for address in [0, 0x1000, 0x7fff_ffff_f000, u64::MAX] {
            assert_eq!(Handle::of_light(address as *mut c_void), None);
        }
    }

    #[test]
    fn a_deleted_schema_is_gone_and_a_saved_one_stays() {
        let [one, two] = [(); 2].map(|()| register(Schema::default()).unwrap());
        assert!(delete(one) && !delete(one) && !save(Some(one), 7));
        assert!(save(Some(two), 7) && delete(two));
        assert_eq!(load(7), Some(two));
        assert!(save(None, 7) && load(7).is_none());
    }
}

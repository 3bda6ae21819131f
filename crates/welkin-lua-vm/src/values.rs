//! Values of tables, read and written without a place on Lua's stack; in C beside the sources of Lua, as
//! `build/values.c`, where the reason stands too.

use std::ffi::{c_char, c_int, c_uint, c_void};

use mlua_sys as ffi;

/// What a value is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[repr(C)]
pub enum Kind {
    /// nil
    Nil,
    /// false
    False,
    /// true
    True,
    /// `bits` are the number.
    Integer,
    /// `bits` are those of the number.
    Float,
    /// `bits` are the address of its `len` bytes.
    Text,
    /// Anything else, which only the stack can hold.
    Other,
}

/// A value as C describes it.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
pub struct Value {
    /// What `kind` says.
    pub bits: u64,
    /// Of a text, in bytes.
    pub len: usize,
    /// What it is.
    pub kind: Kind,
    /// Lua's number for its type.
    pub lua_type: c_int,
}

impl Value {
    /// To be filled.
    pub const NIL: Self = Self {
        bits: 0,
        len: 0,
        kind: Kind::Nil,
        lua_type: ffi::LUA_TNIL,
    };

    /// One that lies on the stack.
    pub const OTHER: Self = Self {
        kind: Kind::Other,
        ..Self::NIL
    };

    /// An integer.
    #[inline]
    pub const fn integer(value: i64) -> Self {
        Self {
            bits: value.cast_unsigned(),
            kind: Kind::Integer,
            ..Self::NIL
        }
    }

    /// A float.
    #[inline]
    pub const fn float(value: f64) -> Self {
        Self {
            bits: value.to_bits(),
            kind: Kind::Float,
            ..Self::NIL
        }
    }

    /// A boolean.
    #[inline]
    pub const fn boolean(value: bool) -> Self {
        let kind = if value { Kind::True } else { Kind::False };
        Self { kind, ..Self::NIL }
    }

    /// A text, which must stay until the value is used.
    #[inline]
    pub fn text(text: &[u8]) -> Self {
        Self {
            bits: text.as_ptr() as u64,
            len: text.len(),
            kind: Kind::Text,
            ..Self::NIL
        }
    }
}

unsafe extern "C-unwind" {
    /// The entry of the table at `idx`, a positive index, at `place` or behind it. Gives the place to go on
    /// from, 0 at the end. A value of kind `Other` is pushed, a key is not. Raises nothing; the table must
    /// not be changed in between, or entries are missed or met twice.
    pub fn welkin_entry(
        L: *mut ffi::lua_State,
        idx: c_int,
        place: c_uint,
        key: *mut Value,
        value: *mut Value,
    ) -> c_uint;

    /// `t[n]` without metamethods. A value of kind `Other` is pushed. Raises nothing.
    pub fn welkin_item(L: *mut ffi::lua_State, idx: c_int, n: ffi::lua_Integer, value: *mut Value);

    /// `t[k]` with metamethods, of any value at `idx`, where `k` is the string at `n` of the table at
    /// `names`. 1: the value was pushed too. May raise, and run Lua code, if there is a metamethod.
    pub fn welkin_field(
        L: *mut ffi::lua_State,
        names: c_int,
        n: ffi::lua_Integer,
        idx: c_int,
        value: *mut Value,
    ) -> c_int;

    /// `t[key] = value` without metamethods, for the table at `idx`. A value of kind `Other` is on top
    /// and popped. May raise for want of memory, and run finalizers.
    pub fn welkin_store(
        L: *mut ffi::lua_State,
        idx: c_int,
        key: *const c_char,
        len: usize,
        value: *const Value,
    );

    /// The same for `t[names[n]] = value`, where the name is a string.
    pub fn welkin_storenamed(
        L: *mut ffi::lua_State,
        idx: c_int,
        names: c_int,
        n: ffi::lua_Integer,
        value: *const Value,
    );

    /// The same for `t[n] = value`.
    pub fn welkin_storeitem(
        L: *mut ffi::lua_State,
        idx: c_int,
        n: ffi::lua_Integer,
        value: *const Value,
    );

    /// What names the short string on top in [`welkin_rawgetname`], for as long as the string is
    /// reachable; null: it is no short string. Raises nothing.
    pub fn welkin_name(L: *mut ffi::lua_State) -> *const c_void;

    /// As `lua_rawget` on the table at `idx`, which is negative, with that string as the key. Raises
    /// nothing.
    pub fn welkin_rawgetname(L: *mut ffi::lua_State, idx: c_int, name: *const c_void) -> c_int;
}

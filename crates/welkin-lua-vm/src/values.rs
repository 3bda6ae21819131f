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
    /// Anything else, which only the stack can hold. Of a userdata `bits` are an address, a light one's or
    /// that of its block, which has `len` bytes.
    Other,
}

/// A value as C describes it.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
pub struct Value {
    /// What `kind` says.
    pub bits: u64,
    /// Of a text or a full userdata, in bytes.
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

    /// The argument at `idx`, a positive index; nothing is pushed. Behind the last one it is nil, with
    /// the type `LUA_TNONE`. Raises nothing.
    pub fn welkin_argument(L: *mut ffi::lua_State, idx: c_int, value: *mut Value);

    /// The bytes of the argument at `idx`, a positive index, if it is a string, and how many; else null.
    /// Raises nothing.
    pub fn welkin_text(L: *mut ffi::lua_State, idx: c_int, len: *mut usize) -> *const c_char;

    /// `t[name]` with metamethods, of any value at `idx`; the name is one of [`welkin_name`]. 1: the value
    /// was pushed too. May raise, and run Lua code, if there is a metamethod.
    pub fn welkin_field(
        L: *mut ffi::lua_State,
        idx: c_int,
        name: *const c_void,
        value: *mut Value,
    ) -> c_int;

    /// The light userdata `t[field][k]` without metamethods, where `t` is the first argument of the running
    /// C function, `field` the string that is its upvalue `n`, and `k`, a string, its second argument; null
    /// if they are not such, or it is not there. Raises nothing.
    pub fn welkin_remembered(L: *mut ffi::lua_State, n: c_int) -> *mut c_void;

    /// Pushes upvalue `n` of the running C function, which is a full userdata, and gives its block. Raises
    /// nothing.
    pub fn welkin_pushblock(L: *mut ffi::lua_State, n: c_int) -> *mut c_void;

    /// The same for `u[i]`, where `u` is the table that is upvalue `n`; null, with nothing pushed, if there
    /// is no full userdata. Raises nothing.
    pub fn welkin_pushblockat(L: *mut ffi::lua_State, n: c_int, i: ffi::lua_Integer)
    -> *mut c_void;

    /// Pushes a new table with room for that many items and fields, as `lua_createtable`. May raise for want
    /// of memory, and run finalizers; and so may all that follows here.
    pub fn welkin_newtable(L: *mut ffi::lua_State, items: c_int, fields: c_int);

    /// Pushes a copy of these bytes, as `lua_pushlstring`.
    pub fn welkin_pushtext(L: *mut ffi::lua_State, text: *const c_char, len: usize);

    /// `t[key] = value` without metamethods, for the table at `idx`: a value of a kind that its bits are
    /// all of, before [`Kind::Text`].
    pub fn welkin_storeplain(
        L: *mut ffi::lua_State,
        idx: c_int,
        key: *const c_char,
        len: usize,
        kind: Kind,
        bits: u64,
    );

    /// The same for a text.
    pub fn welkin_storetext(
        L: *mut ffi::lua_State,
        idx: c_int,
        key: *const c_char,
        len: usize,
        text: *const c_char,
        text_len: usize,
    );

    /// The same for the value on top, which is popped.
    pub fn welkin_storetop(L: *mut ffi::lua_State, idx: c_int, key: *const c_char, len: usize);

    /// `t[n] = value`, as [`welkin_storeplain`].
    pub fn welkin_itemplain(
        L: *mut ffi::lua_State,
        idx: c_int,
        n: ffi::lua_Integer,
        kind: Kind,
        bits: u64,
    );

    /// `t[n] = value`, as [`welkin_storetext`].
    pub fn welkin_itemtext(
        L: *mut ffi::lua_State,
        idx: c_int,
        n: ffi::lua_Integer,
        text: *const c_char,
        text_len: usize,
    );

    /// `t[n] = value`, as [`welkin_storetop`].
    pub fn welkin_itemtop(L: *mut ffi::lua_State, idx: c_int, n: ffi::lua_Integer);

    /// `t[names[n]] = value` without metamethods, for the table at `idx`, where the name is a string. A
    /// value of kind `Other` is on top and popped.
    pub fn welkin_storenamed(
        L: *mut ffi::lua_State,
        idx: c_int,
        names: c_int,
        n: ffi::lua_Integer,
        value: *const Value,
    );

    /// The same for `t[name] = value`; the name is one of [`welkin_name`].
    pub fn welkin_storefield(
        L: *mut ffi::lua_State,
        idx: c_int,
        name: *const c_void,
        value: *const Value,
    );

    /// Pushes a new userdata of `size` bytes and `values` user values, whose metatable is upvalue `n` of the
    /// running C function, a table; gives its block. May raise for want of memory, and run finalizers.
    pub fn welkin_newblock(
        L: *mut ffi::lua_State,
        size: usize,
        values: c_int,
        n: c_int,
    ) -> *mut c_void;

    /// What names the string on top in the functions here, for as long as the string is reachable. Raises
    /// nothing.
    pub fn welkin_name(L: *mut ffi::lua_State) -> *const c_void;

    /// Pushes the string of that name. Raises nothing.
    pub fn welkin_pushname(L: *mut ffi::lua_State, name: *const c_void);

    /// As `lua_rawget` on the table at `idx`, which is negative, with that string as the key, which
    /// is short: at most 40 bytes. Raises nothing.
    pub fn welkin_rawgetname(L: *mut ffi::lua_State, idx: c_int, name: *const c_void) -> c_int;
}

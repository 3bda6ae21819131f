//! Lua itself: the released source with a short list of edits, built by this crate.
//!
//! `mlua-sys` declares Lua's C functions but, with its feature `external`, brings no Lua; this crate
//! does. Whoever calls them must have this crate in the program, so the declarations are handed on as
//! [`ffi`]: use that name and the two cannot come apart. C modules are compiled with the headers
//! whose folder a build script of a direct dependent finds in `DEP_WELKIN_LUA_INCLUDE`.
//!
//! The edits and their reasons are in `build/edits.rs`; functions of ours that need Lua's own headers in
//! `build/values.c` and `build/intern.h`; the hash of strings, which takes the place of Lua's, in
//! `build/hash.h`; tables that all VMs read in `build/shared.h` and the files it names.

mod shared;
mod values;
mod warm;

use std::ffi::c_int;

pub use mlua_sys as ffi;
pub use shared::{
    Instead, Version, welkin_isshared, welkin_pushshared, welkin_replace, welkin_share,
    welkin_sharedsize, welkin_unshare,
};
pub use values::{
    Kind, Value, welkin_argument, welkin_entry, welkin_field, welkin_item, welkin_itemplain,
    welkin_itemtext, welkin_itemtop, welkin_name, welkin_newblock, welkin_newtable,
    welkin_pushblock, welkin_pushblockat, welkin_pushname, welkin_pushtext, welkin_rawgetname,
    welkin_remembered, welkin_storefield, welkin_storenamed, welkin_storeplain, welkin_storetext,
    welkin_storetop, welkin_text,
};
pub use warm::{Stretch, welkin_warm};

unsafe extern "C-unwind" {
    /// How many results the caller of the running C function wants; -1: all. Raises nothing.
    pub fn welkin_wanted(L: *mut ffi::lua_State) -> c_int;

    /// In a hook that is about to raise: hooks may be called again from here on, so that the program's
    /// error handler, which runs within the hook, can be interrupted. Raises nothing.
    pub fn welkin_allowhook(L: *mut ffi::lua_State);

    /// Marks (or unmarks) the table at `idx`, a metatable, as that of an object that is not complete:
    /// its field `__fill` is called with the object before the object is walked, its metatable is
    /// asked for or changed, or Lua's `rawget` or `rawset` is used on it. `__fill` takes the mark off,
    /// before it changes the object's metatable. Raises nothing.
    pub fn welkin_setlazy(L: *mut ffi::lua_State, idx: c_int, lazy: c_int);

    /// Completes the value at `idx` if its metatable is marked; 1 when it did so. May raise anything
    /// that `__fill` raises, and so may `lua_next` and `lua_setmetatable` on such an object.
    pub fn welkin_fill(L: *mut ffi::lua_State, idx: c_int) -> c_int;
}

#[cfg(test)]
mod tests;

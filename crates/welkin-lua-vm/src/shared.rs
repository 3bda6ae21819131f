//! Tables that all VMs of the process read; in C beside the sources of Lua, as `build/shared.c`,
//! `build/share.c` and `build/replace.c`. What they are stands in `build/shared.h`.

use std::ffi::c_int;
use std::marker::PhantomData;

use mlua_sys as ffi;

/// All that was shared from one table. It is never written, so any thread may read it.
#[derive(Debug)]
#[repr(C)]
pub struct Version {
    opaque: [u8; 0],
    /// Reached through pointers that C gives only.
    pinned: PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}

/// A C function as a library of one state has it, and the one that other states have in its place.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
pub struct Instead {
    /// The function in the table.
    pub from: ffi::lua_CFunction,
    /// What readers get.
    pub to: ffi::lua_CFunction,
}

unsafe extern "C-unwind" {
    /// Shares the value on top, which is popped, with everything below it. Null: it cannot be shared, and
    /// the text on top says why. Raises nothing.
    pub fn welkin_share(
        L: *mut ffi::lua_State,
        instead: *const Instead,
        count: c_int,
    ) -> *mut Version;

    /// Frees a version that no VM uses any more.
    pub fn welkin_unshare(version: *mut Version);

    /// Bytes that a version takes.
    pub fn welkin_sharedsize(version: *const Version) -> usize;

    /// Pushes the root. The VM has the hash seed of the state that the version was made in, and the version
    /// is kept until the VM is closed. Raises nothing.
    pub fn welkin_pushshared(L: *mut ffi::lua_State, version: *const Version);

    /// 1: the argument at `idx`, a positive index, is a shared table. Raises nothing.
    pub fn welkin_isshared(L: *mut ffi::lua_State, idx: c_int) -> c_int;

    /// For `count` versions, each older one followed by the one that takes its place: wherever the VM has
    /// tables of the older ones, puts those at the same paths of the newer ones; nil, or no entry, where
    /// there is none. All of them are kept until the VM is closed. Raises for want of memory only, when a
    /// part may have been done: the next call does the rest.
    pub fn welkin_replace(L: *mut ffi::lua_State, versions: *const *const Version, count: c_int);
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;

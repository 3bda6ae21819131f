//! Where the memory lies that a message touches: what `build/warm.c` offers.

use std::ffi::{c_int, c_void};

use mlua_sys as ffi;

/// A stretch of memory.
#[repr(C)]
#[derive(Copy, Clone, Debug)]
pub struct Stretch {
    /// Its first byte.
    pub at: *const c_void,
    /// Its length.
    pub bytes: usize,
}

impl Stretch {
    /// Of nothing.
    pub const NONE: Stretch = Stretch {
        at: std::ptr::null(),
        bytes: 0,
    };
}

unsafe extern "C-unwind" {
    /// Tells what a message of `kind` touches that is handled on the thread `co`: the state itself, and the
    /// function of that kind with what it names. `protocols` is the registry's number of a table with a
    /// table for each kind, in whose field `dispatch` ([`crate::welkin_name`]) the function is. Writes at
    /// most `room` stretches and gives their number. Makes nothing, raises nothing.
    pub fn welkin_warm(
        co: *mut ffi::lua_State,
        protocols: c_int,
        kind: c_int,
        dispatch: *const c_void,
        out: *mut Stretch,
        room: c_int,
    ) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{[10] = {dispatch = function}}` in a fresh state: what a message of kind 10, and of another, touches.
    /// With the function, and the table of which it names a field.
    fn told(kind: c_int, room: usize) -> (Vec<Stretch>, *const c_void, *const c_void) {
        let code = c"local t = {a = 1}
            return t, {[10] = {dispatch = function() return t.a end}}, 'dispatch'";
        let mut stretches = [Stretch::NONE; 64];
        // SAFETY: the state is alive to the end, and nothing here fails while there is memory.
        unsafe {
            let l = ffi::luaL_newstate();
            assert_eq!(ffi::luaL_loadstring(l, code.as_ptr()), ffi::LUA_OK);
            ffi::lua_callk(l, 0, 3, 0, None);
            let dispatch = crate::welkin_name(l);
            ffi::lua_rawgeti(l, 2, 10);
            ffi::lua_getfield(l, -1, c"dispatch".as_ptr());
            let (table, function) = (ffi::lua_topointer(l, 1), ffi::lua_topointer(l, -1));
            ffi::lua_pushvalue(l, 2);
            let protocols = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
            let co = ffi::lua_newthread(l);
            let out = stretches.as_mut_ptr();
            let count = welkin_warm(co, protocols, kind, dispatch, out, room as c_int);
            assert!(
                stretches[..count as usize]
                    .iter()
                    .any(|s| covers(s, co.cast()))
                    || room == 0
            );
            ffi::lua_close(l);
            (stretches[..count as usize].to_vec(), function, table)
        }
    }

    fn covers(stretch: &Stretch, at: *const c_void) -> bool {
        at.addr().wrapping_sub(stretch.at.addr()) < stretch.bytes
    }

    #[test]
    fn the_function_of_a_kind_is_told_with_the_tables_it_names() {
        let (stretches, function, table) = told(10, 64);
        assert!(stretches.iter().any(|s| covers(s, function)));
        assert!(stretches.iter().any(|s| covers(s, table)));
        assert!(stretches.iter().all(|s| !s.at.is_null() && s.bytes > 0));
    }

    #[test]
    fn without_a_function_the_state_is_told() {
        let (stretches, function, _) = told(7, 64);
        assert!(!stretches.is_empty() && !stretches.iter().any(|s| covers(s, function)));
    }

    #[test]
    fn no_more_is_told_than_there_is_room_for() {
        assert_eq!(told(10, 0).0.len(), 0);
        assert_eq!(told(10, 5).0.len(), 5);
    }
}

//! Values of tables, arguments and blocks: the methods over the functions of ours that are built into Lua
//! for codecs (`welkin-lua-vm`, `build/values.c`); and where things lie (`build/warm.c`).

use std::ffi::{c_int, c_void};

use welkin_lua_vm::{self as vm, Kind, Stretch, Value};

use super::{Name, State};

/// Stretches that [`State::warm`] tells at most.
const STRETCHES_MAX: usize = 64;

impl State {
    /// Tells `each` where the memory lies, as addresses with lengths in bytes, that a message of `kind`
    /// touches which is handled on this thread: `protocols` is the registry's number of the table of
    /// protocols, `dispatch` the field with their functions.
    ///
    /// # Safety
    /// The name was made in this VM and is anchored there.
    pub unsafe fn warm(
        self,
        protocols: c_int,
        kind: u8,
        dispatch: Name,
        mut each: impl FnMut(usize, usize),
    ) {
        let mut stretches = [Stretch::NONE; STRETCHES_MAX];
        let (name, out) = (dispatch.0 as *const c_void, stretches.as_mut_ptr());
        let room = STRETCHES_MAX as c_int;
        // SAFETY: a live thread, as `State::new` promises; so many stretches are there.
        let count = unsafe { vm::welkin_warm(self.0, protocols, kind.into(), name, out, room) };
        for stretch in &stretches[..count as usize] {
            each(stretch.at.addr(), stretch.bytes);
        }
    }

    /// The entry of the table at `index` at `place` or behind it, without metamethods; gives the place to
    /// go on from, 0 at the end. A value of kind `Other` is pushed. Texts stay while no Lua code runs and
    /// nothing is made.
    #[inline]
    pub fn entry(self, index: c_int, place: u32, key: &mut Value, value: &mut Value) -> u32 {
        // SAFETY: a live thread, as `State::new` promises; both outlive the call.
        unsafe { vm::welkin_entry(self.0, index, place, key, value) }
    }

    /// `t[n]` without metamethods, as [`State::entry`].
    #[inline]
    pub fn item(self, index: c_int, n: i64, value: &mut Value) {
        // SAFETY: as above.
        unsafe { vm::welkin_item(self.0, index, n, value) }
    }

    /// `t[name]` with metamethods, of any value at `index`; whether the value was pushed too.
    ///
    /// # Safety
    /// The name was made in this VM and is anchored there.
    #[inline]
    pub unsafe fn field(self, index: c_int, name: Name, value: &mut Value) -> bool {
        // SAFETY: as above, and by the function's own contract.
        unsafe { vm::welkin_field(self.0, index, name.0 as *const _, value) != 0 }
    }

    /// The argument at `index`, a positive one, as [`State::entry`] describes values; nothing is pushed.
    #[inline]
    pub fn argument(self, index: c_int) -> Value {
        let mut value = Value::NIL;
        // SAFETY: as above.
        unsafe { vm::welkin_argument(self.0, index, &raw mut value) };
        value
    }

    /// The bytes of the argument at `index`, a positive one, if it is a string.
    #[inline]
    pub fn argument_text<'a>(self, index: c_int) -> Option<&'a [u8]> {
        let mut len = 0;
        // SAFETY: as above; the bytes are there as long as the argument, as of all strings here.
        unsafe {
            let text = vm::welkin_text(self.0, index, &raw mut len);
            (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast(), len))
        }
    }

    /// The light userdata `t[field][k]` without metamethods, where `t` is the first argument, `field` upvalue
    /// `n`, and `k`, a string, the second argument; null if there is none.
    ///
    /// # Safety
    /// The running function is a C closure whose upvalue `n` is a string.
    #[inline]
    pub unsafe fn remembered(self, n: c_int) -> *mut c_void {
        // SAFETY: as above, and by the function's own contract.
        unsafe { vm::welkin_remembered(self.0, n) }
    }

    /// Pushes a new userdata of `size` bytes and one user value, with upvalue `n` of the running function as
    /// its metatable, and gives its block.
    ///
    /// # Safety
    /// The running function is a C closure whose upvalue `n` is a table.
    #[inline]
    pub unsafe fn new_block(self, size: usize, n: c_int) -> *mut c_void {
        // SAFETY: as above, and by the function's own contract.
        unsafe { vm::welkin_newblock(self.0, size, 1, n) }
    }

    /// Pushes upvalue `n` of the running function and gives its block.
    ///
    /// # Safety
    /// The running function is a C closure whose upvalue `n` is a full userdata.
    #[inline]
    pub unsafe fn push_block(self, n: c_int) -> *mut c_void {
        // SAFETY: as above, and by the function's own contract.
        unsafe { vm::welkin_pushblock(self.0, n) }
    }

    /// The same for `u[key]`, where `u` is upvalue `n`; null, with nothing pushed: no full userdata.
    ///
    /// # Safety
    /// The running function is a C closure whose upvalue `n` is a table.
    #[inline]
    pub unsafe fn push_block_at(self, n: c_int, key: i64) -> *mut c_void {
        // SAFETY: as above, and by the function's own contract.
        unsafe { vm::welkin_pushblockat(self.0, n, key) }
    }

    /// Pushes a described value, which is not of kind `Other`.
    pub fn push_described(self, value: &Value) {
        match value.kind {
            Kind::Integer => self.push_int(value.bits.cast_signed()),
            Kind::Float => self.push_num(f64::from_bits(value.bits)),
            Kind::False => self.push_bool(false),
            Kind::True => self.push_bool(true),
            // SAFETY: the pointer and the length are those of a text, which Lua copies.
            Kind::Text => self.push_bytes(unsafe {
                std::slice::from_raw_parts(value.bits as *const u8, value.len)
            }),
            Kind::Nil | Kind::Other => self.push_nil(),
        }
    }

    /// `t[key] = value` without metamethods, for the table at `index`. A value of kind `Other` is on top
    /// and popped.
    // Inlined where the kind is known, so that nobody asks for it.
    #[inline(always)]
    pub fn store(self, index: c_int, key: &[u8], value: &Value) {
        let (name, len) = (key.as_ptr().cast(), key.len());
        // SAFETY: as above; the pointers and the lengths describe `key` and a text, which Lua copies.
        unsafe {
            match value.kind {
                Kind::Text => vm::welkin_storetext(
                    self.0,
                    index,
                    name,
                    len,
                    value.bits as *const _,
                    value.len,
                ),
                Kind::Other => vm::welkin_storetop(self.0, index, name, len),
                kind => vm::welkin_storeplain(self.0, index, name, len, kind, value.bits),
            }
        }
    }

    /// `t[names[n]] = value`, as [`State::store`]; the name is a string.
    #[inline]
    pub fn store_named(self, index: c_int, names: c_int, n: i64, value: &Value) {
        // SAFETY: as above.
        unsafe { vm::welkin_storenamed(self.0, index, names, n, value) }
    }

    /// `t[name] = value`, as [`State::store`].
    ///
    /// # Safety
    /// The name was made in this VM and is anchored there.
    #[inline]
    pub unsafe fn store_field(self, index: c_int, name: Name, value: &Value) {
        // SAFETY: as above, and by the function's own contract.
        unsafe { vm::welkin_storefield(self.0, index, name.0 as *const _, value) }
    }

    /// `t[n] = value`, as [`State::store`].
    #[inline(always)]
    pub fn store_item(self, index: c_int, n: i64, value: &Value) {
        // SAFETY: as above.
        unsafe {
            match value.kind {
                Kind::Text => {
                    vm::welkin_itemtext(self.0, index, n, value.bits as *const _, value.len);
                }
                Kind::Other => vm::welkin_itemtop(self.0, index, n),
                kind => vm::welkin_itemplain(self.0, index, n, kind, value.bits),
            }
        }
    }
}

//! A Lua state seen from Rust: the calls of Lua's C interface that this crate uses, one method each.
//!
//! `State` is a copyable pointer. Whoever makes one promises ([`State::new`]) that the pointer is a
//! live thread of the VM that the present worker runs, and that the code around it obeys the rule of
//! the border: a call that allocates, reads through a metamethod or runs Lua may leave by longjmp, so
//! nothing with a destructor is alive across it. Under that promise the methods are ordinary calls;
//! only here and in `state/values.rs` they touch the foreign functions, the reason this file is long.

// The pointers that some methods pass on (light userdata) are values to Lua: it never follows them.
#![allow(clippy::not_unsafe_ptr_arg_deref)]

mod values;

use std::ffi::{CStr, c_int, c_void};

use mlua_sys as ffi;
pub use mlua_sys::lua_State;
use welkin_lua_vm as vm;

/// A thread (main or coroutine) of one VM.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct State(*mut lua_State);

/// A field's name that is interned in one VM and anchored there: where the string lies.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Name(pub usize);

/// What [`State::resume`] came back with.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Resumed {
    /// The function returned; its results are on the stack.
    Finished(c_int),
    /// It yielded these many values.
    Yielded(c_int),
    /// It failed; the error object is on top of its stack.
    Failed,
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? = $call:expr;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name(self $(, $arg: $ty)*) $(-> $ret)? {
            // SAFETY: the pointer is a live thread run by this worker, by the promise of `new`; stack
            // indices are checked by Lua itself in debug builds (LUA_USE_APICHECK).
            unsafe { ($call)(self.0 $(, $arg)*) }
        })*
    };
}

impl State {
    /// Wraps `l`.
    ///
    /// # Safety
    /// `l` is a live thread of a VM that is run by the calling worker for as long as the value is
    /// used, and the caller keeps the rule of the border (see the top of the file).
    #[inline]
    pub unsafe fn new(l: *mut lua_State) -> Self {
        Self(l)
    }

    /// The pointer.
    #[inline]
    pub fn ptr(self) -> *mut lua_State {
        self.0
    }

    forward! {
        /// Index of the topmost value.
        top() -> c_int = ffi::lua_gettop;
        /// Cuts or fills the stack to this height.
        set_top(index: c_int) = ffi::lua_settop;
        /// Removes `n` values.
        pop(n: c_int) = ffi::lua_pop;
        /// Pushes a copy of the value at `index`.
        push_value(index: c_int) = ffi::lua_pushvalue;
        /// Moves the top value to `index`, shifting up.
        insert(index: c_int) = ffi::lua_insert;
        /// Removes the value at `index`, shifting down.
        remove(index: c_int) = ffi::lua_remove;
        /// Moves the top value into `index`.
        replace(index: c_int) = ffi::lua_replace;
        /// Positive form of `index`.
        abs_index(index: c_int) -> c_int = ffi::lua_absindex;
        /// Pushes nil.
        push_nil() = ffi::lua_pushnil;
        /// Pushes an integer.
        push_int(value: i64) = ffi::lua_pushinteger;
        /// Pushes a float.
        push_num(value: f64) = ffi::lua_pushnumber;
        /// Pushes a light userdata.
        push_light(pointer: *mut c_void) = ffi::lua_pushlightuserdata;
        /// Pushes a light C function.
        push_fn(f: ffi::lua_CFunction) = ffi::lua_pushcfunction;
        /// Pushes a C closure over the topmost `n` values.
        push_closure(f: ffi::lua_CFunction, n: c_int) = ffi::lua_pushcclosure;
        /// Type tag of the value, `LUA_TNONE` beyond the top.
        type_of(index: c_int) -> c_int = ffi::lua_type;
        /// Truth of the value.
        to_bool_raw(index: c_int) -> c_int = ffi::lua_toboolean;
        /// Pointer of a full or light userdata, else null.
        to_userdata(index: c_int) -> *mut c_void = ffi::lua_touserdata;
        /// The C function at `index`.
        to_cfunction(index: c_int) -> Option<ffi::lua_CFunction> = ffi::lua_tocfunction;
        /// An address that tells objects apart.
        to_pointer(index: c_int) -> *const c_void = ffi::lua_topointer;
        /// `t[n]` without metamethods, `t` at `index`; gives the type.
        raw_get_i(index: c_int, n: i64) -> c_int = ffi::lua_rawgeti;
        /// `t[top]` without metamethods; replaces the key.
        raw_get(index: c_int) -> c_int = ffi::lua_rawget;
        /// `t[top]` with metamethods; replaces the key.
        get(index: c_int) -> c_int = ffi::lua_gettable;
        /// `t[below] = top` without metamethods.
        raw_set(index: c_int) = ffi::lua_rawset;
        /// `t[n] = top` without metamethods.
        raw_set_i(index: c_int, n: i64) = ffi::lua_rawseti;
        /// New table with room for these many.
        create_table(array: c_int, hash: c_int) = vm::welkin_newtable;
        /// Takes the table on top as metatable of the value at `index`.
        set_metatable(index: c_int) -> c_int = ffi::lua_setmetatable;
        /// Pushes the metatable if there is one.
        get_metatable(index: c_int) -> c_int = ffi::lua_getmetatable;
        /// Next pair of the table at `index`.
        next(index: c_int) -> c_int = ffi::lua_next;
        /// Takes the top value into the registry and gives its number.
        make_ref() -> c_int = |l| ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
        /// Gives a number of [`State::make_ref`] back.
        drop_ref(reference: c_int) = |l, r| ffi::luaL_unref(l, ffi::LUA_REGISTRYINDEX, r);
        /// Pushes what a number of [`State::make_ref`] stands for.
        push_ref(reference: c_int) = |l, r: c_int| { ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, r.into()); };
        /// `lua_call`.
        call(args: c_int, results: c_int) = ffi::lua_call;
        /// `lua_pcall`; the status.
        pcall(args: c_int, results: c_int, handler: c_int) -> c_int = ffi::lua_pcall;
        /// Status of the thread (`LUA_OK` when it never ran or ended).
        status() -> c_int = ffi::lua_status;
        /// Whether it could yield now.
        is_yieldable_raw() -> c_int = ffi::lua_isyieldable;
        /// Position of the function at `level`, as `file:line: `.
        push_where(level: c_int) = ffi::luaL_where;
        /// Raw length.
        raw_len(index: c_int) -> usize = ffi::lua_rawlen;
        /// Raw equality.
        raw_equal(a: c_int, b: c_int) -> c_int = ffi::lua_rawequal;
        /// Converts any value to a string by the rules of `tostring` and pushes it.
        push_tostring(index: c_int) = |l, i| { ffi::luaL_tolstring(l, i, std::ptr::null_mut()); };
        /// Global table.
        push_globals() = |l| { ffi::lua_pushglobaltable(l); };
        /// Pushes this thread itself; true when it is the main thread.
        push_self() -> c_int = ffi::lua_pushthread;
        /// Integer argument or an argument error.
        check_int(arg: c_int) -> i64 = ffi::luaL_checkinteger;
        /// Any argument or an argument error.
        check_any(arg: c_int) = ffi::luaL_checkany;
        /// Argument of this type or an argument error.
        check_type(arg: c_int, tag: c_int) = ffi::luaL_checktype;
        /// How many results the caller of the running C function wants; -1: all.
        wanted_results() -> c_int = welkin_lua_vm::welkin_wanted;
        /// Joins the topmost `n` values.
        concat(n: c_int) = ffi::lua_concat;
    }

    /// Whether a blocking call is allowed here.
    #[inline]
    pub fn is_yieldable(self) -> bool {
        self.is_yieldable_raw() != 0
    }

    /// Whether the value at `index` is this very C function.
    #[inline]
    pub fn is_fn(self, index: c_int, f: ffi::lua_CFunction) -> bool {
        self.to_cfunction(index)
            .is_some_and(|found| std::ptr::fn_addr_eq(found, f))
    }

    /// Truth of the value.
    #[inline]
    pub fn to_bool(self, index: c_int) -> bool {
        self.to_bool_raw(index) != 0
    }

    /// Pushes a boolean.
    #[inline]
    pub fn push_bool(self, value: bool) {
        // SAFETY: as `forward!`.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    /// Pushes a string.
    #[inline]
    pub fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: the pointer and the length describe `bytes`, which Lua copies.
        unsafe { vm::welkin_pushtext(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a constant string; cheaper than [`State::push_bytes`] as Lua caches it by address.
    #[inline]
    pub fn push_lit(self, text: &'static CStr) {
        // SAFETY: NUL-terminated by its type.
        unsafe {
            ffi::lua_pushstring(self.0, text.as_ptr());
        }
    }

    /// `t[name]` without metamethods; the type of what is pushed.
    #[inline]
    pub fn raw_get_lit(self, index: c_int, name: &'static CStr) -> c_int {
        let index = self.abs_index(index);
        self.push_lit(name);
        self.raw_get(index)
    }

    /// As [`State::raw_get_lit`] with a name that is ready.
    ///
    /// # Safety
    /// The name was made in this VM and is anchored there; a table is at `index`, which is negative.
    #[inline]
    pub unsafe fn raw_get_name(self, index: c_int, name: Name) -> c_int {
        // SAFETY: by the function's own contract; one slot is there, as for every push.
        unsafe { vm::welkin_rawgetname(self.0, index, name.0 as *const _) }
    }

    /// The name `text`, anchored in the registry for as long as the VM lives. Raises errors of memory.
    pub fn make_name(self, text: &'static CStr) -> Name {
        self.push_lit(text);
        let name = self.name();
        self.make_ref();
        name
    }

    /// The string on top as a name, good while the string is reachable.
    #[inline]
    pub fn name(self) -> Name {
        // SAFETY: reads the string on top.
        Name(unsafe { vm::welkin_name(self.0) } as usize)
    }

    /// Pushes a name.
    ///
    /// # Safety
    /// The name was made in this VM and is anchored there.
    #[inline]
    pub unsafe fn push_name(self, name: Name) {
        // SAFETY: by the function's own contract; one slot is there, as for every push.
        unsafe { vm::welkin_pushname(self.0, name.0 as *const _) }
    }

    /// `t[name] = top` without metamethods.
    #[inline]
    pub fn raw_set_lit(self, index: c_int, name: &'static CStr) {
        let index = self.abs_index(index);
        self.push_lit(name);
        self.insert(-2);
        self.raw_set(index);
    }

    /// `t[name]` with metamethods.
    pub fn get_field(self, index: c_int, name: &CStr) -> c_int {
        // SAFETY: as `forward!`.
        unsafe { ffi::lua_getfield(self.0, index, name.as_ptr()) }
    }

    /// Sets a global to the top value.
    pub fn set_global(self, name: &CStr) {
        // SAFETY: as `forward!`.
        unsafe { ffi::lua_setglobal(self.0, name.as_ptr()) }
    }

    /// Pushes a global.
    pub fn get_global(self, name: &CStr) -> c_int {
        // SAFETY: as `forward!`.
        unsafe { ffi::lua_getglobal(self.0, name.as_ptr()) }
    }

    /// Completes a table that is filled on first use; may run Lua code if it has a metatable.
    pub fn fill(self, index: c_int) {
        // SAFETY: as `forward!`.
        unsafe { vm::welkin_fill(self.0, index) };
    }

    /// The integer at `index`, when it is one or converts to one (as Lua's own functions accept it).
    #[inline]
    pub fn to_int(self, index: c_int) -> Option<i64> {
        let mut ok = 0;
        // SAFETY: as `forward!`; `ok` outlives the call.
        let value = unsafe { ffi::lua_tointegerx(self.0, index, &raw mut ok) };
        (ok != 0).then_some(value)
    }

    /// The number at `index`, or a numeric string's value.
    pub fn to_num(self, index: c_int) -> Option<f64> {
        let mut ok = 0;
        // SAFETY: as above.
        let value = unsafe { ffi::lua_tonumberx(self.0, index, &raw mut ok) };
        (ok != 0).then_some(value)
    }

    /// The bytes of the string at `index`; `None` for every other type, numbers included.
    /// They live as long as the value stays on the stack: the caller's to see to.
    #[inline]
    pub fn string<'a>(self, index: c_int) -> Option<&'a [u8]> {
        (self.type_of(index) == ffi::LUA_TSTRING)
            .then(|| self.text(index))
            .flatten()
    }

    /// As [`State::string`]; a number is turned into its text in place.
    pub fn text<'a>(self, index: c_int) -> Option<&'a [u8]> {
        let mut len = 0;
        // SAFETY: as `forward!`; the bytes stay while the value is on the stack (documented above).
        unsafe {
            let bytes = ffi::lua_tolstring(self.0, index, &raw mut len);
            (!bytes.is_null()).then(|| std::slice::from_raw_parts(bytes.cast(), len))
        }
    }

    /// String argument (or a number's text), else an argument error.
    pub fn check_text<'a>(self, arg: c_int) -> &'a [u8] {
        let mut len = 0;
        // SAFETY: as `text`.
        unsafe {
            let bytes = ffi::luaL_checklstring(self.0, arg, &raw mut len);
            std::slice::from_raw_parts(bytes.cast(), len)
        }
    }

    /// Runs the generic `for` over the three values on top (iterator, its state, the first key): `visit`
    /// gets the index of each key, its value above that, and must leave the stack as it was. What the
    /// iterator raises leaves this function, so the caller and `visit` own nothing across it. The three
    /// stay, and at the end two more values; after an error of `visit` whatever there is.
    pub fn for_each<E>(self, mut visit: impl FnMut(c_int) -> Result<(), E>) -> Result<(), E> {
        let iterator = self.top() - 2;
        loop {
            // Above iterator, its state and the last key: the same again to be called.
            for argument in iterator..iterator + 3 {
                self.push_value(argument);
            }
            self.call(2, 2);
            if self.type_of(-2) == ffi::LUA_TNIL {
                return Ok(());
            }
            visit(iterator + 3)?;
            self.pop(1);
            self.replace(iterator + 2);
        }
    }

    /// Whether there is no argument, or nil in its place.
    #[inline]
    pub fn is_none_or_nil(self, arg: c_int) -> bool {
        self.type_of(arg) <= ffi::LUA_TNIL
    }

    /// Pushes a string that `write` makes: it gets `room` zero bytes and gives how many of them count.
    /// A long one is not copied. As the closure is `Copy`, nothing is lost when there is no memory.
    pub fn push_filled<E>(
        self,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E> + Copy,
    ) -> Result<(), E> {
        let mut buffer = std::mem::MaybeUninit::<ffi::luaL_Buffer>::uninit();
        let buffer = buffer.as_mut_ptr();
        // SAFETY: the buffer does not move and is made before it is used; it gives at least `room`
        // bytes, which are written before they are seen. After an error, or a panic, its memory is a
        // value on the stack, which the raise that follows takes away.
        unsafe {
            let bytes = ffi::luaL_buffinitsize(self.0, buffer, room).cast::<u8>();
            bytes.write_bytes(0, room);
            let len = write(std::slice::from_raw_parts_mut(bytes, room))?;
            assert!(len <= room, "more bytes than there are");
            ffi::luaL_pushresultsize(buffer, len);
        }
        Ok(())
    }

    /// The thread at `index`.
    #[inline]
    pub fn to_thread(self, index: c_int) -> Option<State> {
        // SAFETY: as `forward!`; a thread of the same VM keeps the promise of `new`.
        let thread = unsafe { ffi::lua_tothread(self.0, index) };
        (!thread.is_null()).then_some(State(thread))
    }

    /// Name of the type of the value at `index`.
    pub fn type_name(self, index: c_int) -> &'static str {
        self.name_of_type(self.type_of(index))
    }

    /// Name of a type by Lua's number for it.
    pub fn name_of_type(self, tag: c_int) -> &'static str {
        // SAFETY: the names are static texts of ASCII; the number is one that Lua has given.
        unsafe { CStr::from_ptr(ffi::lua_typename(self.0, tag)) }
            .to_str()
            .unwrap_or("value")
    }

    /// A new coroutine, pushed and given.
    pub fn new_thread(self) -> State {
        // SAFETY: as `forward!`.
        State(unsafe { ffi::lua_newthread(self.0) })
    }

    /// Room for `n` more values, or false.
    #[inline]
    pub fn check_stack(self, n: c_int) -> bool {
        // SAFETY: as `forward!`.
        unsafe { ffi::lua_checkstack(self.0, n) != 0 }
    }

    /// Moves `n` values to `to`.
    #[inline]
    pub fn move_to(self, to: State, n: c_int) {
        // SAFETY: both are threads of one VM.
        unsafe { ffi::lua_xmove(self.0, to.0, n) }
    }

    /// Resumes this thread, `from` being the one that does so.
    #[inline]
    pub fn resume(self, from: Option<State>, args: c_int) -> Resumed {
        let mut results = 0;
        let from = from.map_or(std::ptr::null_mut(), |s| s.0);
        // SAFETY: as `forward!`; lua_resume is a protected call, nothing passes it by longjmp.
        match unsafe { ffi::lua_resume(self.0, from, args, &raw mut results) } {
            ffi::LUA_OK => Resumed::Finished(results),
            ffi::LUA_YIELD => Resumed::Yielded(results),
            _ => Resumed::Failed,
        }
    }

    /// Ends the coroutine: pending to-be-closed variables run; its status after that.
    pub fn close_thread(self, from: Option<State>) -> c_int {
        let from = from.map_or(std::ptr::null_mut(), |s| s.0);
        // SAFETY: as `forward!`; errors of closing are returned, not raised.
        unsafe { ffi::lua_closethread(self.0, from) }
    }

    /// Pushes `message` with the traceback of `of`.
    pub fn push_traceback(self, of: State, message: Option<&CStr>, level: c_int) {
        let message = message.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: as `forward!`.
        unsafe { ffi::luaL_traceback(self.0, of.0, message, level) }
    }

    /// `lua_callk`: returns here when the callee did not yield, else goes on in `then`.
    pub fn call_k(self, args: c_int, results: c_int, context: isize, then: ffi::lua_KFunction) {
        // SAFETY: as `forward!`; the caller owns nothing across it.
        unsafe { ffi::lua_callk(self.0, args, results, context, Some(then)) }
    }

    /// `lua_pcallk`; the status when the callee did not yield.
    pub fn pcall_k(
        self,
        args: c_int,
        results: c_int,
        handler: c_int,
        context: isize,
        then: ffi::lua_KFunction,
    ) -> c_int {
        // SAFETY: as above.
        unsafe { ffi::lua_pcallk(self.0, args, results, handler, context, Some(then)) }
    }

    /// Index of upvalue `n` of the running C function.
    pub fn upvalue(self, n: c_int) -> c_int {
        ffi::lua_upvalueindex(n)
    }
}

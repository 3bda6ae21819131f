//! The Lua module `skynet.netpack`: packages with a length of 2 bytes in front, cut out of socket
//! events.
//!
//! A package is a block of `malloc` that the program owns from the moment it is returned, and gives
//! away once: to `tostring`, `skynet.redirect`, `skynet.trash`. The usual event holds exactly one
//! package; its block is then the event's own, moved over the length, so nothing is copied to a new
//! one. Others wait in the queue, a full userdata around [`Queue`], which is all the state there is:
//! per connection nothing but a package that is not whole.
//!
//! Limits: a connection holds at most the 64 KiB of one package and what its buffer grew ahead; the
//! packages of an event wait for `pop`, which programs call before they look at the next event.

use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, c_int};

use mlua_sys as ffi;
use welkin_codec::frame::{self, Header, Package, Stream};
use welkin_codec::seri::Sink;
use welkin_net::event::{self, Event};
use welkin_runtime::{Payload, PayloadBuf};

use super::socketdriver::{END, arguments, entry};
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

/// Name of the metatable in the registry, and of the type in messages.
const METATABLE: &CStr = c"skynet.netpack";
/// Bytes of the length.
const HEADER: usize = Header::Short.bytes();
/// More places for packages than this are given back when all have been taken.
const IDLE_READY_MAX: usize = 64;

/// A package being put together.
#[derive(Default)]
struct Body(PayloadBuf);

impl Sink for Body {
    fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

/// What came and is not fetched.
#[derive(Default)]
struct Queue {
    /// By connection; none between two packages.
    parts: HashMap<i32, Stream<Body>>,
    ready: VecDeque<(i32, Payload)>,
}

impl Queue {
    /// Takes what a connection sent. If that is one package and nothing else, it is the result; else
    /// what it makes whole is put into the queue, and true says that this was something.
    fn take(&mut self, fd: i32, data: Payload) -> Result<Payload, bool> {
        let mut stream = match self.parts.is_empty() {
            true => Stream::default(),
            false => self.parts.remove(&fd).unwrap_or_default(),
        };
        if stream.is_between_packages() && is_one_package(data.as_bytes()) {
            return Ok(without_header(data));
        }
        let mut first = None;
        let mut several = false;
        for package in stream.feed(Header::Short, data.as_bytes()) {
            let package = match package {
                Ok(Package::Whole(bytes)) => Payload::copy_from(bytes),
                Ok(Package::Joined(body)) => body.0.finish(),
                // Two bytes cannot announce so much.
                Err(frame::TooLong) => break,
            };
            match first.take() {
                None if !several => first = Some(package),
                before => {
                    several = true;
                    self.ready.extend(before.map(|before| (fd, before)));
                    self.ready.push_back((fd, package));
                }
            }
        }
        let partly = !stream.is_between_packages();
        if partly {
            self.parts.insert(fd, stream);
        }
        match first {
            Some(package) if !partly => Ok(package),
            Some(package) => {
                self.ready.push_back((fd, package));
                Err(true)
            }
            None => Err(several),
        }
    }

    fn pop(&mut self) -> Option<(i32, Payload)> {
        let next = self.ready.pop_front();
        if self.ready.is_empty() && self.ready.capacity() > IDLE_READY_MAX {
            self.ready.shrink_to(0);
        }
        next
    }

    /// Forgets a package that will never be whole.
    fn forget(&mut self, fd: i32) {
        self.parts.remove(&fd);
        if self.parts.is_empty() {
            self.parts.shrink_to(0);
        }
    }
}

fn is_one_package(bytes: &[u8]) -> bool {
    bytes
        .split_first_chunk()
        .is_some_and(|(length, body)| body.len() == usize::from(u16::from_be_bytes(*length)))
}

/// The package in a block that begins with its length, in the same block.
fn without_header(data: Payload) -> Payload {
    debug_assert!(data.len() >= HEADER, "it has a length");
    let (pointer, len) = data.into_raw();
    let bytes = pointer.cast::<u8>();
    // SAFETY: the block is owned here and has `len` bytes, at least those of the length: it is a whole
    // package. The bytes move down within it, so there is a byte for the NUL behind them.
    unsafe {
        std::ptr::copy(bytes.add(HEADER), bytes, len - HEADER);
        bytes.add(len - HEADER).write(0);
        Payload::from_raw(pointer, len - HEADER)
    }
}

lua_fn! {
    /// Pushes the module's table.
    fn luaopen_netpack(call: &mut Call) -> LuaResult {
        let functions = [
            entry(c"pack", pack),
            entry(c"filter", filter),
            entry(c"pop", pop),
            entry(c"tostring", tostring),
            entry(c"clear", clear),
            END,
        ];
        let finalizer = [entry(c"__gc", collect), END];
        call.state.create_table(0, functions.len() as c_int);
        // SAFETY: both lists end with END. Each `luaL_setfuncs` pops the copy of the metatable on the
        // top as its upvalue: the first fills the metatable, the second the module's table.
        unsafe {
            if ffi::luaL_newmetatable(call.L, METATABLE.as_ptr()) != 0 {
                ffi::lua_pushvalue(call.L, -1);
                ffi::luaL_setfuncs(call.L, finalizer.as_ptr(), 1);
            }
            ffi::luaL_setfuncs(call.L, functions.as_ptr(), 1);
        }
        Ok(1)
    }

    /// `pack(string) -> pointer, size` or `pack(pointer, size)`: a framed copy.
    fn pack(call: &mut Call) -> LuaResult {
        let state = call.state;
        let body = if state.type_of(1) == ffi::LUA_TLIGHTUSERDATA {
            let (pointer, size) = arguments::block(state, 1);
            // SAFETY: that the block has `size` bytes is the caller's word, as for every pointer of
            // skynet's API; a null pointer has none.
            unsafe { lent(pointer.cast(), size) }
        } else {
            state.check_text(1)
        };
        let mut package = Body(PayloadBuf::with_capacity(HEADER + body.len().min(0xffff)));
        if !frame::write_short(&mut package, body) {
            let size = body.len();
            return Err(LuaError::new(format!("Invalid size (too long) of data : {size}")));
        }
        push_block(state, package.0.finish());
        Ok(2)
    }

    /// `filter(queue, message, size) -> queue[, event, ...]`: takes a socket message and its data.
    fn filter(call: &mut Call) -> LuaResult {
        let state = call.state;
        let mut queue = check(state)?;
        let (pointer, size) = arguments::block(state, 2);
        // SAFETY: a message of kind SOCKET, by the caller's word; it stays until the message is over.
        let Some(event) = event::decode(unsafe { lent(pointer.cast(), size) }) else {
            return Err(LuaError::new("the message is no socket event"));
        };
        state.set_top(1);
        if event.kind == event::DATA && queue.is_null() {
            queue = new_queue(state);
        }
        // SAFETY: null, or the userdata at index 1, which stays there.
        Ok(1 + unsafe { tell(state, queue, event) })
    }

    /// `pop(queue) -> fd, pointer, size`, or nothing: the next package.
    fn pop(call: &mut Call) -> LuaResult {
        let state = call.state;
        let queue = check(state)?;
        if queue.is_null() {
            return Ok(0);
        }
        // SAFETY: the userdata lives, being an argument; the borrow ends before Lua is called.
        let Some((fd, package)) = (unsafe { (*queue).pop() }) else {
            return Ok(0);
        };
        let package = package.into_raw();
        state.push_int(fd.into());
        state.push_light(package.0);
        state.push_int(package.1 as i64);
        Ok(3)
    }

    /// `tostring(pointer, size) -> string`, and frees the block.
    fn tostring(call: &mut Call) -> LuaResult {
        let state = call.state;
        if matches!(state.type_of(1), ffi::LUA_TNIL | ffi::LUA_TNONE) {
            state.push_lit(c"");
            return Ok(1);
        }
        let (pointer, size) = arguments::given_block(state, 1);
        // SAFETY: the caller owns the block, of `size` bytes by its word, and gives it up here. Pushing
        // copies; should it raise, the block is the caller's still.
        unsafe {
            state.push_bytes(lent(pointer.cast(), size));
            libc::free(pointer);
        }
        Ok(1)
    }

    /// `clear(queue)`: frees everything. nil for the queue: nothing happens.
    fn clear(call: &mut Call) -> LuaResult {
        let queue = check(call.state)?;
        if !queue.is_null() {
            // SAFETY: as in `pop`.
            unsafe { *queue = Queue::default() };
        }
        Ok(0)
    }

    /// `__gc`. The object stays a valid one, for programs that call this themselves.
    fn collect(call: &mut Call) -> LuaResult {
        clear_own(call.state);
        Ok(0)
    }
}

fn clear_own(state: State) {
    if let Some(queue) = this(state) {
        // SAFETY: as in `pop`.
        unsafe { *queue = Queue::default() };
    }
}

/// Pushes the name of the event and what belongs to it; the number of values.
///
/// # Safety
/// `queue` is null or valid, and not null for DATA.
unsafe fn tell(state: State, queue: *mut Queue, event: Event<'_>) -> c_int {
    match event.kind {
        event::DATA => {
            // SAFETY: the buffer came with the message and is the program's, which hands it in here.
            let data = unsafe { Payload::from_raw(event.buffer.cast(), count(event.ud)) };
            // SAFETY: by the contract; the borrow ends before Lua is called.
            return match unsafe { (*queue).take(event.id, data) } {
                Ok(package) => {
                    let (pointer, size) = package.into_raw();
                    state.push_lit(c"data");
                    state.push_int(event.id.into());
                    state.push_light(pointer);
                    state.push_int(size as i64);
                    4
                }
                Err(true) => {
                    state.push_lit(c"more");
                    1
                }
                Err(false) => 0,
            };
        }
        event::UDP => {
            // SAFETY: as above; no package comes that way.
            drop(unsafe { Payload::from_raw(event.buffer.cast(), count(event.ud)) });
            return 0;
        }
        event::CLOSE | event::ERROR if !queue.is_null() => {
            // SAFETY: not null, so valid.
            unsafe { (*queue).forget(event.id) };
        }
        _ => {}
    }
    push_event(state, event)
}

fn push_event(state: State, event: Event<'_>) -> c_int {
    let (name, first) = match event.kind {
        event::CONNECT => (c"init", event.id),
        event::CLOSE => (c"close", event.id),
        event::ACCEPT => (c"open", event.ud),
        event::ERROR => (c"error", event.id),
        event::WARNING => (c"warning", event.id),
        _ => return 0,
    };
    state.push_lit(name);
    state.push_int(first.into());
    match event.kind {
        event::CONNECT => {
            state.push_bytes(event.text);
            state.push_int(event.ud.into());
            4
        }
        event::ACCEPT | event::ERROR => {
            state.push_bytes(event.text);
            3
        }
        event::WARNING => {
            state.push_int(event.ud.into());
            3
        }
        _ => 2,
    }
}

/// A count of bytes from an event; none is below zero.
fn count(ud: i32) -> usize {
    usize::try_from(ud).unwrap_or(0)
}

/// # Safety
/// `pointer` is null or has `len` bytes for as long as the result is used.
unsafe fn lent<'a>(pointer: *const u8, len: usize) -> &'a [u8] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: by the contract.
    unsafe { std::slice::from_raw_parts(pointer, len) }
}

/// A block for the program: pointer and size, neither of which Lua allocates for.
fn push_block(state: State, payload: Payload) {
    let (pointer, size) = payload.into_raw();
    state.push_light(pointer);
    state.push_int(size as i64);
}

/// Puts a new queue at index 1.
fn new_queue(state: State) -> *mut Queue {
    // SAFETY: the new userdata has the size of `Queue` and Lua's alignment, which is no less than a
    // pointer's; it is filled before the metatable makes it a queue.
    let queue = unsafe {
        let place = ffi::lua_newuserdatauv(state.ptr(), size_of::<Queue>(), 0).cast::<Queue>();
        place.write(Queue::default());
        place
    };
    state.push_value(ffi::lua_upvalueindex(1));
    state.set_metatable(-2);
    state.replace(1);
    queue
}

/// The queue at index 1, if it is one. A raw pointer: no reference to it lives across a call of Lua.
fn this(state: State) -> Option<*mut Queue> {
    let data = state.to_userdata(1);
    if data.is_null() || state.get_metatable(1) == 0 {
        return None;
    }
    // Only `new_queue` gives this metatable to a userdata; programs can set it for tables only.
    let ours = state.raw_equal(-1, ffi::lua_upvalueindex(1)) != 0;
    state.pop(1);
    ours.then(|| data.cast())
}

/// The same; null for nil.
fn check(state: State) -> Result<*mut Queue, LuaError> {
    match state.type_of(1) {
        ffi::LUA_TNIL | ffi::LUA_TNONE => Ok(std::ptr::null_mut()),
        _ => this(state).ok_or_else(|| LuaError::new("need a queue of netpack.filter at param 1")),
    }
}

#[cfg(test)]
mod tests;

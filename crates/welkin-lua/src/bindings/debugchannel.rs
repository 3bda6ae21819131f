//! `skynet.debugchannel`: a queue of lines from one service to another, and the hooks of the debugger.
//!
//! A channel has two ends, each a userdata with the channel's number; the number is also the "pointer"
//! that the first service hands to the second. So a wrong or late pointer finds nothing, and nobody
//! follows it. The channel is gone when both ends are collected.

use std::collections::{HashMap, VecDeque};
use std::ffi::CStr;
use std::sync::LazyLock;
use std::time::Duration;

use mlua_sys as ffi;
use parking_lot::Mutex;

use super::debugger::sethook;
use super::info::push_owned;
use super::skynet::Entry;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;

/// Bytes that one channel holds; the reader is stuck if there are more.
const BYTES_MAX: usize = 1024 * 1024;
/// One unit of the argument of `read`, and the longest wait.
const WAIT_UNIT_US: f64 = 100_000.0;
const WAIT_US_MAX: f64 = 60_000_000.0;

const METATABLE: &CStr = c"skynet.debugchannel";

const FUNCTIONS: &[Entry] = &[
    (c"create", create),
    (c"connect", connect),
    (c"release", release),
    (c"sethook", sethook),
];

const METHODS: &[Entry] = &[(c"read", read), (c"write", write)];

#[derive(Default)]
struct Channel {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    connected: bool,
    /// Userdata that are not collected.
    ends: u32,
}

#[derive(Default)]
struct Channels {
    last: u64,
    open: HashMap<u64, Channel>,
}

static CHANNELS: LazyLock<Mutex<Channels>> = LazyLock::new(Mutex::default);

lua_fn! {
    /// Opens the module.
    fn open(call: &mut Call) -> LuaResult {
        let state = call.state;
        super::push_functions(state, FUNCTIONS);
        // SAFETY: called where Lua may raise; nothing is owned.
        unsafe { ffi::luaL_newmetatable(call.L, METATABLE.as_ptr()) };
        state.push_fn(release);
        state.raw_set_lit(-2, c"__gc");
        super::push_functions(state, METHODS);
        state.raw_set_lit(-2, c"__index");
        state.pop(1);
        Ok(1)
    }

    /// `create() -> channel, pointer`.
    fn create(call: &mut Call) -> LuaResult {
        let place = new_end(call.state);
        let number = {
            let mut channels = CHANNELS.lock();
            channels.last += 1;
            let number = channels.last;
            channels.open.insert(number, Channel { ends: 1, ..Channel::default() });
            number
        };
        // SAFETY: `place` is the fresh end on the stack.
        unsafe { *place = number };
        call.state.push_light(number as usize as *mut _);
        Ok(2)
    }

    /// `connect(pointer) -> channel`: the other end, once.
    fn connect(call: &mut Call) -> LuaResult {
        let state = call.state;
        let number = state.to_userdata(1) as usize as u64;
        if number == 0 {
            return Err(LuaError::new("Invalid channel pointer"));
        }
        let place = new_end(state);
        let connected = CHANNELS.lock().connect(number);
        if !connected {
            return Err(LuaError::new("new channel failed"));
        }
        // SAFETY: as above.
        unsafe { *place = number };
        Ok(1)
    }

    /// `release(channel)`, and its `__gc`: this end is given up.
    fn release(call: &mut Call) -> LuaResult {
        let place = check(call.state)?;
        // SAFETY: an end, and argument of this call.
        let number = unsafe { std::mem::take(&mut *place) };
        CHANNELS.lock().release(number);
        Ok(0)
    }

    /// `channel:write(text)`.
    fn write(call: &mut Call) -> LuaResult {
        let number = number_of(call.state)?;
        let text = call.state.check_text(2);
        match CHANNELS.lock().open.get_mut(&number) {
            Some(channel) if channel.bytes + text.len() <= BYTES_MAX => {
                channel.bytes += text.len();
                channel.lines.push_back(text.to_vec());
                Ok(0)
            }
            Some(_) => Err(LuaError::new(
                "the debug channel is full: the service that is debugged does not read from it",
            )),
            None => Ok(0),
        }
    }

    /// `channel:read([seconds]) -> text or nothing`: waits a tenth of that when there is none.
    fn read(call: &mut Call) -> LuaResult {
        let number = number_of(call.state)?;
        let wait_us = call.state.to_num(2).unwrap_or(0.0) * WAIT_UNIT_US;
        let mut line = next_line(number);
        if line.is_none() && wait_us > 0.0 {
            let wait = Duration::from_micros(wait_us.min(WAIT_US_MAX) as u64);
            welkin_runtime::blocking(|| std::thread::sleep(wait));
            line = next_line(number);
        }
        let Some(line) = line else { return Ok(0) };
        push_owned(call.state, line);
        Ok(1)
    }
}

impl Channels {
    fn connect(&mut self, number: u64) -> bool {
        match self.open.get_mut(&number) {
            Some(channel) if !channel.connected => {
                channel.connected = true;
                channel.ends += 1;
                true
            }
            _ => false,
        }
    }

    fn release(&mut self, number: u64) {
        if let Some(channel) = self.open.get_mut(&number) {
            channel.ends -= 1;
            if channel.ends == 0 {
                self.open.remove(&number);
            }
        }
    }
}

fn next_line(number: u64) -> Option<Vec<u8>> {
    let mut channels = CHANNELS.lock();
    let channel = channels.open.get_mut(&number)?;
    let line = channel.lines.pop_front()?;
    channel.bytes -= line.len();
    Some(line)
}

/// Pushes an end without a number.
fn new_end(state: State) -> *mut u64 {
    // SAFETY: the block has the size of a u64 and Lua's alignment, and is filled before it is an end.
    unsafe {
        let place = ffi::lua_newuserdatauv(state.ptr(), size_of::<u64>(), 0).cast::<u64>();
        place.write(0);
        ffi::luaL_setmetatable(state.ptr(), METATABLE.as_ptr());
        place
    }
}

fn check(state: State) -> Result<*mut u64, LuaError> {
    // SAFETY: the metatable is that of ends only.
    let place = unsafe { ffi::luaL_testudata(state.ptr(), 1, METATABLE.as_ptr()) };
    if place.is_null() {
        return Err(LuaError::new("Need a debug channel"));
    }
    Ok(place.cast())
}

fn number_of(state: State) -> Result<u64, LuaError> {
    let place = check(state)?;
    // SAFETY: an end, and argument of the running call.
    Ok(unsafe { *place })
}

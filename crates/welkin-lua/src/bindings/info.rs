//! Facts and small tools: address, time, environment, log, statistics, commands.

use std::cell::Cell;
use std::ffi::c_int;

use mlua_sys as ffi;
use welkin_runtime::{Address, Node};

use crate::alloc::passing::Passing;
use crate::border::LuaError;
use crate::lua_fn;
use crate::state::State;
use crate::vm::VmPtr;

lua_fn! {
    /// `skynet.self() -> integer`.
    fn self_address(call: &mut Call) -> LuaResult {
        call.state.push_int(call.vm().address().0.into());
        Ok(1)
    }

    /// `skynet.now() -> integer`: ticks since the node's start.
    fn now(call: &mut Call) -> LuaResult {
        call.state.push_int(call.vm().node.now());
        Ok(1)
    }

    /// `skynet.starttime() -> integer`: Unix time of the node's start, seconds.
    fn starttime(call: &mut Call) -> LuaResult {
        call.state.push_int(call.vm().node.start_time());
        Ok(1)
    }

    /// `skynet.time() -> float`: Unix time, seconds.
    fn time(call: &mut Call) -> LuaResult {
        let vm = call.vm();
        call.state.push_num(vm.node.now() as f64 / 100.0 + vm.node.start_time() as f64);
        Ok(1)
    }

    /// `skynet.hpc() -> integer`: monotonic clock, nanoseconds.
    fn hpc(call: &mut Call) -> LuaResult {
        call.state.push_int(Node::hpc());
        Ok(1)
    }

    /// `skynet.error(...)`: one log line.
    fn error(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let values = state.top();
        if values == 0 {
            state.push_lit(c"nil");
        } else {
            join(state, values);
        }
        vm.log(state.text(-1).unwrap_or_default());
        Ok(0)
    }

    /// `skynet.localname(".name") -> integer or nothing`.
    fn localname(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let name = state.check_text(1);
        let found = name.strip_prefix(b".").and_then(|name| vm.node.name_query(name));
        let Some(address) = found else { return Ok(0) };
        state.push_int(address.0.into());
        Ok(1)
    }

    /// `skynet.address(addr) -> text`.
    fn address(call: &mut Call) -> LuaResult {
        let state = call.state;
        if state.type_of(1) == ffi::LUA_TNUMBER {
            let address = Address(state.check_int(1) as u32);
            push_owned(state, address.to_string().into_bytes());
            return Ok(1);
        }
        state.set_top(1);
        state.push_tostring(1);
        Ok(1)
    }

    /// `skynet.harbor(addr) -> id, remote`.
    fn harbor(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let id = Address(state.check_int(1) as u32).harbor();
        state.push_int(id.into());
        state.push_bool(id != 0 && id != vm.node.harbor());
        Ok(2)
    }

    /// `skynet.getenv(key) -> text or nil`.
    fn getenv(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        state.set_top(1);
        match vm.node.env_get(state.check_text(1)) {
            Some(value) => push_owned(state, value),
            None => state.push_nil(),
        }
        Ok(1)
    }

    /// `skynet.setenv(key, value)`.
    fn setenv(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let (key, value) = (state.check_text(1), state.check_text(2));
        // A key with blanks ends at the first one; the rest belongs to the value.
        let (name, value) = match key.iter().position(|c| *c == b' ') {
            Some(blank) => (&key[..blank], [&key[blank + 1..], b" ", value].concat()),
            None => (key, value.to_vec()),
        };
        if vm.node.env_get(key).is_some() || vm.node.env_set(name, &value).is_err() {
            drop(value);
            return Err(LuaError::new(format!("Can't setenv exist key : {}", String::from_utf8_lossy(key))));
        }
        Ok(0)
    }

    /// `skynet.stat(what) -> number`.
    fn stat(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let what = state.check_text(1);
        push_stat(vm, state, what);
        Ok(1)
    }

    /// `skynet.mqlen() -> integer`.
    fn mqlen(call: &mut Call) -> LuaResult {
        call.state.push_int(call.vm().slot.mailbox_len() as i64);
        Ok(1)
    }

    /// `skynet.endless() -> boolean`: reading clears it.
    fn endless(call: &mut Call) -> LuaResult {
        call.state.push_bool(call.vm().slot.take_endless());
        Ok(1)
    }

    /// `skynet.memlimit(bytes)`: from the end of the main file on.
    fn memlimit(call: &mut Call) -> LuaResult {
        let (mut vm, state) = (call.vm(), call.state);
        vm.memory_limit = state.check_int(1).max(0) as usize;
        // It removes itself: a second use is a call of nil.
        vm.memlimit_used = true;
        state.push_ref(vm.refs.skynet);
        state.push_nil();
        state.raw_set_lit(-2, c"memlimit");
        Ok(0)
    }

    /// `core.command(cmd[, parm]) -> text or nothing`.
    fn command(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let Some(result) = run_command(vm, state) else { return Ok(0) };
        push_owned(state, result);
        Ok(1)
    }

    /// `core.intcommand(cmd[, parm]) -> number or nothing`.
    fn intcommand(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        if state.top() == 2 && state.to_num(2).is_some() {
            let number = state.check_int(2) as i32;
            state.pop(1);
            state.push_int(number.into());
        }
        let Some(result) = run_command(vm, state) else { return Ok(0) };
        if result.is_empty() {
            state.push_int(0);
            return Ok(1);
        }
        let text = String::from_utf8_lossy(&result).into_owned();
        drop(result);
        if let Ok(n) = text.parse::<i64>() {
            state.push_int(n);
        } else if let Ok(n) = text.parse::<f64>() {
            state.push_num(n);
        } else {
            return Err(LuaError::new(format!("Invalid result {text}")));
        }
        Ok(1)
    }

    /// `core.addresscommand(cmd[, parm]) -> integer or nothing`.
    fn addresscommand(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let address = run_command(vm, state)
            .and_then(|text| text.strip_prefix(b":").map(super::send::parse_hex))
            .filter(|a| *a != 0);
        let Some(address) = address else { return Ok(0) };
        state.push_int(address.into());
        Ok(1)
    }

    /// `core.trace(tag, text[, thread][, level])`.
    fn trace(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let (tag, text) = (state.check_text(1), state.check_text(2));
        let (of, level) = match state.to_thread(3) {
            Some(thread) => (thread, 4),
            None => (state, 3),
        };
        match state.to_int(level) {
            Some(level) => vm.trace_stack(tag, text, of, level as i32),
            None => vm.trace_line(tag, &String::from_utf8_lossy(text)),
        }
        Ok(0)
    }
}

/// Joins the lowest `values` by blanks, each as `tostring` gives it; the text is pushed.
fn join(state: State, values: c_int) {
    if values == 1 {
        state.push_tostring(1);
        return;
    }
    if !state.check_stack(2 * values + 2) {
        state.push_lit(c"(too many values)");
        return;
    }
    for index in 1..=values {
        if index > 1 {
            state.push_lit(c" ");
        }
        state.push_tostring(index);
    }
    state.concat(2 * values - 1);
}

/// Pushes bytes; when the push raises, they are freed by the next use.
pub fn push_owned(state: State, bytes: Vec<u8>) {
    let Some(mut vm) = crate::vm::try_vm(state) else {
        return push_owned_plain(state, bytes);
    };
    vm.scratch = bytes;
    let kept: *const [u8] = vm.scratch.as_slice();
    // SAFETY: the field owns the bytes until the next use, which comes after the copy.
    state.push_bytes(unsafe { &*kept });
    vm.scratch = Vec::new();
}

/// In the plain interpreter, where no VM keeps the bytes.
#[cold]
fn push_owned_plain(state: State, bytes: Vec<u8>) {
    thread_local! {
        static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let kept: *const [u8] = bytes.as_slice();
    KEPT.set(bytes);
    // SAFETY: as above; the vector was moved, its bytes were not.
    state.push_bytes(unsafe { &*kept });
    KEPT.take();
}

fn push_stat(vm: VmPtr, state: State, what: &[u8]) {
    let slot = &vm.slot;
    match what {
        b"mqlen" => state.push_int(slot.mailbox_len() as i64),
        b"message" => state.push_int(slot.messages() as i64),
        b"endless" => state.push_int(slot.take_endless().into()),
        b"cpu" => state.push_num(slot.cpu_ns() as f64 / 1e9),
        b"time" if vm.node.profile() => state.push_num(slot.message_cpu_ns() as f64 / 1e9),
        _ => state.push_int(0),
    }
}

/// The debug commands MEM, STAT and PING. False: it is another one.
pub fn answer_figures(vm: VmPtr, state: State, asked: &[u8]) -> bool {
    if !matches!(asked, b"MEM" | b"STAT" | b"PING") {
        return false;
    }
    state.push_fn(super::answer::retpack);
    let top = state.top();
    match asked {
        b"MEM" => state.push_num(vm.heap.used as f64 / 1024.0),
        b"STAT" => {
            state.create_table(0, 4);
            for (name, what) in [
                (c"cpu", &b"cpu"[..]),
                (c"message", b"message"),
                (c"mqlen", b"mqlen"),
            ] {
                push_stat(vm, state, what);
                state.raw_set_lit(-2, name);
            }
            state.push_int(super::task::count(vm) as i64);
            state.raw_set_lit(-2, c"task");
        }
        _ => {}
    }
    state.call(state.top() - top, 0);
    true
}

/// The text command of arguments 1 and 2 (the second only when there are exactly two).
fn run_command(vm: VmPtr, state: State) -> Option<Vec<u8>> {
    let command = state.check_text(1);
    let param = if state.top() == 2 {
        Some(state.check_text(2))
    } else {
        None
    };
    let cloned = command == b"LAUNCH" && param.is_some_and(|text| vm.shared.images.serve(text));
    let _apart = cloned.then(Passing::begin);
    vm.node.command(&vm.slot, command, param)
}

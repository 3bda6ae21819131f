//! `welkin_slow_ms`: messages that use much CPU time are logged, with the place where they used it.
//!
//! When a message is over its time is known, but its stack is gone. So the monitor interrupts a worker
//! whose message lasts that long, as it does to preempt it, and the hook keeps a [`Sample`]: function,
//! line and stack. A message without one never came back from native code to Lua. Each function is
//! logged once a minute. Needs `profile`, as messages are not measured without it.

use std::collections::HashMap;

use mlua_sys as ffi;
use parking_lot::Mutex;
use welkin_runtime::Node;

use crate::bindings::welkin;
use crate::control;
use crate::state::State;
use crate::vm::VmPtr;

/// How often one function is logged.
const AGAIN_NS: i64 = 60_000_000_000;
/// Functions remembered; with more, those told of longest ago are forgotten and may be told of again.
const FUNCTIONS_MAX: usize = 1024;

/// Where a long message was.
#[derive(Debug)]
pub struct Sample {
    /// Number of the message in its service.
    message: u64,
    /// Name of the function, or where it begins.
    function: String,
    /// `chat.lua:88`.
    place: String,
    /// Where the function begins: what "each function" is.
    defined: String,
    traceback: Vec<u8>,
}

/// When which function of the node was told of.
#[derive(Debug, Default)]
pub struct Told(Mutex<HashMap<String, i64>>);

impl Told {
    fn is_due(&self, function: &str, now_ns: i64) -> bool {
        let mut told = self.0.lock();
        if told.get(function).is_some_and(|at| now_ns - at < AGAIN_NS) {
            return false;
        }
        if told.len() >= FUNCTIONS_MAX {
            told.retain(|_, at| now_ns - *at < AGAIN_NS);
        }
        if told.len() >= FUNCTIONS_MAX {
            told.clear();
        }
        told.insert(function.to_owned(), now_ns);
        true
    }
}

/// In the hook on `state`: keeps where the message is if it is slow by now and nothing is kept of it.
pub fn sample(mut vm: VmPtr, state: State) {
    let limit_ns = vm.shared.options.slow_ns;
    if limit_ns == 0 || vm.slot.message_cpu_ns() < limit_ns {
        return;
    }
    let message = vm.slot.messages();
    if vm.slow.as_ref().is_some_and(|kept| kept.message == message) {
        return;
    }
    // An error for want of memory belongs to the program, not to who looks at it.
    let lifted = std::mem::replace(&mut vm.heap.lifted, true);
    state.push_traceback(state, None, 0);
    let traceback = state.string(-1).unwrap_or_default().to_vec();
    let place = control::position(state, 0).flatten().unwrap_or_default();
    let sample = Sample {
        message,
        function: control::function_name(state),
        place: place.trim_start_matches('@').to_owned(),
        defined: control::defined_at(state),
        traceback,
    };
    vm.slow = Some(Box::new(sample));
    state.pop(1);
    vm.heap.lifted = lifted;
}

/// At the end of a message: logs it if it was slow.
pub fn check(mut vm: VmPtr) {
    let limit_ns = vm.shared.options.slow_ns;
    let used_ns = vm.slot.message_cpu_ns();
    if used_ns < limit_ns {
        return;
    }
    let message = vm.slot.messages();
    let sample = vm.slow.take().filter(|kept| kept.message == message);
    let handler = match &sample {
        Some(_) => String::new(),
        None => handler(vm),
    };
    let function = sample.as_ref().map_or(&handler, |sample| &sample.defined);
    if !vm.shared.slow.is_due(function, Node::hpc()) {
        return;
    }
    let mut line = format!(
        "slow message: {} ms CPU time (welkin_slow_ms = {}) ",
        used_ns / 1_000_000,
        limit_ns / 1_000_000
    );
    match &sample {
        Some(sample) if sample.function.is_empty() => line += &format!("at {}", sample.place),
        Some(sample) => line += &format!("in function '{}' at {}", sample.function, sample.place),
        None => line += &format!("in native code called by the handler at {handler}"),
    }
    let name = |address| vm.node.service_name(address).unwrap_or_default();
    let own = name(vm.address());
    line += &format!(", service {} {own}, ", vm.address());
    if message == 1 {
        line += "while it started";
    } else {
        let source = vm.current.source;
        let kind = kind_name(vm);
        line += &format!("message {kind} from {source} {}", name(source));
    }
    let mut line = line.trim_end().as_bytes().to_vec();
    if let Some(sample) = &sample {
        line.push(b'\n');
        line.extend_from_slice(&sample.traceback);
    }
    vm.log(line);
}

fn kind_name(vm: VmPtr) -> String {
    let kind = vm.current.kind;
    welkin::push_kind(vm, vm.main, kind);
    let name = vm.main.string(-1).map(String::from_utf8_lossy);
    let name = name.map_or_else(|| kind.to_string(), |name| name.into_owned());
    vm.main.pop(1);
    name
}

/// Where the handler of the present message's protocol begins; `?` without one.
fn handler(vm: VmPtr) -> String {
    let main = vm.main;
    let base = main.top();
    main.push_ref(vm.refs.proto);
    let has_handler = main.raw_get_i(-1, vm.current.kind.into()) == ffi::LUA_TTABLE
        && main.raw_get_lit(-1, c"dispatch") == ffi::LUA_TFUNCTION;
    let place = if has_handler {
        control::definition(main)
    } else {
        "?".to_owned()
    };
    main.set_top(base);
    place.trim_start_matches('@').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_told_of_once_a_minute() {
        let told = Told::default();
        let due = [0, 1, AGAIN_NS, AGAIN_NS + 1].map(|now| told.is_due("@a.lua:1", now));
        assert_eq!(due, [true, false, true, false]);
        assert!(told.is_due("@a.lua:2", 1));
    }

    #[test]
    fn not_all_functions_of_all_time_are_remembered() {
        let told = Told::default();
        for n in 0..3 * FUNCTIONS_MAX {
            assert!(told.is_due(&n.to_string(), n as i64));
        }
        assert!(told.0.lock().len() <= FUNCTIONS_MAX);
    }
}

//! `skynet.memory`: how much memory the node and its services use.
//!
//! skynet counts what its C modules allocate; here most memory is the heaps of the Lua services, and
//! these are what is counted: `info` and `total` are those heaps as of each service's last message. The
//! names of `jestat` are jemalloc's; they get the nearest figures of the process. What has no
//! counterpart (blocks, heap profiles) is 0 or off, as in a skynet without jemalloc.

use std::fs;

use welkin_runtime::Address;

use super::skynet::Entry;
use super::socketdriver::info::push_owned;
use crate::lua_fn;
use crate::vm::VmPtr;

const FUNCTIONS: &[Entry] = &[
    (c"total", total),
    (c"block", block),
    (c"current", current),
    (c"info", info),
    (c"dump", dump),
    (c"dumpinfo", nothing),
    (c"jestat", jestat),
    (c"mallctl", mallctl),
    (c"dumpheap", nothing),
    (c"profactive", profactive),
];

lua_fn! {
    /// Opens the module.
    fn open(call: &mut Call) -> LuaResult {
        super::push_functions(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `total() -> bytes` of all services.
    fn total(call: &mut Call) -> LuaResult {
        let sum: usize = services(call.vm()).iter().map(|(_, bytes)| bytes).sum();
        call.state.push_int(sum as i64);
        Ok(1)
    }

    /// `block() -> 0`: blocks are not counted.
    fn block(call: &mut Call) -> LuaResult {
        call.state.push_int(0);
        Ok(1)
    }

    /// `mallctl(name) -> 0`: the allocator has no figures by name.
    fn mallctl(call: &mut Call) -> LuaResult {
        call.state.check_text(1);
        call.state.push_int(0);
        Ok(1)
    }

    /// `current() -> bytes` of the calling service.
    fn current(call: &mut Call) -> LuaResult {
        call.state.push_int(call.vm().heap.used as i64);
        Ok(1)
    }

    /// `info() -> {[address] = bytes}`.
    fn info(call: &mut Call) -> LuaResult {
        push_owned(call.state, services(call.vm()), |state, services| {
            state.create_table(0, services.len() as i32);
            for (address, bytes) in services {
                state.push_int(*bytes as i64);
                state.raw_set_i(-2, address.0.into());
            }
        })
    }

    /// `dump()`: a log line for each service.
    fn dump(call: &mut Call) -> LuaResult {
        let vm = call.vm();
        let mut sum = 0;
        for (address, bytes) in services(vm) {
            sum += bytes;
            vm.log(format!("{address} -> {}K {}", bytes >> 10, bytes % 1024));
        }
        vm.log(format!("+total: {}K", sum >> 10));
        Ok(0)
    }

    /// `dumpinfo()`, `dumpheap()`: there is nothing to dump.
    fn nothing(_call: &mut Call) -> LuaResult {
        Ok(0)
    }

    /// `jestat() -> {["stats.allocated"] = bytes, ...}`.
    fn jestat(call: &mut Call) -> LuaResult {
        let heaps: usize = services(call.vm()).iter().map(|(_, bytes)| bytes).sum();
        let (mapped, resident) = process();
        let state = call.state;
        state.create_table(0, 5);
        for (name, bytes) in [
            (c"stats.allocated", heaps),
            (c"stats.active", resident),
            (c"stats.mapped", mapped),
            (c"stats.resident", resident),
            (c"stats.retained", 0),
        ] {
            state.push_int(bytes as i64);
            state.raw_set_lit(-2, name);
        }
        Ok(1)
    }

    /// `profactive([on]) -> false`: there are no heap profiles.
    fn profactive(call: &mut Call) -> LuaResult {
        call.state.push_bool(false);
        Ok(1)
    }
}

/// Services that count their memory, with it.
fn services(vm: VmPtr) -> Vec<(Address, usize)> {
    let own = vm.address();
    let addresses = vm.node.services();
    let memory = |address: Address| {
        if address == own {
            return Some((own, vm.heap.used));
        }
        let slot = vm.node.slot(address)?;
        let bytes = slot.control()?.memory();
        Some((address, bytes))
    };
    addresses.into_iter().filter_map(memory).collect()
}

/// Address space and resident memory of the process in bytes; 0 where the system does not say.
fn process() -> (usize, usize) {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    // SAFETY: no precondition.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(0) as usize;
    let mut pages = text
        .split_ascii_whitespace()
        .map(|n| n.parse().unwrap_or(0));
    let mut next = || pages.next().unwrap_or(0usize).saturating_mul(page);
    (next(), next())
}

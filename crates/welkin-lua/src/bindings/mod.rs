//! The Lua modules that are native: one file each, and what they share.

pub mod answer;
pub mod bson;
pub mod call;
pub mod client_socket;
pub mod cluster;
pub mod core;
pub mod coroutine;
pub mod crypt;
pub mod datasheet;
pub mod debugchannel;
pub mod debugger;
pub mod dns;
pub mod hooks;
pub mod inbox;
pub mod info;
pub mod inspect;
pub mod lifecycle;
pub mod md5;
pub mod memory;
pub mod mongo;
pub mod multicast;
pub mod mysql;
pub mod netpack;
pub mod object;
pub mod pointer;
pub mod profile;
pub mod queue;
pub mod resp;
pub mod schedule;
pub mod send;
pub mod seri;
pub mod sharedata;
pub mod sharetable;
pub mod skynet;
pub mod socket_buffer;
pub mod socketdriver;
pub mod sproto;
pub mod stm;
pub mod task;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
pub mod tls;
pub mod welkin;

use mlua_sys as ffi;
use welkin_runtime::Payload;

use crate::lua_continuation;
use crate::state::State;
use crate::vm::VmPtr;

/// Opens the native module `name`, if it is one.
pub fn opener(name: &[u8]) -> Option<ffi::lua_CFunction> {
    Some(match name {
        b"skynet" => skynet::open,
        b"skynet.cluster.core" => cluster::open,
        b"skynet.core" => core::open,
        b"skynet.datasheet.core" => datasheet::open,
        b"skynet.debugchannel" => debugchannel::open,
        b"skynet.memory" => memory::open,
        b"skynet.multicast.core" => multicast::open,
        b"skynet.netpack" => netpack::luaopen_netpack,
        b"skynet.profile" => profile::open,
        b"skynet.sharedata.core" => sharedata::open,
        b"skynet.sharetable.core" => sharetable::open,
        b"skynet.socketdriver" => socketdriver::luaopen_socketdriver,
        b"skynet.stm" => stm::open,
        b"skynet.codecache" => crate::codecache::luaopen_codecache,
        b"welkin.debugger" => debugger::open,
        b"welkin.inspect" => inspect::open,
        b"welkin.native" => welkin::open,
        b"welkin.section" => open_section,
        b"welkin.suspension" => open_suspension,
        _ => return plain_opener(name),
    })
}

/// Opens the native module `name`, if it is one that needs no node around it: what the plain
/// interpreter has too.
pub fn plain_opener(name: &[u8]) -> Option<ffi::lua_CFunction> {
    Some(match name {
        b"bson" => bson::open,
        b"client.crypt" | b"skynet.crypt" => crypt::open,
        b"client.socket" => client_socket::open,
        b"skynet.mongo.driver" => mongo::open_driver,
        b"welkin.dns" => dns::open,
        b"welkin.mongo" => mongo::open_private,
        b"welkin.scram" => mongo::open_scram,
        b"welkin.mysql" => mysql::open,
        b"welkin.resp" => resp::open,
        b"welkin.tls.core" => tls::open,
        b"md5" | b"md5.core" => md5::open,
        b"sproto.core" => sproto::open,
        _ => return None,
    })
}

/// Pushes a table of these functions.
pub fn push_functions(state: State, functions: &[skynet::Entry]) {
    state.create_table(0, functions.len() as i32);
    for (name, function) in functions {
        state.push_fn(*function);
        state.raw_set_lit(-2, name);
    }
}

crate::lua_fn! {
    /// What `skynet.queue` is made of.
    fn open_section(call: &mut Call) -> LuaResult {
        call.state.push_fn(queue::section);
        Ok(1)
    }

    /// What `skynet.coroutine` needs to pass a wait of the framework through coroutines of its own.
    fn open_suspension(call: &mut Call) -> LuaResult {
        push_functions(call.state, coroutine::PRIVATE);
        Ok(1)
    }
}

lua_continuation! {
    /// The callee's results, above `context` values that were there before.
    fn results_above(call: &mut Call, context: isize) -> LuaResult {
        Ok(call.state.top() - context as i32)
    }
}

/// A socket message's data buffer goes to the program, which frees it by `drop` or `push`.
pub fn hand_over_attached(mut vm: VmPtr) {
    let payload = std::mem::replace(&mut vm.current.payload, Payload::empty());
    let (pointer, len) = payload.into_raw();
    // SAFETY: the pair came from `into_raw` just now; only the attached buffer changed hands.
    vm.current.payload = unsafe { Payload::from_raw(pointer, len) };
}

/// The message's memory goes to the program's callback: with `forward` all of it, else what is
/// attached to it.
pub fn hand_over(mut vm: VmPtr, forward: bool) {
    if forward {
        let payload = std::mem::replace(&mut vm.current.payload, Payload::empty());
        payload.into_raw();
    } else {
        hand_over_attached(vm);
    }
}

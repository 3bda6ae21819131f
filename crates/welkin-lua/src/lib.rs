//! One Lua VM for each service: state, allocator, native dispatcher, and the modules programs see.
//!
//! This is the only crate that touches `lua_State`. Below it are the runtime (actors, which know no
//! Lua) and the socket engine; above it the binary that boots a node. A message's way through it:
//! [`service`] gets it from a worker, [`dispatch`] puts it on a coroutine, [`bindings`] are what the
//! program calls back, [`border`] is how each of those enters and leaves Rust.

pub mod alloc;
pub mod bindings;
pub mod border;
pub mod codecache;
pub mod config_lua;
pub mod control;
pub mod coroutines;
pub mod deadlines;
pub mod dispatch;
pub mod hooks;
pub mod image;
pub mod lazylib;
pub mod library;
pub mod library_setup;
pub mod loader;
pub mod module;
pub mod plain;
pub mod preempt;
pub mod service;
pub mod sharedata;
pub mod sharetable;
pub mod slow;
pub mod state;
pub mod trace;
pub mod vm;
pub mod waits;

pub use alloc::give_back;
#[cfg(not(plain_malloc))]
pub use alloc::passing::Allocator;
pub use module::{Options, register};

//! Actors, and nothing else: addresses, names, messages, mailboxes, scheduler, timer, monitor and
//! accounting.
//!
//! A [`Node`] has services ([`Service`]), made by [`Module`]s and run by a few workers; they know each
//! other by [`Address`] and exchange [`Message`]s. What holds everywhere:
//! - A service is run by one worker at a time and is on a run queue at most once; messages from one
//!   sender arrive in order.
//! - No lock is held while a service's code runs, and no global lock lies on the way of a message.
//! - Nothing here knows of Lua, sockets or files: these come in as [`Service`], [`Driver`], [`Tap`].
//! - A node without work costs nothing: no thread ticks while all workers sleep.
//! - Unsafe code is in `payload` (malloc), `preempt.rs` (signal), `os.rs` (clocks, threads)
//!   and `warm.rs` (hints to the processor).
//!
//! Start reading at `node.rs`, then `mailbox.rs`, then `sched/mod.rs`.

#![deny(unsafe_code)]

mod backlog;
mod clock;
mod command;
mod dump;
mod env;
mod life;
mod mailbox;
mod message;
mod names;
mod node;
mod os;
mod parts;
mod payload;
mod post;
pub mod preempt;
mod sched;
mod service;
mod slot;
mod stuck;
mod sync;
mod table;
mod timer;
mod warm;

pub use env::EnvExists;
pub use message::{Address, Message, kind};
pub use node::{Node, NodeBuilder};
pub use parts::{built_without, built_without_all};
pub use payload::{Payload, PayloadBuf, SharedPayload, is_possible, may_be_block, room};
pub use sched::handover::blocking;
pub use sched::meter::current_service;
pub use service::{
    Context, Control, Driver, Flow, LaunchError, Module, NewService, Remote, Service, Tap,
    TapFactory,
};
pub use slot::Slot;
pub use stuck::Stuck;

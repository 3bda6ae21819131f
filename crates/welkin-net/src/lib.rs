//! Sockets as messages.
//!
//! A service commands sockets by number ([`Net`]'s functions, which never wait) and hears of them by
//! messages of kind `SOCKET` ([`event`]). Everything that happens to one socket happens under that
//! socket's own lock, the posting of its events included: so the owner sees them in the order they
//! happened, and nobody closes a file descriptor that another thread is reading from.
//!
//! Reading and accepting is done by whichever worker is the leader ([`Driver::poll`]); sending by the
//! worker that sends, as long as nothing is queued before it. Readiness is edge triggered: what could
//! not be read to its end is remembered (`State::pending`) and visited again.
//!
//! Locks, in the order they may be taken: leader, a socket's state, then one of the leaves (table
//! slot, owners, kicked list, the receiver's mailbox). No two sockets are locked at once, but for a
//! listener and the new socket that nobody else knows yet.
//!
//! [`Driver::poll`]: welkin_runtime::Driver::poll

#![deny(unsafe_code)]

pub mod address;
mod bound;
pub mod client;
mod close;
mod connect;
mod eager;
mod error;
pub mod event;
mod info;
mod leader;
mod listen;
mod net;
mod outbox;
mod parts;
#[allow(unsafe_code)]
mod raw;
mod resolver;
mod send;
mod socket;
mod start;
mod stream;
mod table;
mod udp;

pub use error::NetError;
pub use info::{SocketInfo, SocketKind, traffic};
pub use net::Net;
pub use outbox::Priority;

//! What all parts of the fleet mean by the same words: the fleet file, the states of a node, figures,
//! and the messages between client, master and agent.
//!
//! Nothing here does any I/O. The format is `fleet.md`'s; fields of messages are only ever added, with
//! a default, so that a master can talk to agents of the version before and after its own.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod entry;
pub mod figures;
pub mod file;
pub mod import;
pub mod near;
pub mod note;
pub mod select;
pub mod state;
pub mod table;
pub mod unit;
pub mod units;
pub mod wire;

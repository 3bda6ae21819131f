//! What the agent and its nodes say to each other: `client.rs` one connection of a node, `listen.rs`
//! where nodes connect, `probe.rs` other ways to find out how a node is.

pub mod client;
pub mod listen;
pub mod probe;

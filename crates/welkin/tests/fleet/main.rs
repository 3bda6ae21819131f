//! The fleet by real processes: the node's side of it, the founding note's way, and what happens when
//! parts of it die.

#[path = "../support/mod.rs"]
mod support;

mod classic;
mod console;
mod deaths;
mod example;
mod fake_master;
#[allow(clippy::module_inception, reason = "it is what the tests are about")]
mod fleet;
mod harm;
mod node_side;
mod players;
mod processes;
mod walk;

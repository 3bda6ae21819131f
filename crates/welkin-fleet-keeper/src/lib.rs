//! The process that stands between an agent and one node, and what an agent does with it.
//!
//! A node must outlive its agent, and somebody must hear how it ended, hold its output, and kill it whole
//! when it is told to. That somebody is a keeper: `welkin fleet keeper`, one for each running node, started
//! by the agent and then left alone. It has one thread, no network but a local socket, and starts nothing
//! again: decisions are the agent's.
//!
//! ```text
//! RUN/start.json    what to run; written by the agent before anything is started     start
//! RUN/lock          held as long as there is a keeper: a node never runs twice
//! RUN/node.json     the node's pid; on disk before the node's program begins          start
//! RUN/status.json   how the node ended                                                status
//! RUN/keeper.sock   a few questions and answers, frozen                               protocol
//! ```
//!
//! [`keeper`] is the process, [`agent`] the side of those who start and ask it; what both mean by the
//! files and lines is in [`start`], [`status`], [`protocol`]. All calls are synchronous and short, so an
//! agent makes them from a thread that may block. System calls without a safe form are in `os` alone.
//!
//! # For agents
//!
//! * [`agent::spawn`]: start a node, get a [`agent::Handle`].
//! * [`agent::find`]: what became of a run folder, after the agent's own restart.
//! * [`agent::take_over`]: a new keeper for a node whose keeper was killed.

pub mod agent;
pub mod cgroup;
pub mod keeper;
mod lines;
mod os;
pub mod process;
pub mod protocol;
pub mod start;
pub mod status;

pub use agent::{Error, Found, Handle, Heard, Orphan};
pub use keeper::run;
pub use os::{Identity, Space};
pub use start::{Start, Stay};
pub use status::{Exit, Status};

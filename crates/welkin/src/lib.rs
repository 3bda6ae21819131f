//! A node: what stands between an operating system process and the services in it.
//!
//! This crate reads the configuration, starts the engine's parts in the order that programs rely on,
//! and holds what touches files and signals: the logger, message dumps, the pid file. The runtime
//! below it knows none of these. Calls into the system are in [`os`], the only unsafe code beside the
//! reading of socket events in `dump`.

#![deny(unsafe_code)]

pub mod boot;
pub mod cli;
pub mod config;
mod control;
mod crash;
mod daemon;
mod dump;
mod failure;
mod fleet;
mod gate;
pub mod logger;
pub mod os;
mod signals;

pub use failure::Failure;

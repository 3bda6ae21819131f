//! The core of the master against simulated agents, with a clock of its own.
//!
//! Everything runs in one thread from a seed: delays, cuts, restarts. The agents keep to what
//! `welkin-fleet-model` says of agents; their nodes start and stop in some hundred milliseconds.

mod agent;
mod chaos;
mod commands;
mod faults;
mod store;
mod thousand;
mod updates;
mod world;

//! The whole master over real links: its process's entry in a thread, clients and agents of the test.

mod agent;
mod commands;
mod house;
mod thousand;
mod trust;

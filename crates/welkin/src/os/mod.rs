//! The system calls that Rust's library has no safe form of, each behind a function that has one.

#![allow(unsafe_code)]

pub mod clock;
pub mod fault;
pub mod peer;
pub mod process;
pub mod signal;

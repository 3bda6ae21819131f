//! Databases whose client is a library that waits: each has a thread, and services reach it by messages.
//!
//! Databases that are reached over sockets have no part here; their drivers are Lua over
//! `skynet.socketchannel`, with their formats in `welkin-codec`.

#![forbid(unsafe_code)]

pub mod sqlite;

//! Bytes to values and back: the formats that services, nodes and databases speak.
//!
//! Pure functions over slices. Nothing here waits, opens a socket or knows of Lua, so every format
//! can be fuzzed and simulated by itself. What comes from outside is believed only as far as the
//! bytes that are really there.

#![forbid(unsafe_code)]

pub mod bson;
pub mod cluster;
pub mod control;
pub mod crypt;
pub mod datasheet;
pub mod dns;
pub mod frame;
pub mod harbor;
pub mod mongo;
pub mod mysql;
pub mod resp;
pub mod seri;
pub mod sproto;

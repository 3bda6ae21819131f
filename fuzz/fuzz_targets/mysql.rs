//! Any bytes as what a MySQL server sends. What must hold is written once, beside the property tests.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-codec/tests/support/mysql.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| support::check_any_bytes(bytes));

//! Any bytes as a sheet. What must hold is written once, beside the property tests of
//! the codec.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-codec/tests/support/datasheet.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| support::check_any_bytes(bytes));

//! Any bytes as what is said on a control socket, both ways, cut anywhere. What must hold is written
//! once, beside the property tests of the codec.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-codec/tests/support/control.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| support::check_any_bytes(bytes));

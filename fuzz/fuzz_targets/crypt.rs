//! Any bytes as base64, as hexadecimal digits and as enciphered texts. What must hold is written once,
//! beside the property tests of the codec.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-codec/tests/support/crypt.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| support::check_any_bytes(bytes));

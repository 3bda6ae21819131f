//! Any bytes as a sproto bundle, message and packed stream. What must hold is written once, beside the
//! property tests of the codec, which try it with random bytes on every change.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-codec/tests/support/sproto.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| support::check_any_bytes(bytes));

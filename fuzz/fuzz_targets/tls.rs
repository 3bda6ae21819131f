//! A session of TLS and a peer whose bytes are changed, cut, repeated or made up on the way. What must
//! hold is written once, beside the property tests of the crate.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-tls/tests/support/hostile.rs"]
mod support;

fuzz_target!(|script: &[u8]| support::check_script(script));

//! Any bytes as the archive of a release. What must hold is written once, beside the property tests of
//! the crate.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-fleet-release/tests/support/any.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    support::check_any_archive(bytes);
});

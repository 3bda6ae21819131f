//! Any text as a fleet file with its cluster config, and as a selection. What must hold is written once,
//! beside the property tests of the model.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/welkin-fleet-model/tests/support/operator.rs"]
mod support;

fuzz_target!(|text: &str| support::check_any_text(text));

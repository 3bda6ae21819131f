//! Stands in for `parts.rs` in a program that was built without the fleet.

use std::ffi::OsString;

use welkin_runtime::built_without;

use crate::failure::{FAILED, Failure};

/// What a whole build tells, and first of all that this one has none of it.
pub fn help(text: &str) -> String {
    format!("{}\n\n{text}", built_without("the fleet", "fleet"))
}

/// Refuses every word.
pub fn run(_word: Option<&str>, _arguments: &[OsString]) -> Result<u8, Failure> {
    Err(Failure::new(FAILED, built_without("the fleet", "fleet")))
}

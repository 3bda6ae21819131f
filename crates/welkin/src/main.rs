//! The program `welkin`.

use std::process::ExitCode;

/// Rust's own data; message payloads come from the process's `malloc` (see `welkin_runtime::Payload`).
///
/// Under `cfg(plain_malloc)` all memory is `malloc`'s, for tools that watch it: `cargo xtask sanitize`.
#[cfg(not(plain_malloc))]
#[global_allocator]
static ALLOCATOR: welkin_lua::Allocator = welkin_lua::Allocator;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    ExitCode::from(welkin::cli::run(&arguments))
}

//! The client alone, without the rest of the program: for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    ExitCode::from(welkin_fleet_client::run_with(
        &arguments,
        |folder, file, passphrase| {
            let shown = format!(
                "{} {} {}",
                folder.display(),
                file.display(),
                passphrase.len()
            );
            Ok(vec![shown])
        },
    ))
}

//! Running other programs, with errors that say what was run.

use std::process::{Command, Stdio};

/// Runs `command` in the foreground; its output goes to ours. `Err` when it cannot start or fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|e| format!("cannot run `{}`: {e}", line(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}` ended with {status}", line(command)))
    }
}

/// The standard output of `command`; what it says on standard error goes to ours.
pub fn output(command: &mut Command) -> Result<String, String> {
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run `{}`: {e}", line(command)))?;
    if !done.status.success() {
        return Err(format!("`{}` ended with {}", line(command), done.status));
    }
    String::from_utf8(done.stdout)
        .map_err(|_| format!("`{}` printed what is no UTF-8", line(command)))
}

/// The cargo that runs us, in the tree's root.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(crate::tree::root());
    command
}

/// `cargo build --release` of the node.
pub fn build_node() -> Result<(), String> {
    run(cargo().args(["build", "--release", "-p", "welkin", "--bin", "welkin"]))
}

fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

//! What `--help` prints.

use std::ffi::OsString;

/// Of the program.
pub const PROGRAM: &str = "\
welkin: a node of actors in Lua, compatible with skynet

  welkin CONFIG              runs the node that the config file describes
  welkin run FILE.lua [ARGS] runs one Lua service file as a node of its own, without a config
  welkin check CONFIG        says whether a config is right, and starts nothing
  welkin --help, --version   welkin COMMAND --help tells more about a command

Exit status: 0 normal end, 1 failure, 2 wrong command line, 78 wrong configuration.

Example:
  welkin examples/echo/config
";

/// Of `run`.
pub const RUN: &str = "\
welkin run FILE.lua [ARGS]

Runs FILE.lua as the start service of a node without a config: as many workers as there are
processor cores, harbor 0, log on standard output. Services and modules are searched in the folder
of the file. ARGS are given to the file as texts; they cannot hold blanks. The node ends with
status 1 when the file does not start, else when the program calls skynet.abort().

Example:
  welkin run hello.lua world
";

/// Of `check`.
pub const CHECK: &str = "\
welkin check CONFIG

Reads the config as a start would: syntax, environment variables, values, keys of Welkin, and
whether the start service can be found. Nothing is started. Status 0 when all is right.

Example:
  welkin check examples/echo/config
";

/// Of the command named by the argument, if it is one.
pub fn of(command: Option<&OsString>) -> &'static str {
    match command.and_then(|command| command.to_str()) {
        Some("run") => RUN,
        Some("check") => CHECK,
        _ => PROGRAM,
    }
}

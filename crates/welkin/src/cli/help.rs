//! What `--help` prints.

use std::ffi::OsString;

/// Of the program.
pub const PROGRAM: &str = "\
welkin: a node of actors in Lua, compatible with skynet

  welkin CONFIG              runs the node that the config file describes
  welkin run FILE.lua [ARGS] runs one Lua service file as a node of its own, without a config
  welkin lua FILE [ARGS]     runs a plain Lua script, outside of any node
  welkin check CONFIG        says whether a config is right, and starts nothing
  welkin console HOST:PORT [COMMAND]
                             talks to the debug console of a running node
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

/// Of `lua`.
pub const LUA: &str = "\
welkin lua [FILE [ARGS]]

Runs FILE as a plain Lua 5.5 script, outside of any node; - or no FILE is standard input. Besides
Lua's standard libraries a script can require what client programs need: client.socket,
client.crypt (also named skynet.crypt) and md5. Other modules are searched as Lua does, along
LUA_PATH and LUA_CPATH. ARGS are in ... and in the table arg. Status 1 after an error in the script.

Example:
  welkin lua client.lua 127.0.0.1 8888
";

/// Of `check`.
pub const CHECK: &str = "\
welkin check CONFIG

Reads the config as a start would: syntax, environment variables, values, keys of Welkin, and
whether the start service can be found. Nothing is started. Status 0 when all is right.

Example:
  welkin check examples/echo/config
";

/// Of `console`.
pub const CONSOLE: &str = "\
welkin console HOST:PORT [COMMAND]

Talks to the debug console of a running node (of Welkin or of skynet). With a COMMAND it prints the
answer; status 0 when the console says <CMD OK>, 1 when it says <CMD Error> or cannot be reached.
Without one, lines of standard input go to the console until one of the two ends; the line help
tells what it knows. The password of a console that wants one is taken from the environment
variable WELKIN_CONSOLE_PASSWORD.

Example:
  welkin console 127.0.0.1:8000 list
";

/// Of the command named by the argument, if it is one.
pub fn of(command: Option<&OsString>) -> &'static str {
    match command.and_then(|command| command.to_str()) {
        Some("run") => RUN,
        Some("lua") => LUA,
        Some("check") => CHECK,
        Some("console") => CONSOLE,
        _ => PROGRAM,
    }
}

//! What `--help` prints.

pub mod fleet;

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
  welkin stop CONFIG|PID|SOCKET
                             lets a running node drain and end, and waits for that
  welkin drain TARGET        lets a running node take no new work
  welkin status TARGET       says how a running node is
  welkin fleet COMMAND       many nodes on many machines from one place: welkin fleet --help
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

Reads the config as a start would: syntax, environment variables, values, keys of Welkin, whether
the start service can be found, and whether the Lua files along luaservice, lua_path and snax
compile. Nothing is started. Status 0 when all is right.

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

/// Of `stop`.
pub const STOP: &str = "\
welkin stop [--json] CONFIG|PID|SOCKET

Lets a running node end as SIGTERM does, and waits until it has. A node whose program has exit or
drain hooks (welkin.on_exit, welkin.on_drain), or with welkin_ready = \"manual\", drains: it is not
ready any more, drain hooks run, listeners are closed, exit hooks run, all within welkin_exit_ms. Any
other ends at once. The node is named by its config (which has welkin_control or daemon), by the id
of its process, or by its control socket. Status 1 when hooks had to be left unfinished (they are
named on standard error; not known when only the process was given), or when there is no such node.

Example:
  welkin stop examples/echo/config
";

/// Of `drain`.
pub const DRAIN: &str = "\
welkin drain [--off] [--json] CONFIG|SOCKET

Lets a running node take no new work: it is not ready any more, welkin.draining() is true, and the
drain hooks of the program run, which are waited for. The node goes on, its listeners stay open.
--off makes it ready again. The config must have welkin_control. Status 1 when hooks are not through
within welkin_exit_ms.

Example:
  welkin drain examples/echo/config
";

/// Of `status`.
pub const STATUS: &str = "\
welkin status [--json] CONFIG|SOCKET

Says how a running node is: ready or why not, process, version, uptime, services, players, memory,
sockets, the longest mailbox, services that are stuck in a message. It answers also while all
workers are busy. The config must have welkin_control. With --json one object in one line: sizes in
bytes, times in seconds or (since) Unix time. Status 1 when the node does not run.

Example:
  welkin status --json run/control.sock
";

/// Of the command named by the argument, if it is one.
pub fn of(command: Option<&OsString>) -> &'static str {
    match command.and_then(|command| command.to_str()) {
        Some("run") => RUN,
        Some("lua") => LUA,
        Some("check") => CHECK,
        Some("console") => CONSOLE,
        Some("stop") => STOP,
        Some("drain") => DRAIN,
        Some("status") => STATUS,
        Some("fleet") => fleet::FLEET,
        _ => PROGRAM,
    }
}

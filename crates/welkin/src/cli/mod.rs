//! The command line.
//!
//! `welkin CONFIG` is skynet's whole command line and stays first: a word is a command only when no
//! lone argument of that name is a file. Errors go to standard error and name what to do; a wrong
//! command line ends with status 2.

mod check;
mod console;
mod control;
mod fleet;
mod help;
mod lua;
mod run;
mod sources;
mod target;
mod version;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

use crate::boot;
use crate::config;
use crate::failure::{FAILED, Failure, USAGE};

/// Commands that are planned under these names, so that nobody takes the word for a config file.
const LATER: [&str; 3] = ["new", "keygen", "types"];

/// Does what the arguments (without the program's name) say; gives the exit status.
pub fn run(arguments: &[OsString]) -> u8 {
    match dispatch(arguments) {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}

fn dispatch(arguments: &[OsString]) -> Result<u8, Failure> {
    let Some((first, rest)) = arguments.split_first() else {
        eprintln!(
            "Need a config file. Please read skynet wiki : https://github.com/cloudwu/skynet/wiki/Config\nusage: skynet configfilename"
        );
        eprintln!(
            "welkin: give a config file (welkin CONFIG) or a program (welkin run FILE.lua). More: welkin --help"
        );
        return Ok(FAILED);
    };
    let word = first.to_str().unwrap_or_default();
    let is_file = Path::new(first).is_file();
    match word {
        "--help" | "-h" => return Ok(say(help::PROGRAM)),
        "--version" | "-V" => return Ok(say(&version::version())),
        "help" if !is_file => return Ok(say(help::of(rest.first()))),
        "run" if !(is_file && rest.is_empty()) => return command(help::RUN, rest, run::run),
        "lua" if !(is_file && rest.is_empty()) => return command(help::LUA, rest, lua::run),
        "console" if !(is_file && rest.is_empty()) => {
            return command(help::CONSOLE, rest, console::console);
        }
        "check" if !(is_file && rest.is_empty()) => {
            return command(help::CHECK, rest, check::check);
        }
        "stop" if !(is_file && rest.is_empty()) => return command(help::STOP, rest, control::stop),
        "drain" if !(is_file && rest.is_empty()) => {
            return command(help::DRAIN, rest, control::drain);
        }
        "status" if !(is_file && rest.is_empty()) => {
            return command(help::STATUS, rest, control::status);
        }
        "fleet" if !(is_file && rest.is_empty()) => {
            return fleet::fleet(rest);
        }
        _ => {}
    }
    if word.starts_with('-') && !is_file {
        return Err(usage(format_args!(
            "{word} is not an option. Options: --help, --version"
        )));
    }
    if LATER.contains(&word) && !is_file {
        return Err(usage(format_args!(
            "this version has no command {word} yet (and there is no config file of that name). What there is: welkin --help"
        )));
    }
    // Further arguments are ignored, as by skynet.
    Ok(boot::run(&config::load(Path::new(first))?))
}

type Command = fn(&[OsString]) -> Result<u8, Failure>;

fn command(help: &str, arguments: &[OsString], run: Command) -> Result<u8, Failure> {
    let asks = |argument: &OsString| argument == OsStr::new("--help");
    match arguments.first().is_some_and(asks) {
        true => Ok(say(help)),
        false => run(arguments),
    }
}

fn usage(text: impl std::fmt::Display) -> Failure {
    Failure::new(USAGE, text)
}

fn say(text: &str) -> u8 {
    // Who reads only the first lines (`| head`) has got them.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    0
}

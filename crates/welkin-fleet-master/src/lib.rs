//! The master of a fleet: it knows what is wanted, tells the agents, and hears how things are.
//!
//! [`core`] is the fleet as a state machine: everything that happens is an [`core::Input`] with the time
//! it happened at, everything that follows is an [`core::Effect`]; it does no I/O and is tested with a
//! clock of its own. `serve` is the process around it: it writes the core's changes to the store before
//! it lets any effect out, and carries messages. `desk` holds the commands that only read or write the
//! store and the authority.
#![forbid(unsafe_code)]

mod arguments;
pub mod core;
mod desk;
pub mod http;
mod install;
mod log;
mod serve;
mod webhook;

use std::ffi::OsString;

use arguments::Arguments;

pub use desk::backup::restore;

/// `welkin fleet master ARGUMENTS`; gives the exit status.
pub fn run(arguments: &[OsString]) -> u8 {
    let arguments = match Arguments::read(arguments) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("welkin fleet master: {why}");
            return 2;
        }
    };
    let result = match (arguments.end, arguments.install) {
        (true, _) => serve::end(&arguments.dir),
        (_, true) => install::write(&arguments),
        _ => serve::run(arguments),
    };
    match result {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("welkin fleet master: {why}");
            1
        }
    }
}

//! The commands that a person types.
//!
//! The client decides nothing: it reads the command line ([`words`]), asks before it breaks something
//! ([`terminal`]), has the master do the work ([`session`]), and shows what came of it ([`show`]). What
//! it was interrupted in goes on without it. The exit status is the master's word for it.
#![forbid(unsafe_code)]

mod ask;
mod connect;
mod failure;
mod session;
mod show;
mod terminal;
mod words;
mod works;

use std::ffi::OsString;
use std::path::Path;

use words::Words;
use words::work::Work;

pub use ask::ask;

/// Makes the state of a master in an empty folder from a backup and its passphrase; gives lines for
/// people, or why not.
pub type Restore = fn(folder: &Path, file: &Path, passphrase: &str) -> Result<Vec<String>, String>;

/// Does what the arguments (after `fleet`) say; gives the exit status.
pub fn run(arguments: &[OsString]) -> u8 {
    run_with(arguments, |_, _, _| {
        Err("this program has no master in it".to_owned())
    })
}

/// The same, with what `restore` needs of the master's code.
pub fn run_with(arguments: &[OsString], restore: Restore) -> u8 {
    let json = arguments.iter().any(|argument| argument == "--json");
    let parsed = Words::parse(arguments).and_then(|(how, words)| Ok((how, Work::of(words)?)));
    let (how, work) = match parsed {
        Ok(parsed) => parsed,
        Err(failure) => return show::failure(failure, json),
    };
    // The link lives in the runtime's threads, so that a terminal that stands still does not stop it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let text = format!("cannot start: {error}");
            return show::failure(failure::Failure::failed(text), json);
        }
    };
    let status = runtime.block_on(works::carry_out(&how, work, restore));
    let status = status.unwrap_or_else(|failure| show::failure(failure, json));
    // A read of standard input that nobody waits for must not keep us.
    runtime.shutdown_background();
    status
}

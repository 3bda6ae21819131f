//! The side of those who start keepers and ask them: the agent.
//!
//! [`spawn`] takes the run folder's lock itself and hands it to the new keeper over a socket that is the
//! keeper's standard input, so there is no moment at which a second start could slip between. The keeper
//! answers on the same socket when the node's program runs, or with what went wrong. If the agent dies
//! meanwhile, the keeper goes on or ends by the rule that what was handed over is carried out:
//!
//! ```text
//! agent dies                            on its return (find)
//! before start.json                     the old start's story
//! after start.json, before the lock
//!   was handed over                     Nothing: the key has no node, no status: started once more
//! afterwards                            Keeper, or Ended with this key
//! ```

mod find;
mod handle;
mod spawn;

use std::fmt;
use std::io;

pub use find::{Found, Orphan, find};
pub use handle::{Handle, Heard, connect};
pub(crate) use spawn::{Began, Begin};
pub use spawn::{spawn, take_over};

/// Why a start came to nothing.
#[derive(Debug)]
pub enum Error {
    /// The node runs already: somebody holds the lock, or its processes of an earlier start live.
    Running(String),
    /// The program could not be run: `exec: <error>`. A `status.json` says the same.
    Exec(String),
    /// The machine does not play along: disk, descriptors, processes.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Running(text) | Error::Exec(text) => write!(out, "{text}"),
            Error::Io(error) => write!(out, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

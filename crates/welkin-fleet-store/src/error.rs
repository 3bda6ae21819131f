//! What can go wrong with the state on disk, in words that an operator can act on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why the state cannot be opened. The file has not been touched.
#[derive(Debug)]
pub enum OpenError {
    /// The file is not what was written, or of no version this build knows.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The folder holds the authority's key and no state: the file was lost, not never made.
    Lost(PathBuf),
    /// Another process has it open.
    InUse(PathBuf),
    /// The operating system says no.
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            error,
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl fmt::Display) -> Self {
        Self::Damaged {
            path: path.to_path_buf(),
            what: what.to_string(),
        }
    }
}

const RESTORE: &str = "Move the folder away and bring a backup into an empty one with: \
                       welkin fleet restore FILE --dir DIR. Agents and nodes go on meanwhile";

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { path, what } => write!(
                out,
                "the fleet's state {} is damaged ({what}) and was left as it is. {RESTORE}",
                path.display()
            ),
            Self::Lost(path) => write!(
                out,
                "the fleet's state {} is gone, though the authority's key is there. {RESTORE}",
                path.display()
            ),
            Self::InUse(path) => write!(
                out,
                "the fleet's state {} is in use: another master runs in this folder",
                path.display()
            ),
            Self::Io { path, error } => {
                write!(out, "the fleet's state {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a change or a look did not come about. A change that ends so has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The disk does not take it: full, read-only, failing. Changes are refused until it does.
    Refused(String),
    /// The file is not what was written.
    Damaged(String),
    /// What was to be stored is not storable: too long, no JSON.
    Unfit(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(
                out,
                "the fleet's state cannot be written, nothing was changed: {why}"
            ),
            Self::Damaged(what) => write!(
                out,
                "the fleet's state is damaged: {what}. Stop the master and use: welkin fleet restore"
            ),
            Self::Unfit(what) => write!(out, "not stored: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

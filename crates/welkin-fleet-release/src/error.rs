//! What can be wrong with a release, in words that name the entry and say what to do.

use std::fmt;
use std::io;
use std::path::Path;

/// Why a release was not taken. Nothing of it is left behind.
#[derive(Debug)]
pub enum Error {
    /// An entry that no release may have.
    Entry {
        /// Its path, as it stands in the archive.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// It is larger than the limits allow.
    TooLarge(String),
    /// The bytes are no archive, or not whole.
    Archive(String),
    /// What was unpacked is not the release that was asked for: damaged on the way.
    Digest {
        /// Full digest that was asked for.
        wanted: String,
        /// Full digest of what came.
        found: String,
    },
    /// No key that is trusted has signed it.
    Signature(String),
    /// The disk has not enough room.
    Space {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Reading or writing failed.
    Io(io::Error),
}

impl Error {
    pub(crate) fn entry(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Entry {
            path: path.into(),
            what: what.into(),
        }
    }

    /// An error of the file system, with the path that it is about.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |error| {
            Self::Io(io::Error::new(
                error.kind(),
                format!("{}: {error}", path.display()),
            ))
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { path, what } => write!(out, "entry {path:?}: {what}"),
            Self::TooLarge(what) => write!(out, "too large: {what}"),
            Self::Archive(what) => write!(out, "not a whole archive: {what}"),
            Self::Digest { wanted, found } => write!(
                out,
                "damaged: its digest is {found}, release {wanted} was wanted"
            ),
            Self::Signature(what) => write!(out, "signature: {what}"),
            Self::Space { needed, free } => write!(
                out,
                "no room: {} MiB are needed, {} MiB are free",
                needed.div_ceil(1 << 20),
                free >> 20
            ),
            Self::Io(error) => write!(out, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

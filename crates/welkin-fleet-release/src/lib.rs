//! Releases: from an archive of anybody's making to a folder that is known to be whole.
//!
//! A release is the files of a folder, and its *digest* the SHA-256 of a [`Manifest`] that lists them. The
//! master [`pack`]s what it is given (a folder, tar.zst, tar.gz, tar, zip) into an archive of one form, the
//! agents [`unpack`] that into `releases/<digest>` and believe it when the manifest of what they unpacked
//! has that digest. Archives are hostile until then: names that lead out, links to write through, sizes
//! that never end are refused before they do anything.
//!
//! Synchronous; nothing here runs anything of a release.
#![forbid(unsafe_code)]

mod archive;
mod digest;
mod disk;
mod error;
mod folder;
mod manifest;
mod pack;
mod path;
mod prune;
mod sign;
mod stage;
mod unpack;

pub use digest::{FindError, find, id};
pub use disk::{clean, enough_space, free_space, have, list, remove};
pub use error::Error;
pub use manifest::{Entry, Kind, Manifest};
pub use pack::{Packed, pack};
pub use prune::{Kept, removable, under_pressure};
pub use sign::{check_signature, signed};
pub use unpack::{Unpacked, unpack};

/// Where packing and unpacking end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of all files together (`update.max_size`).
    pub unpacked_max: u64,
    /// Most files and links.
    pub files_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_max: 4 << 30,
            files_max: 200_000,
        }
    }
}

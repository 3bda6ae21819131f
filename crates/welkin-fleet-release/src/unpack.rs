//! From an archive to `releases/<digest>`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::is_digest;
use crate::stage::Stage;
use crate::{Error, Limits, archive, check_signature, disk, have, id};

/// A release that lies unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// `releases/<digest>`.
    pub folder: PathBuf,
    /// It was there already.
    pub have: bool,
}

/// Unpacks `archive` to `releases/<digest>`: whole, on disk, its manifest's digest right, signed by one of
/// `trusted` if there are any; or not at all. What lies there already is not unpacked over.
///
/// The caller has seen to the room on the disk ([`crate::enough_space`]).
pub fn unpack(
    archive: &Path,
    releases: &Path,
    digest: &str,
    limits: &Limits,
    signature: Option<&str>,
    trusted: &[String],
) -> Result<Unpacked, Error> {
    if !is_digest(digest) {
        return Err(Error::Archive(format!("{digest:?} is no full digest")));
    }
    let folder = releases.join(digest);
    if have(releases, digest) {
        return Ok(Unpacked { folder, have: true });
    }
    fs::create_dir_all(releases).map_err(Error::at(releases))?;
    let mut stage = Stage::new(disk::unfinished(releases, id(digest)), limits)?;
    archive::read(archive, &mut stage, limits)?;
    let manifest = stage.finish()?;
    let found = manifest.digest();
    if found != digest {
        return Err(Error::Digest {
            wanted: digest.to_owned(),
            found,
        });
    }
    check_signature(&manifest, signature, trusted)?;
    stage.keep(&folder).map_err(Error::at(&folder))?;
    Ok(Unpacked {
        folder,
        have: false,
    })
}

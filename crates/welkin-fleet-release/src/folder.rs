//! What lies in a folder that is to become a release.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{Error, Limits, path};

/// A file or link of the folder.
#[derive(Debug)]
pub(crate) enum Found {
    File { executable: bool, size: u64 },
    Link { target: String },
}

/// All files and links below `dir`, by their paths. Refuses what no release may have.
pub(crate) fn walk(dir: &Path, limits: &Limits) -> Result<BTreeMap<String, Found>, Error> {
    let mut found = BTreeMap::new();
    let mut folders = BTreeSet::new();
    let mut bytes = 0;
    let mut ahead = vec![dir.to_path_buf()];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::at(&folder))? {
            let real = entry?.path();
            // Below `dir` by construction.
            let relative = real.strip_prefix(dir).unwrap_or(&real);
            let Some(path) = path::clean(relative.as_os_str().as_bytes())? else {
                continue;
            };
            let about = fs::symlink_metadata(&real).map_err(Error::at(&real))?;
            if found.len() + folders.len() >= limits.files_max as usize {
                return Err(Error::TooLarge(format!(
                    "more than {} files",
                    limits.files_max
                )));
            }
            if about.is_dir() {
                folders.insert(path);
                ahead.push(real);
            } else if about.is_symlink() {
                let target = fs::read_link(&real).map_err(Error::at(&real))?;
                let Some(target) = target.to_str().map(str::to_owned) else {
                    return Err(Error::entry(path, "its target is not UTF-8"));
                };
                found.insert(path, Found::Link { target });
            } else if about.is_file() {
                bytes += about.len();
                let executable = about.permissions().mode() & 0o111 != 0;
                let size = about.len();
                found.insert(path, Found::File { executable, size });
            } else {
                return Err(Error::entry(
                    path,
                    "no file, folder or link: a release has no others",
                ));
            }
            if bytes > limits.unpacked_max {
                return Err(too_many_bytes(limits));
            }
        }
    }
    check_links(&found, folders)?;
    Ok(found)
}

pub(crate) fn too_many_bytes(limits: &Limits) -> Error {
    Error::TooLarge(format!(
        "more than {} MiB unpacked (update.max_size)",
        limits.unpacked_max.div_ceil(1 << 20)
    ))
}

fn check_links(found: &BTreeMap<String, Found>, folders: BTreeSet<String>) -> Result<(), Error> {
    let mut links = BTreeMap::new();
    let mut others = folders;
    for (path, found) in found {
        match found {
            Found::Link { target } => drop(links.insert(path.clone(), target.clone())),
            Found::File { .. } => drop(others.insert(path.clone())),
        }
    }
    path::check_links(&links, &others)
}

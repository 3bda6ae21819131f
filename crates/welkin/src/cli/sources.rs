//! The Lua files of a project, found along its search patterns and compiled without being run.
//!
//! `./game/?.lua` stands for all files below `game`, as names with dots lead into folders. `./?.lua` stands
//! for the files of the working folder itself only: below it lies whatever lies there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use welkin_lua::codecache;

/// Folders within each other that are looked into.
const DEPTH_MAX: usize = 8;
/// Files that are looked at; a project has hundreds or thousands.
const FILES_MAX: usize = 50_000;

/// Errors of all files that the patterns (`;` between) can mean, in the order of their paths. Each names
/// file and line.
pub fn errors_along<'a>(patterns: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut files = BTreeSet::new();
    for pattern in patterns.flat_map(|patterns| patterns.split(';')) {
        let Some((before, _)) = pattern.split_once('?') else {
            continue;
        };
        let folder = before.rfind('/').map_or("", |at| &before[..at]);
        let below = !matches!(folder, "" | ".");
        let folder = if folder.is_empty() { "." } else { folder };
        collect(
            Path::new(folder),
            if below { DEPTH_MAX } else { 0 },
            &mut files,
        );
    }
    files
        .iter()
        .filter_map(|file| codecache::check_file(file).err())
        .map(|error| String::from_utf8_lossy(&error).into_owned())
        .collect()
}

fn collect(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) {
    // A folder that is not there has no files: patterns often name several.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if hidden || files.len() >= FILES_MAX {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "lua") {
            files.insert(path);
        }
    }
}

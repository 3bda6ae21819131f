//! Puts the project's Lua library into the binary, so that one file is a whole node.
//!
//! Walks `lualib/` and `service/` of the repository and writes two tables into `OUT_DIR`, sorted by
//! path, each row a path below the folder and the text of that file. `src/library.rs` includes them.
//! A folder that does not exist gives an empty table.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let crate_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = crate_dir
        .join("../..")
        .canonicalize()
        .expect("the crate lies two folders below the repository's root");
    let mut code = String::new();
    for (table, folder) in [("LUALIB", "lualib"), ("SERVICE", "service")] {
        let folder = root.join(folder);
        // Cargo looks into the folder by itself; a missing one makes this script run at every build.
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, "", &mut files);
        files.sort();
        writeln!(code, "pub(super) static {table}: &[(&str, &str)] = &[").expect("to memory");
        for (name, path) in files {
            writeln!(code, "    ({name:?}, include_str!({path:?})),").expect("to memory");
        }
        writeln!(code, "];").expect("to memory");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("library_tables.rs"), code).expect("OUT_DIR can be written");
}

/// Adds every `.lua` file below `folder` as (path with slashes, path on this machine).
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("names of library files are UTF-8");
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files);
        } else if name.ends_with(".lua") {
            files.push((format!("{prefix}{name}"), path));
        }
    }
}

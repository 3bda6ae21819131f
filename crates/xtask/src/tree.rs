//! Where the tree is, and which files are in it.
//!
//! A file counts when git tracks it, or would track it: new files are judged before they are
//! committed, build output never.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folder that holds the workspace's Cargo.toml.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        // Cargo says where the crate is when it runs us; what was compiled in may be another checkout
        // that shares the target folder.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
        let here = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        // This crate lies two folders below the root.
        let root = PathBuf::from(here).join("../..");
        root.canonicalize().unwrap_or(root)
    });
    &ROOT
}

/// Cargo's output folder, as cargo itself finds it.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The node that `cargo build --release` makes.
pub fn release_node() -> PathBuf {
    target().join("release").join("welkin")
}

/// One file of the tree. Binary files are left out: nothing here can judge them.
pub struct File {
    /// From the root, with `/` between the parts.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub fn is_lua(&self) -> bool {
        self.path.ends_with(".lua")
    }
}

/// All text files, sorted by path.
pub fn files() -> Result<Vec<File>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .map_err(|e| format!("cannot run git, which lists the files to check: {e}"))?;
    if !listed.status.success() {
        let why = String::from_utf8_lossy(&listed.stderr);
        return Err(format!(
            "git cannot list the files of this tree: {}",
            why.trim()
        ));
    }
    let listing = String::from_utf8_lossy(&listed.stdout);
    let mut files: Vec<File> = listing
        .split('\0')
        .filter(|path| !path.is_empty())
        .filter_map(|path| {
            // A tracked file may be gone from the work tree; a binary one is no UTF-8.
            let text = std::fs::read_to_string(root().join(path)).ok()?;
            Some(File {
                path: path.to_string(),
                text,
            })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

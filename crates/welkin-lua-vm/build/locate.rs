//! Finds the folder of the package `lua-src`, which does not tell it.
//!
//! Cargo knows: a package of one line, made here, is described by `cargo metadata --offline`, which
//! names the manifest of each of its dependencies. Asking for our own workspace instead would need
//! dependencies that this build has no use for and that need not have been downloaded.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Must be the version of the workspace's `Cargo.toml`; another one is not downloaded, so not found.
const LUA_SRC_VERSION: &str = "551.0.2";

/// The folder `inner` of the package. Uses the folder `probe` in `out`.
pub fn lua_source(out: &Path, inner: &str) -> PathBuf {
    let metadata = describe(&write_probe(out));
    manifest_paths(&metadata)
        .filter_map(|manifest| Some(Path::new(&manifest).parent()?.join(inner)))
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| panic!("package lua-src {LUA_SRC_VERSION} has no folder {inner}"))
}

fn write_probe(out: &Path) -> PathBuf {
    let probe = out.join("probe");
    fs::create_dir_all(probe.join("src")).expect("cannot make the probe package");
    fs::write(probe.join("src/lib.rs"), "").expect("cannot write the probe package");
    let manifest = probe.join("Cargo.toml");
    // An own `[workspace]`: the target folder lies inside ours.
    let text = format!(
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nlua-src = \"={LUA_SRC_VERSION}\"\n[workspace]\n"
    );
    fs::write(&manifest, text).expect("cannot write the probe package");
    manifest
}

fn describe(manifest: &Path) -> String {
    // Run from our own folder, where cargo finds the settings (a vendored registry, say) of this build.
    let output = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(manifest)
        .current_dir(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
        .output()
        .expect("cannot run cargo metadata");
    assert!(
        output.status.success(),
        "cargo metadata does not find lua-src {LUA_SRC_VERSION} (is it the version in the workspace's \
         Cargo.toml?): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo metadata writes UTF-8")
}

/// The values of all `"manifest_path"` fields. No JSON parser: a path has no escape but `\\`.
fn manifest_paths(metadata: &str) -> impl Iterator<Item = String> + '_ {
    metadata
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.replace("\\\\", "\\")))
}

//! Builds Lua from the source files that the package `lua-src` carries, after our edits.
//!
//! We own the build because some behaviours that skynet's programs see are out of the public API's
//! reach. No copy of Lua's source is kept in this repository: the pinned package is the source, the
//! edits are the file `edits.rs`, and an edit that no longer matches stops the build.

mod edits;
mod locate;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder inside the package, and so the release of Lua.
const LUA_FOLDER: &str = "lua-5.5.1";
/// What a C module needs to include.
const PUBLIC_HEADERS: [&str; 4] = ["lua.h", "luaconf.h", "lauxlib.h", "lualib.h"];
/// Files of ours beside the sources.
const OWN_FILES: [&str; 8] = [
    "hash.h",
    "intern.h",
    "replace.c",
    "share.c",
    "shared.c",
    "shared.h",
    "values.c",
    "warm.c",
];

fn main() {
    println!("cargo:rerun-if-changed=build");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let source = out.join("source");
    let include = out.join("include");
    copy_source(&locate::lua_source(&out, LUA_FOLDER), &source);
    edits::apply(&source);
    for name in OWN_FILES {
        let from = Path::new("build").join(name);
        fs::copy(&from, source.join(name)).unwrap_or_else(|e| panic!("cannot copy {name}: {e}"));
    }
    copy_headers(&source, &include);
    compile(&source);
    println!("cargo:include={}", include.display());
}

/// Copies the C files afresh, so that no edit of an earlier build is left.
fn copy_source(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("cannot empty the folder of Lua's source");
    }
    fs::create_dir_all(to).expect("cannot make the folder of Lua's source");
    for path in files_of(from) {
        let name = path.file_name().expect("a file has a name");
        // Not `fs::copy`: it would copy the mode too, and packages may be read-only.
        let text = fs::read(&path).expect("cannot read Lua's source");
        fs::write(to.join(name), text).expect("cannot write Lua's source");
    }
}

fn copy_headers(source: &Path, include: &Path) {
    fs::create_dir_all(include).expect("cannot make the include folder");
    for name in PUBLIC_HEADERS {
        fs::copy(source.join(name), include.join(name)).expect("cannot copy a header of Lua");
    }
}

fn compile(source: &Path) {
    let mut config = cc::Build::new();
    config
        .include(source)
        .warnings(false)
        // A panic of a native function passes through Lua's frames on its way to who catches it.
        .flag("-fexceptions")
        .flag("-funwind-tables")
        .flag_if_supported("-fno-common")
        // Strings that C code names are remembered by address; 106 slots are 4 % of an idle service.
        .define("STRCACHE_N", "32")
        .define("STRCACHE_M", "1")
        // The interpreter is the hot loop of every service, so it is fast in our debug builds too.
        .opt_level(if env_is("OPT_LEVEL", "3") { 3 } else { 2 });
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => config.define("LUA_USE_LINUX", None),
        Ok("macos") => config.define("LUA_USE_MACOSX", None),
        _ => config.define("LUA_USE_POSIX", None),
    };
    // A build script has the debug assertions of its profile; what cargo tells in the environment is
    // the compiler's default, the same for every profile.
    if cfg!(debug_assertions) {
        // Catches wrong use of the stack at the call that does it.
        config.define("LUA_USE_APICHECK", None);
    }
    let mut files: Vec<PathBuf> = files_of(source)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    files.sort();
    config.files(files).cargo_metadata(false);
    config.compile("welkin_lua");
    println!(
        "cargo:rustc-link-search=native={}",
        env::var("OUT_DIR").expect("cargo sets OUT_DIR")
    );
    // Whole: `mlua-sys`, which only declares the functions, may stand behind this crate on the
    // linker's command line, and C modules loaded at run time may ask for any of them.
    println!("cargo:rustc-link-lib=static:+whole-archive=welkin_lua");
}

fn env_is(name: &str, value: &str) -> bool {
    env::var(name).is_ok_and(|v| v == value)
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()))
        .map(|entry| entry.expect("cannot list Lua's source").path())
        .filter(|path| path.is_file())
        .collect()
}

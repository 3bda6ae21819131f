//! Makes the program export Lua's C functions, which native Lua modules (`lua_cpath`) are linked
//! against when they are loaded. Link arguments of a library are not passed on, so this stands in the
//! crate of the program; whoever embeds the library puts the same line into their own build script.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system != "macos" {
        println!(
            "cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=lua_*,--export-dynamic-symbol=luaL_*,--export-dynamic-symbol=luaopen_*"
        );
    }
}

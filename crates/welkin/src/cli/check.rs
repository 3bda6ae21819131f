//! `welkin check CONFIG`: reads a config as a start would, compiles the project's Lua files, and starts nothing.

use std::ffi::OsString;
use std::path::Path;

use welkin_lua::library;

use super::{sources, usage};
use crate::config::{self, Config};
use crate::failure::{FAILED, Failure};

/// Where service files are searched when the config does not say it.
const LUASERVICE: &str = "./service/?.lua";

/// Errors of Lua files that are shown.
const ERRORS_SHOWN: usize = 10;

pub fn check(arguments: &[OsString]) -> Result<u8, Failure> {
    let [file] = arguments else {
        return Err(usage(
            "check takes one config file. Example: welkin check config",
        ));
    };
    let config = config::load(Path::new(file))?;
    for notice in &config.notices {
        eprintln!("welkin: {notice}");
    }
    find_start(&config)?;
    compile_all(&config)?;
    println!("{}: the configuration is right", file.to_string_lossy());
    Ok(0)
}

fn text(config: &Config, key: &str, default: &str) -> String {
    match config.environment.get(key.as_bytes()) {
        Some(value) => String::from_utf8_lossy(value).into_owned(),
        None => default.to_owned(),
    }
}

/// Compiles the project's services and modules.
fn compile_all(config: &Config) -> Result<(), Failure> {
    let patterns = ["luaservice", "lua_path", "snax"].map(|key| text(config, key, ""));
    let errors = sources::errors_along(patterns.iter().map(String::as_str));
    for error in errors.iter().take(ERRORS_SHOWN) {
        eprintln!("welkin: {error}");
    }
    match errors.len() {
        0 => Ok(()),
        1 => Err(Failure::new(
            FAILED,
            "a Lua file does not compile, see above. Correct it",
        )),
        count => Err(Failure::new(
            FAILED,
            format_args!("{count} Lua files do not compile, the first are above. Correct them"),
        )),
    }
}

/// Looks for the start service where a node would.
fn find_start(config: &Config) -> Result<(), Failure> {
    let start = text(config, "start", "main");
    let name = start.split_ascii_whitespace().next().unwrap_or_default();
    let patterns = text(config, "luaservice", LUASERVICE);
    let mut paths = patterns
        .split(';')
        .filter(|pattern| !pattern.is_empty())
        .map(|pattern| pattern.replace('?', name));
    // Snax programs and others with an own loader are found by that loader.
    let own_loader = config.environment.contains_key(b"lualoader".as_slice());
    if own_loader
        || library::service(name).is_some()
        || paths.any(|path| Path::new(&path).is_file())
    {
        return Ok(());
    }
    Err(Failure::new(
        FAILED,
        format_args!(
            "the start service {name} is not found with luaservice = \"{patterns}\" (paths are relative to the working directory). Correct the config keys start or luaservice"
        ),
    ))
}

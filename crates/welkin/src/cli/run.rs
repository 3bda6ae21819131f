//! `welkin run FILE.lua [ARGS]`: one file as a node, without a config.

use std::ffi::OsString;
use std::path::Path;
use std::thread;

use welkin_lua::library;

use super::usage;
use crate::boot;
use crate::config::{self, Environment};
use crate::failure::{FAILED, Failure};

pub fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    let Some((file, arguments)) = arguments.split_first() else {
        return Err(usage("run needs a Lua file. Example: welkin run hello.lua"));
    };
    let environment = environment(Path::new(file), arguments)?;
    let mut config = config::check(environment, "the command line")?;
    // Tells bootstrap that a start service which fails is the end of the node. Not a key of configs.
    config
        .environment
        .insert(b"welkin_run".to_vec(), b"true".to_vec());
    Ok(boot::run(&config))
}

/// The config that stands for the file.
fn environment(file: &Path, arguments: &[OsString]) -> Result<Environment, Failure> {
    let shown = file.display();
    let name = file.file_name().and_then(|name| name.to_str());
    let Some(name) = name.and_then(|name| name.strip_suffix(".lua")) else {
        return Err(usage(format_args!(
            "{shown} is not the name of a Lua file: run takes FILE.lua. A config file is run by: welkin {shown}"
        )));
    };
    if !file.is_file() {
        return Err(Failure::new(
            FAILED,
            format_args!("there is no file {shown}: give the path of the Lua file to run"),
        ));
    }
    if library::service(name).is_some() {
        return Err(usage(format_args!(
            "{shown} has the name of a built-in service, which would run in its place: rename the file"
        )));
    }
    let folder = match file.parent().and_then(|folder| folder.to_str()) {
        Some("") => ".",
        Some(folder) if !folder.contains([';', '?']) => folder,
        _ => {
            return Err(usage(format_args!(
                "the folder of {shown} cannot stand in a search path: it must be UTF-8 text without ; and ?"
            )));
        }
    };
    let pairs = [
        ("thread", cores().to_string()),
        ("harbor", "0".to_owned()),
        ("start", start(name, arguments)?),
        ("luaservice", format!("{folder}/?.lua")),
        ("lua_path", format!("{folder}/?.lua;{folder}/?/init.lua")),
        ("lua_cpath", format!("{folder}/?.so")),
    ];
    Ok(pairs
        .map(|(key, value)| (key.as_bytes().to_vec(), value.into_bytes()))
        .into())
}

/// The config key `start`: name and arguments with blanks between.
fn start(name: &str, arguments: &[OsString]) -> Result<String, Failure> {
    let mut start = name.to_owned();
    for word in arguments.iter().map(|word| word.to_str()) {
        match word {
            Some(word) if !word.is_empty() && !has_blank(word) => {
                start.push(' ');
                start.push_str(word);
            }
            _ => {
                return Err(usage(
                    "arguments of a service are words: not empty, without blanks, UTF-8",
                ));
            }
        }
    }
    if has_blank(name) {
        return Err(usage(format_args!(
            "a service's name cannot hold blanks: rename {name}.lua"
        )));
    }
    Ok(start)
}

fn has_blank(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_whitespace())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_words_of_start() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(start("a", &words(&["b", "1"])).unwrap(), "a b 1");
        assert_eq!(start("a", &words(&["b c"])).unwrap_err().status, 2);
        assert_eq!(start("a", &words(&[""])).unwrap_err().status, 2);
        assert_eq!(start("a b", &[]).unwrap_err().status, 2);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = environment(Path::new("no-such.lua"), &[]).unwrap_err();
        assert_eq!(failure.status, 1);
        assert!(failure.to_string().contains("there is no file no-such.lua"));
        let failure = environment(Path::new("config"), &[]).unwrap_err();
        assert_eq!(failure.status, 2);
    }
}

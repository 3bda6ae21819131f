//! `welkin lua [FILE [ARGS]]`: a plain Lua interpreter, for programs that talk to nodes from outside.

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use welkin_lua::plain::{Interpreter, Program};

use super::usage;
use crate::failure::{FAILED, Failure};
use crate::os::signal;

pub fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    let program = program(arguments)?;
    // As other scripts do, this one ends when nobody reads what it prints.
    signal::end_on(signal::PIPE);
    let Some(mut interpreter) = Interpreter::new() else {
        return Err(Failure::new(FAILED, "there is no memory for a Lua state"));
    };
    let Err(text) = interpreter.run(&program) else {
        return Ok(0);
    };
    let line = [b"lua: ".as_slice(), &text, b"\n"].concat();
    // Where standard error is closed there is nobody to be told; the status says it all the same.
    drop(io::stderr().write_all(&line));
    Ok(FAILED)
}

/// What the command line means. As in Lua's own interpreter, `-` is standard input.
fn program(arguments: &[OsString]) -> Result<Program, Failure> {
    let name = std::env::args_os().next().unwrap_or_default();
    let mut words = vec![name, "lua".into()];
    words.extend_from_slice(arguments);
    let file = match arguments.first() {
        None => None,
        Some(word) if word == OsStr::new("-") => None,
        Some(word) if word.as_bytes().starts_with(b"-") => {
            return Err(usage(format_args!(
                "lua has no option {}: give a file, and its arguments behind it. Example: welkin lua client.lua 127.0.0.1",
                word.display()
            )));
        }
        Some(word) => Some(CString::new(word.as_bytes()).map_err(usage)?),
    };
    let script = 1 + usize::from(!arguments.is_empty());
    Ok(Program {
        words,
        script,
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Program, Failure> {
        program(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_word_is_the_script() {
        let program = parsed(&["a.lua", "-x", "b"]).unwrap();
        assert_eq!(program.words[program.script..], ["a.lua", "-x", "b"]);
        assert_eq!(program.file.as_deref(), Some(c"a.lua"));
    }

    #[test]
    fn a_dash_or_nothing_is_standard_input() {
        let program = parsed(&["-", "b"]).unwrap();
        assert_eq!((program.file, program.script), (None, 2));
        let program = parsed(&[]).unwrap();
        assert_eq!((program.file, program.script), (None, 1));
    }

    #[test]
    fn options_are_refused() {
        assert_eq!(parsed(&["-e", "print(1)"]).unwrap_err().status, 2);
    }
}

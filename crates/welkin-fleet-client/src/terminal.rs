//! Questions to the person at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::failure::Failure;
use crate::words::work::Input;

/// Longest passphrase or token in bytes.
const LINE_MAX: u64 = 64 << 10;

/// Asks before several nodes are stopped or replaced. Without a terminal there is nobody to ask, and
/// nothing is done.
pub async fn confirm(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::failed(format!(
            "{question} There is no terminal to ask on: give --yes"
        )));
    }
    eprint!("{question} [y/N] ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let _ = io::stdin().lock().take(LINE_MAX).read_line(&mut line);
        line
    });
    let line = tokio::select! {
        line = answer => line.unwrap_or_default(),
        // The call before has taken the signal's usual effect away.
        _ = tokio::signal::ctrl_c() => String::new(),
    };
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was done")),
    }
}

/// The passphrase of a backup: from where the command line says, else asked; `twice` for a new one.
pub fn passphrase(from: Option<&Input>, twice: bool) -> Result<String, Failure> {
    let passphrase = match from {
        Some(input) => first_line(input)?,
        None => {
            let first = hidden("Passphrase: ")?;
            if twice && hidden("Again: ")? != first {
                return Err(Failure::failed(
                    "the two are not the same; nothing was done",
                ));
            }
            first
        }
    };
    match passphrase.is_empty() {
        true => Err(Failure::failed("the passphrase is empty; nothing was done")),
        false => Ok(passphrase),
    }
}

/// The first line of a file or of standard input, without its end.
pub fn first_line(input: &Input) -> Result<String, Failure> {
    let (name, text) = match input {
        Input::Standard => ("standard input".to_owned(), read(io::stdin().lock())),
        Input::File(path) => (path.display().to_string(), File::open(path).and_then(read)),
    };
    let text = text.map_err(|error| Failure::failed(format!("cannot read {name}: {error}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn read(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(LINE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Asks on the terminal itself, which does not show what is typed.
fn hidden(question: &str) -> Result<String, Failure> {
    let none = |error: io::Error| {
        Failure::failed(format!(
            "there is no terminal to ask for the passphrase ({error}): give --passphrase-file"
        ))
    };
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(none)?;
    let quiet = Quiet::begin(&terminal).map_err(none)?;
    let _ = (&terminal).write_all(question.as_bytes());
    let mut line = String::new();
    let read = BufReader::new(&terminal)
        .take(LINE_MAX)
        .read_line(&mut line);
    drop(quiet);
    let _ = (&terminal).write_all(b"\n");
    read.map_err(none)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that does not echo, until this is dropped.
struct Quiet<'t> {
    terminal: &'t File,
    before: rustix::termios::Termios,
}

impl<'t> Quiet<'t> {
    fn begin(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &without)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

//! `welkin console HOST:PORT [COMMAND]`: a client of a node's debug console.
//!
//! The protocol is lines both ways; an answer ends with `<CMD OK>` or `<CMD Error>`. The program needs
//! no node of its own for it, so it uses plain blocking sockets, and works with real skynet too. A
//! password comes from the environment, where other users of the machine do not see it.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use super::usage;
use crate::failure::{FAILED, Failure};

const PASSWORD: &str = "WELKIN_CONSOLE_PASSWORD";
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

const OK: &[u8] = b"<CMD OK>\n";
const ERROR: &[u8] = b"<CMD Error>\n";

pub fn console(arguments: &[OsString]) -> Result<u8, Failure> {
    let words: Option<Vec<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    let Some((address, command)) = words.as_deref().and_then(<[&str]>::split_first) else {
        return Err(usage(
            "console takes the address of a debug console. Example: welkin console 127.0.0.1:8000 list",
        ));
    };
    let stream = connect(address)?;
    let lost = |error: io::Error| {
        let text = format!("the connection to {address} was lost: {error}");
        Failure::new(FAILED, text)
    };
    let mut answers = BufReader::new(stream.try_clone().map_err(lost)?);
    if let Ok(password) = std::env::var(PASSWORD) {
        authorize(&stream, &mut answers, &password, address)?;
    }
    if command.is_empty() {
        converse(&stream, &mut answers).map_err(lost)?;
        return Ok(0);
    }
    if command.iter().any(|word| word.contains('\n')) {
        return Err(usage("a console command is one line"));
    }
    send(&stream, &command.join(" ")).map_err(lost)?;
    match answer(&mut answers, &mut io::stdout().lock()).map_err(lost)? {
        Some(true) => Ok(0),
        Some(false) => Ok(FAILED),
        None => Err(Failure::new(
            FAILED,
            format_args!("{address} closed the connection before the end of the answer"),
        )),
    }
}

fn connect(address: &str) -> Result<TcpStream, Failure> {
    let advice = "Does the node run debug_console there? Give its address as HOST:PORT";
    let failed = |error: io::Error| {
        Failure::new(
            FAILED,
            format_args!("cannot connect to {address}: {error}. {advice}"),
        )
    };
    let mut last = io::Error::other("no such host");
    for place in address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&place, CONNECT_LIMIT) {
            Ok(stream) => {
                let mut greeting = BufReader::with_capacity(1, &stream);
                skip_line(&mut greeting).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// Takes the greeting, byte by byte: what follows it is for others to read.
fn skip_line(from: &mut impl Read) -> io::Result<()> {
    let mut byte = [0];
    while from.read(&mut byte)? == 1 {
        if byte[0] == b'\n' {
            return Ok(());
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn authorize(
    stream: &TcpStream,
    answers: &mut impl BufRead,
    password: &str,
    address: &str,
) -> Result<(), Failure> {
    let said = send(stream, &format!("auth {password}"));
    match said.and_then(|()| answer(answers, &mut io::sink())) {
        Ok(Some(true)) => Ok(()),
        _ => Err(Failure::new(
            FAILED,
            format_args!(
                "{address} does not take the password in {PASSWORD}. It is welkin_console_password in the node's config; unset {PASSWORD} if the node has none"
            ),
        )),
    }
}

fn send(mut stream: &TcpStream, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())
}

/// Copies one answer without its last line; whether that was `<CMD OK>`. `None`: the stream ended.
fn answer(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<Option<bool>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        from.read_until(b'\n', &mut line)?;
        match line.as_slice() {
            b"" => return Ok(None),
            OK => return Ok(Some(true)),
            ERROR => return Ok(Some(false)),
            // Output that is not read is no reason to fail.
            _ => to.write_all(&line).unwrap_or_default(),
        }
    }
}

/// Lines of standard input to the console, what it says to standard output, until one of them ends.
fn converse(stream: &TcpStream, answers: &mut impl Read) -> io::Result<()> {
    let mut to_console = stream.try_clone()?;
    thread::spawn(move || {
        let copied = io::copy(&mut io::stdin().lock(), &mut to_console);
        // The console answers what it has got, and closes.
        let _ = copied.and_then(|_| to_console.shutdown(Shutdown::Write));
    });
    let mut out = io::stdout().lock();
    let mut part = [0; 8192];
    loop {
        let count = answers.read(&mut part)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&part[..count])?;
        out.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_in(text: &str) -> (Option<bool>, String) {
        let mut out = Vec::new();
        let end = answer(&mut text.as_bytes(), &mut out).unwrap();
        (end, String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_answer_ends_with_its_last_line() {
        assert_eq!(
            answer_in("a\nb\n<CMD OK>\nmore\n"),
            (Some(true), "a\nb\n".into())
        );
        assert_eq!(
            answer_in("why\n<CMD Error>\n"),
            (Some(false), "why\n".into())
        );
        assert_eq!(answer_in("x <CMD OK>\n"), (None, "x <CMD OK>\n".into()));
        assert_eq!(answer_in(""), (None, String::new()));
    }
}

//! The debug console as a telnet session would use it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::PATIENCE_S;

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it is bound").port()
}

/// A connection to a console.
pub struct Console(BufReader<TcpStream>);

impl Console {
    /// Waits for the console: a node that starts tells nobody when it listens.
    pub fn connect(port: u16) -> Self {
        let end = Instant::now() + Duration::from_secs(PATIENCE_S);
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "no console at {port}: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        let limit = Some(Duration::from_secs(PATIENCE_S * 2));
        stream.set_read_timeout(limit).expect("a limit above zero");
        let mut console = Self(BufReader::new(stream));
        assert_eq!(console.line(), "Welcome to skynet console");
        console
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the console answers");
        assert!(!line.is_empty(), "the console has closed the connection");
        line.trim_end_matches('\n').to_owned()
    }

    /// The lines of an answer, without the final one, which must be `<CMD OK>`.
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        let answer = self.try_ask(command);
        answer.unwrap_or_else(|lines| panic!("{command}: {lines:#?}"))
    }

    /// The error: those before `<CMD Error>`.
    pub fn try_ask(&mut self, command: &str) -> Result<Vec<String>, Vec<String>> {
        let line = format!("{command}\r\n");
        let mut stream = self.0.get_ref();
        stream.write_all(line.as_bytes()).expect("it is open");
        let mut lines = Vec::new();
        loop {
            match self.line() {
                end if end == "<CMD OK>" => return Ok(lines),
                end if end == "<CMD Error>" => return Err(lines),
                line => lines.push(line),
            }
        }
    }

    /// The address of the service of that name in the answer to `list`, without its colon.
    pub fn find(&mut self, service: &str) -> String {
        let lines = self.ask("list");
        let line = lines
            .iter()
            .find(|line| line.ends_with(&format!("\tsnlua {service}")));
        let line = line.unwrap_or_else(|| panic!("no {service} in {lines:#?}"));
        line[1..9].to_owned()
    }
}

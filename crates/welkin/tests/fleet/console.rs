//! The debug console as a telnet session would use it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::PATIENCE_S;

/// Where tests have their ports.
const PORTS: Range<u16> = 12_000..32_000;

/// A port that nobody else has, nor takes before the test uses it: below those that the kernel gives to
/// whoever connects, and kept from other tests by a lock that lasts as long as this process.
pub fn free_port() -> u16 {
    static KEPT: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("welkin-test-ports-{user}"));
    fs::create_dir_all(&folder).expect("temporary folders can be made");
    let mut kept = KEPT.lock().expect("nobody panics with it");
    // Processes begin at different places, so that they do not all look for the same.
    let first = usize::try_from(std::process::id()).expect("it is small") * 31;
    let mut ports = PORTS.cycle().skip(first % PORTS.len()).take(PORTS.len());
    let port = ports.find(|port| {
        let Ok(lock) = File::create(folder.join(port.to_string())) else {
            return false;
        };
        let is_ours = lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", *port)).is_ok();
        if is_ours {
            kept.push(lock);
        }
        is_ours
    });
    port.expect("there are ports")
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

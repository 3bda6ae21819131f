//! The debug console from outside: its password, what it says about itself in the log, and the command
//! `welkin console`.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

use support::{Folder, Node, welkin};

const MAIN: &str = "
local skynet = require 'skynet'
skynet.start(function() skynet.newservice('debug_console', skynet.getenv 'address', 0) end)
";

/// A node with a console, and the console's port.
fn node(folder: &Folder, address: &str, more: &str) -> (Node, String, Vec<String>) {
    folder.file("main.lua", MAIN);
    folder.file(
        "config",
        &format!(
            "thread = 2 harbor = 0 luaservice = './?.lua' lua_path = './?.lua'
             address = '{address}' {more}"
        ),
    );
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("[:00000002] KILL self");
    let start = lines
        .iter()
        .find(|line| line.contains("Start debug console at "))
        .unwrap_or_else(|| panic!("no console: {lines:#?}"));
    let port = start.rsplit(':').next().unwrap_or_default().to_owned();
    (node, port, lines)
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(port: &str) -> Self {
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert_eq!(client.line(), "Welcome to skynet console");
        client
    }

    fn send(&self, text: &str) {
        self.0.get_ref().write_all(text.as_bytes()).unwrap();
    }

    /// Empty at the end of the stream.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, text: &str) -> [String; 2] {
        self.send(text);
        [self.line(), self.line()]
    }
}

const PASSWORD: &str = "welkin_console_password = 'open sesame'";
const REFUSED: [&str; 2] = [
    "Not authorized, type auth and the password first",
    "<CMD Error>",
];
const WRONG: [&str; 2] = ["Wrong password", "<CMD Error>"];

#[test]
fn nothing_is_answered_before_the_password() {
    let folder = Folder::new();
    let (_node, port, _) = node(&folder, "127.0.0.1", PASSWORD);
    let mut client = Client::new(&port);
    assert_eq!(client.ask("getenv thread\n"), REFUSED);
    assert_eq!(client.ask("auth\n"), REFUSED);
    assert_eq!(client.ask("auth open\n"), WRONG);
    client.send("auth open sesame\r\n");
    assert_eq!(client.line(), "<CMD OK>");
    assert_eq!(client.ask("getenv thread\n"), ["thread\t2", "<CMD OK>"]);
}

#[test]
fn the_third_wrong_password_ends_the_connection() {
    let folder = Folder::new();
    let (_node, port, _) = node(&folder, "127.0.0.1", PASSWORD);
    let mut client = Client::new(&port);
    client.send("auth \nauth open sesam\nauth open sesame \nauth open sesame\n");
    for _ in 0..3 {
        assert_eq!([client.line(), client.line()], WRONG);
    }
    assert_eq!(client.line(), "");
}

#[test]
fn http_requests_are_refused_where_there_is_a_password() {
    let folder = Folder::new();
    let (_node, port, _) = node(&folder, "127.0.0.1", PASSWORD);
    for request in [
        "GET /list HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\n\r\nauth open sesame",
    ] {
        let mut client = Client::new(&port);
        assert_eq!(client.ask(request), REFUSED);
        let mut rest = Vec::new();
        // Closed with something unread it may also be reset.
        let _ = client.0.read_until(b'\0', &mut rest);
        assert_eq!(rest, b"");
    }
}

#[test]
fn an_open_console_without_password_is_warned_about() {
    let warns = |lines: &[String]| lines.iter().any(|line| line.contains("WARNING"));
    for (address, more, warned) in [
        ("0.0.0.0", "", true),
        ("0.0.0.0", PASSWORD, false),
        ("127.0.0.1", "", false),
    ] {
        let folder = Folder::new();
        let (_node, _, lines) = node(&folder, address, more);
        assert_eq!(warns(&lines), warned, "{address} {more}: {lines:#?}");
    }
}

/// Runs `welkin console` to its end: status, standard output, standard error.
fn console(
    folder: &Folder,
    arguments: &[&str],
    password: Option<&str>,
    input: &str,
) -> (Option<i32>, String, String) {
    let mut command = welkin(folder.path(), &[&["console"], arguments].concat());
    command.stdin(Stdio::piped());
    if let Some(password) = password {
        command.env("WELKIN_CONSOLE_PASSWORD", password);
    }
    let mut child = command.spawn().unwrap();
    let mut to_child = child.stdin.take().unwrap();
    // One that fails early does not read.
    let _ = to_child.write_all(input.as_bytes());
    drop(to_child);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn welkin_console_runs_a_command_and_tells_by_its_status_how_it_went() {
    let folder = Folder::new();
    let (_node, port, _) = node(&folder, "127.0.0.1", "");
    let at = format!("127.0.0.1:{port}");
    let run = |words: &[&str]| console(&folder, &[&[at.as_str()], words].concat(), None, "");
    let none = String::new();
    let answer = (Some(0), "thread\t2\n".to_owned(), none.clone());
    assert_eq!(run(&["getenv", "thread"]), answer);
    assert_eq!(run(&["getenv thread"]), answer);
    let (status, out, _) = run(&["nosuch"]);
    assert_eq!(status, Some(1));
    assert!(out.starts_with("Invalid command"), "{out}");
    let (status, out, err) = console(&folder, &["127.0.0.1:1", "list"], None, "");
    assert_eq!((status, out), (Some(1), none));
    assert!(err.contains("cannot connect to 127.0.0.1:1"), "{err}");
    assert_eq!(console(&folder, &[], None, "").0, Some(2));
}

#[test]
fn welkin_console_without_command_passes_lines_both_ways() {
    let folder = Folder::new();
    let (_node, port, _) = node(&folder, "127.0.0.1", PASSWORD);
    let at = format!("127.0.0.1:{port}");
    let lines = "getenv thread\ngetenv harbor\n";
    let (status, out, err) = console(&folder, &[&at], Some("open sesame"), lines);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert_eq!(out, "thread\t2\n<CMD OK>\nharbor\t0\n<CMD OK>\n");
    let (status, _, err) = console(&folder, &[&at, "list"], Some("wrong"), "");
    assert_eq!(status, Some(1));
    assert!(err.contains("welkin_console_password"), "{err}");
}

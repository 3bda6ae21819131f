//! The example message board: what clients say is kept over restarts, on SQLite and on a MariaDB server.

mod support;

#[path = "support/servers.rs"]
mod servers;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use servers::Server;
use support::{Folder, Node, PATIENCE_S, output, root};

const AWAY: &str = "ERROR the database cannot be reached, try again later";

struct Board {
    _node: Node,
    address: String,
}

impl Board {
    fn start(folder: &Folder, store: &str) -> Self {
        let board = root().join("examples/message_board");
        let board = board.display();
        folder.file(
            "config",
            &format!(
                "thread = 2 harbor = 0 start = 'main' port = 0 board_store = '{store}'
                 luaservice = '{board}/?.lua' lua_path = '{board}/?.lua'"
            ),
        );
        let mut node = Node::start(folder.path(), &["config"]);
        let lines = node.wait_for("listening on ");
        let line = lines.last().expect("the line that was waited for");
        let address = line
            .rsplit(' ')
            .next()
            .expect("the line has words")
            .to_owned();
        Self {
            _node: node,
            address,
        }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(&self.address).expect("the board listens");
        let limit = Some(Duration::from_secs(PATIENCE_S));
        stream.set_read_timeout(limit).expect("a limit above zero");
        Client(BufReader::new(stream))
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.0
            .read_until(b'\n', &mut line)
            .expect("the board answers");
        assert_eq!(
            line.pop(),
            Some(b'\n'),
            "the board has closed the connection"
        );
        line
    }

    fn send(&mut self, line: &[u8]) {
        let stream = self.0.get_mut();
        stream
            .write_all(&[line, b"\n"].concat())
            .expect("the board listens");
    }

    fn set(&mut self, text: &[u8]) -> String {
        self.send(&[b"set ", text].concat());
        String::from_utf8(self.line()).expect("answers are text")
    }

    /// The lines of all messages, or of the error.
    fn get(&mut self) -> Vec<Vec<u8>> {
        self.send(b"get");
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            let failed = line.starts_with(b"ERROR");
            if line == b"END" {
                return lines;
            }
            lines.push(line);
            if failed {
                return lines;
            }
        }
    }
}

/// As lines: line ends and backslashes are escaped.
fn texts() -> Vec<Vec<u8>> {
    let mut any: Vec<u8> = (0..=255).filter(|byte| !b"\n\r\\".contains(byte)).collect();
    any.extend(b"\\n\\r\\\\");
    vec![
        b"hello there".to_vec(),
        b"it's \"quoted\"'; drop table message; --".to_vec(),
        b"two\\nlines and a \\\\backslash".to_vec(),
        "h\u{e9}llo \u{4f60}\u{597d}".as_bytes().to_vec(),
        b"?1 %s $1 :name".to_vec(),
        any,
        b"".to_vec(),
    ]
}

fn numbered() -> Vec<Vec<u8>> {
    let lines = texts().into_iter().enumerate();
    lines
        .map(|(at, text)| [format!("{} ", at + 1).as_bytes(), &text].concat())
        .collect()
}

/// Fills a board, starts it again, and finds everything.
fn keeps_all(folder: &Folder, store: &str) -> Board {
    let board = Board::start(folder, store);
    let mut client = board.client();
    assert!(client.get().is_empty());
    for (at, text) in texts().iter().enumerate() {
        assert_eq!(client.set(text), format!("OK {}", at + 1));
    }
    assert_eq!(client.get(), numbered());
    client.send(b"nonsense");
    assert!(client.line().starts_with(b"ERROR commands are: "));
    drop(board); // killed
    let board = Board::start(folder, store);
    assert_eq!(board.client().get(), numbered());
    board
}

#[test]
fn a_board_in_a_file_keeps_all_messages() {
    let folder = Folder::new();
    let board = keeps_all(&folder, "sqlite:board.db");
    let client = root().join("examples/message_board/client.lua");
    let client = client.display().to_string();
    for (command, answer) in [("set", "OK 8\n"), ("get", "8 by the client\nEND\n")] {
        let arguments = [
            "run",
            &client,
            &board.address,
            command,
            "by",
            "the",
            "client",
        ];
        let (status, out, err) = output(&root(), &arguments);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        assert!(out.contains(answer), "{out}");
    }
}

#[test]
fn a_board_on_a_server_keeps_all_messages_and_bears_its_loss() {
    let mut server = Server::mariadb();
    let folder = Folder::new();
    let address = format!("127.0.0.1:{}", server.port);
    let store = format!("mysql://welkin:welkin-test@{address}/welkin_test");
    let board = keeps_all(&folder, &store);
    let mut client = board.client();
    assert_eq!(client.set(b"before"), "OK 8");
    server.kill();
    assert_eq!(client.set(b"lost"), AWAY);
    assert_eq!(client.get(), [AWAY.as_bytes()]);
    drop(board);
    // Started while the database is away.
    let board = Board::start(&folder, &store);
    let mut client = board.client();
    assert_eq!(client.get(), [AWAY.as_bytes()]);
    server.restart();
    assert_eq!(client.get().len(), 8);
    assert!(client.set(b"after").starts_with("OK "));
    server.kill();
    assert_eq!(client.set(b"lost"), AWAY);
    server.restart();
    assert!(client.set(b"again").starts_with("OK "));
    let all = client.get();
    assert!(all[9].ends_with(b" again"), "{all:?}");
    assert_eq!(all.len(), 10);
}

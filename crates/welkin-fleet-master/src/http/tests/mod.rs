//! The port as programs and browsers meet it, over real sockets.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use welkin_fleet_model::state::State;

use super::*;
use crate::core::{NodeView, View};

struct Fake {
    view: watch::Sender<View>,
    changes: watch::Sender<u64>,
}

impl Fake {
    fn new() -> Arc<Self> {
        let node = NodeView {
            name: "login_1".into(),
            machine: "m1".into(),
            state: State::Ready,
            ..Default::default()
        };
        let view = View {
            fleet: "game".into(),
            nodes: vec![node],
            ..Default::default()
        };
        Arc::new(Self {
            view: watch::Sender::new(view),
            changes: watch::Sender::new(0),
        })
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(change);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Source for Fake {
    async fn view(&self) -> Arc<View> {
        Arc::new(self.view.borrow().clone())
    }

    async fn status(&self) -> Value {
        json!({"ok": true, "results": [], "errors": []})
    }

    async fn audit(&self) -> Audit {
        Audit {
            lines: Vec::new(),
            total: 7,
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

async fn port(options: Options) -> (SocketAddr, Arc<Fake>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let source = Fake::new();
    tokio::spawn(serve(listener, source.clone(), options));
    (address, source)
}

/// Sends bytes; all that comes back.
async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str, more: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n");
    say(address, request.as_bytes()).await
}

#[tokio::test]
async fn each_path_has_its_kind() {
    let (address, _) = port(Options::default()).await;
    let cases = [
        ("/", "text/html", "<!DOCTYPE html>"),
        ("/api/status?x=1", "application/json", "\"results\":[]"),
        (
            "/metrics",
            "version=0.0.4",
            "welkin_fleet_audit_records_total 7",
        ),
        ("/healthz", "text/plain", "ok\n"),
    ];
    for (path, kind, content) in cases {
        let answer = get(address, path, "").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains(kind) && answer.contains(content),
            "{path}: {answer}"
        );
        assert!(answer.contains("nosniff") && answer.contains("content-security-policy"));
    }
    assert!(
        get(address, "/nothing", "")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
    let head = format!("HEAD / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    assert!(say(address, head.as_bytes()).await.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn a_foreign_host_a_body_and_a_change_are_refused() {
    let (address, _) = port(Options::default()).await;
    let cases = [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\n\r\n", "421"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\n", "413"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400"),
    ];
    for (request, status) in cases {
        let answer = say(address, request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
    }
    let answer = say(address, "x".repeat(20_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_finished_is_closed() {
    let (address, _) = port(Options::default()).await;
    assert_eq!(say(address, b"GET / HTTP/1.1\r\nHost:").await, "");
}

#[tokio::test]
async fn a_token_is_asked_for_where_there_is_one() {
    let options = Options {
        token: Some("0123abcd".into()),
        ..Options::default()
    };
    let (address, _) = port(options).await;
    let answer = get(address, "/metrics", "").await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate: Bearer"));
    let answer = get(address, "/metrics", "Authorization: Bearer 0123abcd\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = get(address, "/events", "Authorization: Bearer 0123abce\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

/// Reads events until one has `word`.
async fn until(stream: &mut TcpStream, word: &str) -> String {
    let mut text = Vec::new();
    let wait = async {
        while !String::from_utf8_lossy(&text).contains(word) {
            assert!(
                stream.read_buf(&mut text).await.unwrap() > 0,
                "the end before {word}"
            );
        }
    };
    timeout(Duration::from_secs(20), wait).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_change_comes_to_an_open_page() {
    let (address, source) = port(Options::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let begin = until(&mut stream, "event: audit").await;
    assert!(
        begin.contains("text/event-stream") && begin.contains("event: lines"),
        "{begin}"
    );
    assert!(begin.contains("\"state\":\"ready\""));
    source.change(|view| view.nodes[0].state = State::Failed);
    until(&mut stream, "\"state\":\"failed\"").await;
}

#[tokio::test]
async fn open_pages_are_bounded() {
    let (address, _) = port(Options::default()).await;
    let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut open = Vec::new();
    for _ in 0..PAGES {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        until(&mut stream, "event: state").await;
        open.push(stream);
    }
    assert!(
        say(address, request.as_bytes())
            .await
            .starts_with("HTTP/1.1 503 ")
    );
    assert!(
        get(address, "/healthz", "")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[test]
fn the_page_asks_nobody_else_for_anything() {
    let page = page::Page::new();
    for foreign in ["http://", "https://", "//cdn", "@import", "url("] {
        let found = page.html.matches(foreign).count();
        // Names of XML, which nobody asks for.
        let names = page.html.matches("http://www.w3.org/2000/svg").count();
        let expected = if foreign == "http://" { names } else { 0 };
        assert_eq!(found, expected, "{foreign}");
    }
    assert!(page.policy.contains("default-src 'none'"));
    assert!(!page.html.contains("innerHTML") && !page.html.contains("style="));
}

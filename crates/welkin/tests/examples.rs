//! The examples do what they say. Their ports are those of their configs.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::{Node, PATIENCE_S, output, root};

fn start(name: &str) -> Node {
    Node::start(&root(), &[&format!("examples/{name}/config")])
}

/// Connects to the address at the end of the line that says where the example listens.
fn connect(node: &mut Node) -> (String, TcpStream) {
    let lines = node.wait_for("listening on ");
    let line = lines.last().expect("the line that was waited for");
    let address = line.rsplit(' ').next().expect("the line has words");
    let stream = TcpStream::connect(address).expect("the example listens");
    let limit = Some(Duration::from_secs(PATIENCE_S));
    stream.set_read_timeout(limit).expect("a limit above zero");
    (address.to_owned(), stream)
}

#[test]
fn pingpong_calls_sends_and_ends() {
    let (status, out, err) = output(&root(), &["examples/pingpong/config"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    for line in [
        "[:00000008] answer: Hello 1\n",
        "[:00000008] answer: Hello 3\n",
        "[:00000008] notes: first, second\n",
        "[:00000008] nonsense: false ",
        "[:00000008] stop: false ",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
}

#[test]
fn echo_sends_back_what_it_gets() {
    let mut node = start("echo");
    let (_, mut stream) = connect(&mut node);
    node.wait_for("hello 127.0.0.1:");
    let mut back = vec![0; 100_000];
    let data: Vec<u8> = (0..back.len()).map(|n| n as u8).collect();
    stream.write_all(b"one\n").unwrap();
    stream.read_exact(&mut back[..4]).unwrap();
    assert_eq!(&back[..4], b"one\n");
    let mut writer = stream.try_clone().unwrap();
    let sent = data.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    stream.read_exact(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == data, "the bytes come back in order");
    drop(stream);
    node.wait_for("goodbye 127.0.0.1:");
}

#[test]
fn kv_keeps_values_for_all_clients() {
    let mut node = start("kv");
    let (address, stream) = connect(&mut node);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let mut ask = |line: &str| {
        writeln!(writer, "{line}").unwrap();
        let mut answer = String::new();
        reader.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    };
    assert_eq!(ask("get color"), "NONE");
    assert_eq!(ask("set color deep blue"), "OK");
    assert_eq!(ask("get color"), "= deep blue");
    assert!(ask("nonsense").starts_with("ERROR "));
    let arguments = ["run", "examples/kv/client.lua", &address, "get", "color"];
    let (status, out, err) = output(&root(), &arguments);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("= deep blue\n"), "{out}");
    assert_eq!(ask("quit"), "BYE");
    assert_eq!(
        reader.read(&mut [0]).unwrap(),
        0,
        "the connection is closed"
    );
}

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
    kv_by_packages(&mut node);
    kv_by_sproto(&mut node);
}

fn send_package(stream: &mut TcpStream, text: &str) {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    stream
        .write_all(&[&length, text.as_bytes()].concat())
        .unwrap();
}

fn read_package_bytes(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn read_package(stream: &mut TcpStream) -> Option<String> {
    read_package_bytes(stream).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// The other way into the same store: with packages, by a client of its own; one that is silent is cut
/// off.
fn kv_by_packages(node: &mut Node) {
    let lines = node.wait_for("packages at ");
    let line = lines.last().expect("the line that was waited for");
    let address = line.rsplit(' ').next().expect("the line has words");
    let arguments = ["lua", "examples/kv/package_client.lua", address];
    let commands = [
        "get", "color", "set", "color", "red", "get", "color", "quit",
    ];
    let (status, out, err) = output(&root(), &[&arguments[..], &commands].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert_eq!(out, "= deep blue\nOK\n= red\nBYE\n");
    let mut silent = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_secs(PATIENCE_S));
    silent.set_read_timeout(limit).unwrap();
    send_package(&mut silent, "get color");
    let mut beats = 0;
    let mut answers = Vec::new();
    while let Some(text) = read_package(&mut silent) {
        match text.as_str() {
            "" => beats += 1,
            _ => answers.push(text),
        }
    }
    assert_eq!(answers, ["= red"]);
    assert!(beats > 1, "{beats} heartbeats");
    node.wait_for("no sign of life from connection");
}

/// The third way, with requests in both directions; what is no message ends the connection.
fn kv_by_sproto(node: &mut Node) {
    let address = "127.0.0.1:7004";
    let arguments = ["lua", "examples/kv/sproto_client.lua", address];
    let commands = [
        "get", "color", "set", "color", "green", "get", "color", "get", "nothing",
    ];
    let (status, out, err) = output(&root(), &[&arguments[..], &commands].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert_eq!(out, "= red\nOK\n= green\nNONE\n");
    let mut stranger = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_secs(PATIENCE_S));
    stranger.set_read_timeout(limit).unwrap();
    send_package(&mut stranger, "this is no message");
    while read_package_bytes(&mut stranger).is_some() {}
    node.wait_for("sends what is no message");
}

#[test]
fn login_comes_back_after_a_lost_connection() {
    let mut node = start("login");
    node.wait_for("listening on ");
    let client = "examples/login/client.lua";
    let (status, out, err) = output(&root(), &["lua", client, "alice"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "alice has session 1",
            "connection 1: 200 OK",
            "answer 1: 5",
            "the connection is lost before the answer",
            "connection 2: 200 OK",
            "answer 2: 12",
            "answer 3: 13",
            "answer 4: refused",
        ]
    );
    let (status, out, _) = output(&root(), &["lua", client, "alice", "wrong"]);
    assert_eq!(status, 1);
    assert_eq!(out, "the login server answers: 401 Unauthorized\n");
}

/// Runs an example that ends by itself; what it printed.
fn run(name: &str) -> String {
    let (status, out, err) = output(&root(), &[&format!("examples/{name}/config")]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    out
}

#[test]
fn lock_comes_back_from_whoever_ends() {
    let out = run("lock");
    for text in [
        "so: forgetful",
        "so: hanging",
        "so: properly",
        "killing :",
        "gives back what it held",
        "the printer is free again",
    ] {
        assert!(out.contains(text), "no {text:?} in {out}");
    }
}

#[test]
fn pubsub_readers_get_every_item_in_order() {
    let out = run("pubsub");
    for name in ["alice", "bob"] {
        let start = format!("{name} reads weather: ");
        let read: Vec<&str> = out
            .lines()
            .filter_map(|line| Some(line.split_once(&start)?.1))
            .collect();
        assert_eq!(read, ["rain", "sun", "end"], "{name}: {out}");
    }
    assert!(out.contains("carol reads sport: 3:1\n"), "{out}");
    assert!(out.contains("all have read everything\n"), "{out}");
}

#[test]
fn pushpull_shares_work_among_agents() {
    let mut node = start("pushpull");
    let (_, stream) = connect(&mut node);
    let mut writer = stream.try_clone().unwrap();
    writer
        .write_all(b"sum 1 2 3\nupper a b\nsum x\nnonsense\n")
        .unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut answer = || lines.next().unwrap().unwrap();
    assert_eq!(answer(), "= 6");
    assert_eq!(answer(), "= A B");
    assert_eq!(answer(), "ERROR not a number: x");
    assert!(answer().starts_with("ERROR commands are: "));
}

#[test]
fn queue_keeps_an_account_right() {
    let out = run("queue");
    for line in [
        "] withdraw: 3 x 60 paid, balance 40\n",
        "] withdraw_in_order: 1 x 60 paid, balance 40\n",
        "] withdraw_twice: 1 x 50 paid, balance 0\n",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
}

#[test]
fn monitor_shows_its_own_node() {
    let mut node = start("monitor");
    let out = node.wait_for("end of report").join("\n");
    for text in [
        "  :00000008  snlua main\n",
        " Kb (snlua main)\n",
        " tasks, ",
        "  LISTEN :00000008 127.0.0.1:7012\n",
    ] {
        assert!(out.contains(text), "no {text:?} in {out}");
    }
}

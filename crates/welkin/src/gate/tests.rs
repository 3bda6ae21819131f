//! A gate in a real node, from both sides: the watchdog's and the peer's. The peers are hostile.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use welkin_runtime::Node;

use super::*;

/// How long a test waits before it fails; never how long something may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Source, session, kind, bytes.
type Heard = (Address, i32, u8, Vec<u8>);

struct Recorder(Sender<Heard>);

impl Service for Recorder {
    fn handle(&mut self, _: &Context<'_>, message: Message) -> Flow {
        let bytes = message.payload.as_bytes().to_vec();
        // The test may be over.
        let _ = self
            .0
            .send((message.source, message.session, message.kind, bytes));
        Flow::Done
    }
}

struct Recorders(Mutex<Option<Sender<Heard>>>);

impl Module for Recorders {
    fn create(&self, _: &Context<'_>, _: &[u8]) -> Result<NewService, LaunchError> {
        let sender = self.0.lock().take().ok_or(LaunchError::Failed)?;
        Ok(NewService {
            service: Box::new(Recorder(sender)),
            control: None,
        })
    }
}

fn recorder(node: &Arc<Node>) -> (Address, Receiver<Heard>) {
    let (sender, receiver) = channel();
    node.register_module("recorder", Arc::new(Recorders(Mutex::new(Some(sender)))));
    (node.launch(b"recorder", b"").unwrap(), receiver)
}

/// A node with a gate, and the services that hear of it.
struct Bench {
    node: Arc<Node>,
    gate: Address,
    host: Ipv4Addr,
    port: u16,
    watchdog: Address,
    reports: Receiver<Heard>,
    logs: Receiver<Heard>,
    runner: Option<JoinHandle<()>>,
}

impl Bench {
    fn new(style: char, connections_max: usize) -> Bench {
        let net = Net::new().unwrap();
        let node = Node::builder().workers(2).driver(net.clone()).build();
        node.register_module("gate", Arc::new(GateModule(net)));
        let (logger, logs) = recorder(&node);
        assert!(node.name_register(b"logger", logger));
        let (watchdog, reports) = recorder(&node);
        let host = own_host();
        let (gate, port) = loop {
            // Another process may take the port in between.
            let port = free_port(host);
            let args = format!("{style} {watchdog} {host}:{port} 0 {connections_max}");
            if let Some(gate) = node.launch(b"gate", args.as_bytes()) {
                break (gate, port);
            }
        };
        let runner = Some(std::thread::spawn({
            let node = node.clone();
            move || node.run()
        }));
        Bench {
            node,
            gate,
            host,
            port,
            watchdog,
            reports,
            logs,
            runner,
        }
    }

    fn connect(&self) -> TcpStream {
        let peer = TcpStream::connect((self.host, self.port)).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer
    }

    /// A peer that the gate reads from, and its number there.
    fn started(&self) -> (TcpStream, i32) {
        let peer = self.connect();
        let report = self.report();
        let fd = report.split(' ').next().unwrap();
        let address = peer.local_addr().unwrap();
        assert_eq!(report, format!("{fd} open {fd} {address}:0"));
        self.say(&format!("start {fd}"));
        (peer, fd.parse().unwrap())
    }

    fn say(&self, command: &str) {
        self.post(kind::TEXT, Payload::copy_from(command.as_bytes()));
    }

    fn post(&self, kind: u8, payload: Payload) {
        let message = Message {
            source: self.watchdog,
            session: 0,
            kind,
            payload,
        };
        self.node.post(self.gate, message).unwrap();
    }

    /// The next text to the watchdog.
    fn report(&self) -> String {
        let (source, _, kind, bytes) = self.reports.recv_timeout(PATIENCE).unwrap();
        assert_eq!((source, kind), (self.gate, kind::TEXT));
        String::from_utf8(bytes).unwrap()
    }

    fn wait_for_log(&self, line: &str) {
        while self.logs.recv_timeout(PATIENCE).expect(line).3 != line.as_bytes() {}
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.node.abort();
        let ended = self.runner.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// A loopback address for each test, so that no other one listens on a port that this one has left.
fn own_host() -> Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(1);
    Ipv4Addr::new(127, 0, 0, LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

fn free_port(host: Ipv4Addr) -> u16 {
    let listener = TcpListener::bind((host, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// That the gate has closed the connection, in good order or by a reset.
fn assert_closed(mut peer: TcpStream) {
    assert!(matches!(peer.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn packages_arrive_however_they_are_cut() {
    let bench = Bench::new('S', 4);
    let (mut peer, fd) = bench.started();
    peer.set_nodelay(true).unwrap();
    for byte in b"\0\x03one\0\0\0\x03two\0\x05three" {
        peer.write_all(&[*byte]).unwrap();
    }
    peer.write_all(b"\0\x04four\0\x04fi").unwrap();
    peer.write_all(b"ve").unwrap();
    for word in ["one", "two", "three", "four", "five"] {
        assert_eq!(bench.report(), format!("{fd} data {word}"));
    }
}

#[test]
fn a_package_cut_by_the_end_is_dropped_and_its_place_is_free_again() {
    let bench = Bench::new('S', 1);
    let (mut peer, fd) = bench.started();
    peer.write_all(b"\0\x02ok\xff\xffhalf").unwrap();
    drop(peer);
    assert_eq!(bench.report(), format!("{fd} data ok"));
    assert_eq!(bench.report(), format!("{fd} close"));
    let (mut peer, next) = bench.started();
    peer.write_all(b"\0\x03new").unwrap();
    assert_eq!(bench.report(), format!("{next} data new"));
}

#[test]
fn a_package_of_16_mib_costs_its_peer_the_connection_and_no_other() {
    let bench = Bench::new('L', 4);
    let (mut good, good_fd) = bench.started();
    good.write_all(b"\0\0").unwrap();
    for announced in [0x0100_0000u32, u32::MAX] {
        let (mut bad, bad_fd) = bench.started();
        let mut bytes = b"\0\0\0\x02hi".to_vec();
        bytes.extend(announced.to_be_bytes());
        bytes.extend(b"\0\0\0\x04more");
        bad.write_all(&bytes).unwrap();
        assert_eq!(bench.report(), format!("{bad_fd} data hi"));
        assert_eq!(bench.report(), format!("{bad_fd} close"));
        bench.wait_for_log("Recv socket message > 16M");
        assert_closed(bad);
    }
    good.write_all(b"\0\x02ok").unwrap();
    assert_eq!(bench.report(), format!("{good_fd} data ok"));
}

#[test]
fn a_reset_is_reported_once() {
    let bench = Bench::new('S', 4);
    let (mut peer, fd) = bench.started();
    let mut message = b"unread".to_vec();
    message.extend(fd.to_le_bytes());
    bench.post(kind::CLIENT, Payload::copy_from(&message));
    peer.peek(&mut [0]).unwrap();
    peer.write_all(b"\0").unwrap();
    // What was sent to it is not read: the system resets the connection.
    drop(peer);
    assert_eq!(bench.report(), format!("{fd} close"));
    let (_peer, next) = bench.started();
    bench.say(&format!("kick {next}"));
    assert_eq!(bench.report(), format!("{next} close"));
}

#[test]
fn a_connection_too_many_is_closed_unreported() {
    let bench = Bench::new('S', 1);
    let (_peer, fd) = bench.started();
    assert_closed(bench.connect());
    bench.say(&format!("kick {fd}"));
    assert_eq!(bench.report(), format!("{fd} close"));
}

#[test]
fn an_agent_and_then_a_broker_receive_instead_of_the_watchdog() {
    let bench = Bench::new('S', 4);
    let (agent, packages) = recorder(&bench.node);
    let (mut peer, fd) = bench.started();
    bench.say(&format!("forward {fd} {agent} :77"));
    peer.write_all(b"\0\x02hi").unwrap();
    let expected = (Address(0x77), fd, kind::CLIENT, b"hi".to_vec());
    assert_eq!(packages.recv_timeout(PATIENCE), Ok(expected));
    bench.say(&format!("broker {agent}"));
    peer.write_all(b"\0\x02ho").unwrap();
    let expected = (bench.gate, fd, kind::CLIENT, b"ho".to_vec());
    assert_eq!(packages.recv_timeout(PATIENCE), Ok(expected));
    bench.say("broker .nobody");
    bench.say(&format!("forward {fd} :0 :0"));
    peer.write_all(b"\0\x02wd").unwrap();
    assert_eq!(bench.report(), format!("{fd} data wd"));
}

#[test]
fn client_messages_are_written_and_senseless_ones_logged() {
    let bench = Bench::new('S', 4);
    let (mut peer, fd) = bench.started();
    bench.post(kind::CLIENT, Payload::copy_from(b"1234"));
    let from = bench.watchdog.0;
    bench.wait_for_log(&format!("Invalid client message from {from:x}"));
    bench.post(kind::CLIENT, Payload::copy_from(b"x\xff\xff\xff\xff"));
    bench.wait_for_log(&format!("Invalid client id -1 from {from:x}"));
    bench.post(
        kind::CLIENT,
        Payload::copy_from(&[b"raw", &fd.to_le_bytes()[..]].concat()),
    );
    let mut answer = [0; 3];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"raw");
}

#[test]
fn a_forged_socket_event_is_harmless() {
    let bench = Bench::new('S', 4);
    let (mut peer, fd) = bench.started();
    let mut forged = Vec::new();
    for int in [event::DATA, fd, i32::MAX, 0] {
        forged.extend(int.to_ne_bytes());
    }
    forged.extend(0x1000_usize.to_ne_bytes());
    bench.post(kind::SOCKET, Payload::copy_from(&forged));
    bench.post(kind::SOCKET, Payload::copy_from(&forged[..7]));
    bench.say("what is this");
    bench.wait_for_log("[gate] Unknown command : what is this");
    peer.write_all(b"\0\x02ok").unwrap();
    assert_eq!(bench.report(), format!("{fd} data ok"));
}

#[test]
fn close_ends_the_listener_only_and_the_end_of_the_gate_the_rest() {
    let bench = Bench::new('S', 4);
    let (mut peer, fd) = bench.started();
    bench.say("close");
    // Texts are handled in order: when this is logged, the listener is closed.
    bench.say("?");
    bench.wait_for_log("[gate] Unknown command : ?");
    assert!(TcpStream::connect((bench.host, bench.port)).is_err());
    peer.write_all(b"\0\x02ok").unwrap();
    assert_eq!(bench.report(), format!("{fd} data ok"));
    bench.node.kill(bench.gate);
    assert_closed(peer);
}

#[test]
fn a_port_that_is_taken_fails_the_launch() {
    let bench = Bench::new('S', 4);
    let at = format!("{}:{}", bench.host, bench.port);
    let args = format!("S ! {at} 0 1");
    assert_eq!(bench.node.launch(b"gate", args.as_bytes()), None);
    bench.wait_for_log(&format!(
        "gate cannot listen on {at}: Address already in use"
    ));
    bench.wait_for_log("error: launch gate FAILED");
}

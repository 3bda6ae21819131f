//! UDP: datagrams, default peers, families.

mod bench;

use std::net::UdpSocket;

use bench::Bench;
use welkin_net::{Priority, SocketKind, address, event};
use welkin_runtime::Payload;

fn datagram(bench: &mut Bench, id: i32) -> (Vec<u8>, Vec<u8>) {
    let seen = bench.expect(event::UDP, id);
    assert_eq!(seen.ud as usize, seen.data.len());
    (seen.data, seen.text)
}

#[test]
fn an_answer_goes_to_the_address_of_the_event() {
    let mut bench = Bench::new();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    let id = bench
        .net
        .udp_dial(&bench.node, bench.me, "127.0.0.1", port)
        .unwrap();
    assert!(bench.send(id, b"ping"));
    let mut buffer = [0; 100];
    let (count, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"ping");
    peer.send_to(b"pong", from).unwrap();
    let (data, text) = datagram(&mut bench, id);
    assert_eq!(data, b"pong");
    assert_eq!(address::decode(&text), Some(peer.local_addr().unwrap()));
    assert!(
        bench
            .net
            .udp_send(&bench.node, id, &text, Payload::copy_from(b"again"))
    );
    let count = peer.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"again");
    let row = bench.row(id).unwrap();
    assert_eq!((row.kind, row.read, row.write), (SocketKind::Udp, 4, 9));
    assert_eq!(row.peer, Some(peer.local_addr().unwrap().to_string()));
}

#[test]
fn empty_and_largest_datagrams_arrive_whole() {
    let mut bench = Bench::new();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    let id = bench
        .net
        .udp_dial(&bench.node, bench.me, "127.0.0.1", port)
        .unwrap();
    let mut buffer = vec![0; 70_000];
    assert!(bench.send(id, b""));
    let (count, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(count, 0);
    peer.send_to(b"", from).unwrap();
    assert_eq!(datagram(&mut bench, id).0, b"");
    let largest = bench::pattern(65_507);
    peer.send_to(&largest, from).unwrap();
    assert_eq!(datagram(&mut bench, id).0, largest);
    assert!(bench.send(id, &largest));
    assert_eq!(peer.recv(&mut buffer).unwrap(), largest.len());
}

#[test]
fn a_bound_socket_hears_everybody_and_its_port_can_be_bound_twice() {
    let mut bench = Bench::new();
    let free = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let id = bench
        .net
        .udp_listen(&bench.node, bench.me, "127.0.0.1", free)
        .unwrap();
    for text in [b"a", b"b"] {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(text, ("127.0.0.1", free)).unwrap();
        assert_eq!(datagram(&mut bench, id).0, text);
    }
    assert!(
        bench
            .net
            .udp(&bench.node, bench.me, Some("127.0.0.1"), free)
            .is_ok()
    );
    assert!(
        bench
            .net
            .udp_listen(&bench.node, bench.me, "127.0.0.1", 0)
            .is_err()
    );
}

#[test]
fn without_a_peer_a_plain_send_is_logged_and_false() {
    let mut bench = Bench::new();
    let id = bench.net.udp(&bench.node, bench.me, None, 0).unwrap();
    assert!(!bench.send(id, b"x"));
    bench.log_line(&format!(
        "socket-server : set udp ({id}) error: address first."
    ));
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    bench
        .net
        .udp_connect(&bench.node, id, "localhost", port)
        .unwrap();
    assert!(bench.send(id, b"x"));
    assert_eq!(peer.recv(&mut [0; 10]).unwrap(), 1);
}

#[test]
fn another_family_is_refused() {
    let mut bench = Bench::new();
    let id = bench.net.udp(&bench.node, bench.me, None, 0).unwrap();
    bench.net.udp_connect(&bench.node, id, "::1", 7).unwrap();
    assert_eq!(bench.expect(event::ERROR, id).text(), "protocol mismatch");
    let v6 = address::encode("[::1]:7".parse().unwrap());
    assert!(
        !bench
            .net
            .udp_send(&bench.node, id, &v6, Payload::copy_from(b"x"))
    );
    assert!(
        !bench
            .net
            .udp_send(&bench.node, id, b"\x03rubbish", Payload::copy_from(b"x"))
    );
}

#[test]
fn only_udp_sockets_take_udp_commands() {
    let mut bench = Bench::new();
    let (listener, _) = bench.listener();
    assert!(
        bench
            .net
            .udp_connect(&bench.node, listener, "127.0.0.1", 1)
            .is_err()
    );
    assert!(
        bench
            .net
            .udp_connect(&bench.node, 999, "127.0.0.1", 1)
            .is_err()
    );
    let to = address::encode("127.0.0.1:1".parse().unwrap());
    assert!(
        !bench
            .net
            .udp_send(&bench.node, listener, &to, Payload::empty())
    );
    assert!(!bench.net.udp_send(&bench.node, 999, &to, Payload::empty()));
}

#[test]
fn a_datagram_that_cannot_be_sent_is_logged_and_the_socket_lives_on() {
    let mut bench = Bench::new();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    let id = bench
        .net
        .udp_dial(&bench.node, bench.me, "127.0.0.1", port)
        .unwrap();
    assert!(bench.net.send(
        &bench.node,
        id,
        Payload::copy_from(&[0; 66_000]),
        Priority::Low
    ));
    assert!(
        bench
            .log_line("socket-server : udp")
            .contains("Message too long")
    );
    assert!(bench.send(id, b"x"));
    assert_eq!(peer.recv(&mut [0; 10]).unwrap(), 1);
    bench.close(id);
    bench.expect(event::CLOSE, id);
    assert!(!bench.send(id, b"x"));
}

#[test]
fn many_datagrams_at_once_arrive_in_order() {
    let mut bench = Bench::new();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    let id = bench
        .net
        .udp_dial(&bench.node, bench.me, "127.0.0.1", port)
        .unwrap();
    bench.send(id, b"hello");
    let (_, from) = peer.recv_from(&mut [0; 10]).unwrap();
    bench.pause(id);
    for n in 0..150u32 {
        peer.send_to(&n.to_ne_bytes(), from).unwrap();
    }
    bench.start(id);
    bench.expect(event::CONNECT, id);
    for n in 0..150u32 {
        assert_eq!(datagram(&mut bench, id).0, n.to_ne_bytes());
    }
}

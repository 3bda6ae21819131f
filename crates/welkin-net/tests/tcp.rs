//! TCP from the owner's point of view: which events come, and in which order.

mod bench;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use bench::{Bench, pattern, reset};
use welkin_net::{Priority, SocketKind, event};
use welkin_runtime::Payload;

#[test]
fn an_accepted_connection_echoes() {
    let mut bench = Bench::new();
    let (listener, port) = bench.listener();
    let (id, mut peer) = bench.accepted(listener, port);
    peer.write_all(b"ping").unwrap();
    let data = bench.data(id, 4);
    assert!(bench.send(id, &data));
    let mut answer = [0; 4];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    drop(peer);
    bench.expect(event::CLOSE, id);
    bench.close(id);
    assert!(bench.settle().is_empty(), "no second CLOSE");
    assert!(!bench.send(id, b"x"));
}

#[test]
fn the_accept_event_names_the_peer_and_ids_count_up() {
    let mut bench = Bench::new();
    let (listener, port) = bench.listener();
    let peer = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let seen = bench.expect(event::ACCEPT, listener);
    assert_eq!(seen.text(), peer.local_addr().unwrap().to_string());
    assert_eq!(seen.ud, listener + 1);
    assert!(bench.row(seen.ud).is_none(), "not started, not listed");
    assert!(bench.send(seen.ud, b"dropped"));
}

#[test]
fn a_refused_connection_is_an_error_and_the_id_is_gone() {
    let mut bench = Bench::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let id = bench.connect("127.0.0.1", port);
    assert_eq!(bench.expect(event::ERROR, id).text(), "Connection refused");
    assert!(!bench.send(id, b"x"));
    bench.close(id);
    assert!(bench.settle().is_empty());
}

#[test]
fn an_unknown_name_is_an_error() {
    let mut bench = Bench::new();
    let id = bench.connect(&"x".repeat(400), 1);
    assert_eq!(
        bench.expect(event::ERROR, id).text(),
        "Name or service not known"
    );
}

#[test]
fn a_name_is_resolved_and_what_was_sent_meanwhile_arrives_first() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let id = bench.connect("localhost", listener.local_addr().unwrap().port());
    assert!(bench.send(id, b"early "));
    let (mut peer, _) = listener.accept().unwrap();
    bench.expect(event::CONNECT, id);
    assert!(bench.send(id, b"late"));
    let mut got = [0; 10];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"early late");
}

#[test]
fn a_connection_closed_before_it_is_there_still_sends() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let id = bench.connect("localhost", listener.local_addr().unwrap().port());
    bench.send(id, b"last words");
    bench.close(id);
    // It may have been there after all.
    while bench.next(id).kind != event::CLOSE {}
    let (mut peer, _) = listener.accept().unwrap();
    let mut got = String::new();
    peer.read_to_string(&mut got).unwrap();
    assert_eq!(got, "last words");
    assert!(bench.settle().is_empty(), "no CONNECT after CLOSE");
}

#[test]
fn data_comes_before_the_close_that_ended_it() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let sent = pattern(3 * 1024 * 1024);
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || peer.write_all(&sent).unwrap()
    });
    assert_eq!(bench.data(id, sent.len()), sent);
    writer.join().unwrap();
    bench.expect(event::CLOSE, id);
    let row = bench.row(id).unwrap();
    assert_eq!(
        (row.kind, row.read),
        (SocketKind::Closing, sent.len() as u64)
    );
}

#[test]
fn a_peer_that_half_closes_still_gets_its_answer() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    peer.write_all(b"request").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(bench.data(id, 7), b"request");
    bench.expect(event::CLOSE, id);
    let answer = pattern(5 * 1024 * 1024);
    assert!(bench.send(id, &answer));
    bench.close(id);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert_eq!(got, answer);
    let rest = bench.settle();
    assert!(
        rest.iter().all(|seen| seen.kind == event::WARNING),
        "{rest:?}"
    );
}

#[test]
fn close_is_told_at_once_and_sends_what_is_queued() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let sent = pattern(32 * 1024 * 1024); // more than the system buffers
    for part in sent.chunks(100_000) {
        assert!(bench.send(id, part));
    }
    bench.close(id);
    loop {
        let seen = bench.next(id);
        if seen.kind != event::WARNING {
            assert_eq!(seen.kind, event::CLOSE);
            break;
        }
    }
    assert!(!bench.send(id, b"too late"));
    assert_eq!(bench.row(id).unwrap().kind, SocketKind::Closing);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert!(got == sent);
    assert!(bench.settle().is_empty());
}

#[test]
fn shutdown_drops_what_is_queued() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let sent = vec![1; 32 * 1024 * 1024];
    bench.send(id, &sent);
    bench.expect(event::WARNING, id);
    bench.shutdown(id);
    bench.expect(event::CLOSE, id);
    assert!(!bench.send(id, b"x"));
    let mut got = Vec::new();
    // The unread end may come as a reset.
    let _ = peer.read_to_end(&mut got);
    assert!(got.len() < sent.len());
    bench.shutdown(id);
    assert!(bench.settle().is_empty());
}

#[test]
fn low_priority_waits_for_high_and_no_message_is_torn() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let first = vec![b'f'; 16 * 1024 * 1024];
    bench.send(id, &first);
    assert_eq!(bench.next(id).kind, event::WARNING);
    let low = Payload::copy_from(&[b'l'; 1000]);
    assert!(bench.net.send(&bench.node, id, low, Priority::Low));
    bench.send(id, &[b'h'; 1000]);
    bench.close(id);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    let behind = &got[first.len()..];
    assert!(got[..first.len()].iter().all(|&byte| byte == b'f'));
    assert!(behind[..1000].iter().all(|&byte| byte == b'h'));
    assert!(behind[1000..].iter().all(|&byte| byte == b'l'));
    assert_eq!(behind.len(), 2000);
}

#[test]
fn a_low_message_lent_and_partly_sent_is_finished_before_a_high_one() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let low = vec![b'l'; 32 * 1024 * 1024]; // more than the system buffers
    assert!(bench.net.send_bytes(&bench.node, id, &low, Priority::Low));
    bench.send(id, b"high");
    bench.close(id);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert_eq!(got.len(), low.len() + 4);
    assert_eq!(&got[low.len()..], b"high");
}

#[test]
fn warnings_tell_of_each_doubling_and_of_the_end() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let mut sent = 0;
    let mut levels = Vec::new();
    let piece = vec![7; 10 * 1024];
    while levels.len() < 3 {
        bench.send(id, &piece);
        sent += piece.len();
        if bench.row(id).unwrap().wbuffer >= (1024 * 1024) << levels.len() {
            levels.push(bench.expect(event::WARNING, id).ud);
        }
    }
    for (level, kib) in levels.iter().enumerate() {
        assert!(
            (1024 << level..(1024 << level) + 11).contains(kib),
            "{levels:?}"
        );
    }
    let row = bench.row(id).unwrap();
    assert!(row.writing && row.write > 0);
    let mut got = vec![0; sent];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(bench.expect(event::WARNING, id).ud, 0);
    assert_eq!(bench.row(id).unwrap().wbuffer, 0);
}

#[test]
fn a_paused_socket_is_silent_until_it_is_started_again() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    bench.pause(id);
    peer.write_all(b"one").unwrap();
    drop(peer);
    assert!(bench.settle().is_empty());
    assert!(!bench.row(id).unwrap().reading);
    bench.start(id);
    assert_eq!(bench.expect(event::CONNECT, id).text(), "transfer");
    assert_eq!(bench.data(id, 3), b"one");
    bench.expect(event::CLOSE, id);
    bench.start(id);
    assert_eq!(bench.expect(event::ERROR, id).text(), "socket closed");
}

#[test]
fn pausing_again_and_again_loses_nothing() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let sent = pattern(4 * 1024 * 1024);
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || peer.write_all(&sent).unwrap()
    });
    let mut got = Vec::new();
    loop {
        bench.pause(id);
        bench.start(id);
        let seen = bench.next(id);
        match seen.kind {
            event::DATA => got.extend(seen.data),
            event::CONNECT => {}
            _ => break,
        }
    }
    writer.join().unwrap();
    assert!(got == sent);
}

#[test]
fn a_reset_is_an_error_and_then_a_close() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connected();
    reset(peer);
    assert_eq!(
        bench.expect(event::ERROR, id).text(),
        "Connection reset by peer"
    );
    bench.expect(event::CLOSE, id);
    bench.shutdown(id);
    assert!(bench.settle().is_empty());
    assert!(bench.row(id).is_none());
}

#[test]
fn writing_to_a_reset_connection_is_an_error_and_its_close_comes_when_reading_ends() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connected();
    bench.pause(id); // so that the reader does not hear of it first
    reset(peer);
    loop {
        assert!(bench.send(id, b"x"));
        if bench.row(id).unwrap().kind == SocketKind::Closing {
            break;
        }
    }
    bench.expect(event::ERROR, id);
    assert!(bench.send(id, b"discarded"));
    bench.start(id);
    bench.expect(event::CLOSE, id);
    assert!(bench.settle().is_empty());
    assert!(!bench.send(id, b"x"));
}

#[test]
fn one_write_to_a_peer_that_has_left_is_an_error_after_the_close() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connected();
    drop(peer);
    bench.expect(event::CLOSE, id);
    assert!(bench.send(id, b"x"));
    assert_eq!(bench.expect(event::ERROR, id).text(), "Broken pipe");
    assert!(bench.settle().is_empty());
    assert!(!bench.send(id, b"x"));
}

#[test]
fn a_peer_that_resets_after_its_end_is_an_error_without_any_write() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connected();
    peer.shutdown(Shutdown::Write).unwrap();
    bench.expect(event::CLOSE, id);
    reset(peer);
    assert_eq!(bench.expect(event::ERROR, id).text(), "Broken pipe");
    assert!(bench.settle().is_empty());
}

#[test]
fn a_half_closed_socket_that_is_being_closed_ends_in_silence() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connected();
    peer.shutdown(Shutdown::Write).unwrap();
    bench.expect(event::CLOSE, id);
    bench.send(id, &vec![b'x'; 32 << 20]); // more than the system takes
    bench.expect(event::WARNING, id);
    bench.close(id);
    reset(peer);
    while bench.row(id).is_some() {
        std::thread::yield_now();
    }
    assert!(bench.settle().is_empty());
}

#[test]
fn writes_to_a_peer_that_has_left_come_to_an_end() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connected();
    drop(peer);
    bench.expect(event::CLOSE, id);
    while bench.send(id, b"x") {
        std::thread::yield_now();
    }
    // Told or not: it depends on who hears of it first, the poller or a write.
    let rest = bench.settle();
    assert!(rest.len() <= 1 && rest.iter().all(|event| event.kind == event::ERROR));
}

#[test]
fn a_socket_can_be_handed_to_another_service() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let other = bench.another_service();
    bench.net.start(&bench.node, other, id);
    let seen = bench.expect(event::CONNECT, id);
    assert_eq!((seen.owner, seen.text()), (other, "transfer"));
    peer.write_all(b"x").unwrap();
    assert_eq!(bench.expect(event::DATA, id).owner, other);
    assert_eq!(bench.row(id).unwrap().owner, other);
}

#[test]
fn the_sockets_of_a_dead_service_are_closed_after_sending() {
    let mut bench = Bench::new();
    let (id, mut peer) = bench.connected();
    let (mine, _other_peer) = bench.connected();
    let other = bench.another_service();
    bench.net.start(&bench.node, other, id);
    bench.expect(event::CONNECT, id);
    let sent = pattern(5 * 1024 * 1024);
    bench.send(id, &sent);
    bench.node.kill(other);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert!(got == sent);
    assert!(bench.row(mine).is_some());
}

#[test]
fn commands_to_unknown_ids_are_harmless() {
    let mut bench = Bench::new();
    for id in [0, -1, i32::MIN, 12345, i32::MAX - 1] {
        bench.close(id);
        bench.shutdown(id);
        bench.pause(id);
        bench.net.nodelay(id);
        assert!(!bench.send(id, b"x"));
        bench.start(id);
        assert_eq!(bench.expect(event::ERROR, id).text(), "invalid socket");
    }
    assert!(bench.net.info().is_empty());
}

#[test]
fn a_write_to_a_listener_is_logged_and_dropped() {
    let mut bench = Bench::new();
    let (listener, _) = bench.listener();
    assert!(bench.send(listener, b"x"));
    bench.log_line(&format!(
        "socket-server error: write to listen fd {listener}."
    ));
}

#[test]
fn a_listener_tells_where_it_listens_and_a_taken_port_fails() {
    let mut bench = Bench::new();
    let id = bench.net.listen(&bench.node, bench.me, "", 0, 32).unwrap();
    let seen = bench.expect(event::CONNECT, id);
    assert_eq!(seen.text(), "0.0.0.0");
    assert!(bench.row(id).is_none());
    let port = seen.ud as u16;
    assert!(
        bench
            .net
            .listen(&bench.node, bench.me, "", port, 32)
            .is_err()
    );
    bench.start(id);
    bench.expect(event::CONNECT, id);
    let row = bench.row(id).unwrap();
    assert_eq!(
        (row.kind, row.sock),
        (SocketKind::Listen, Some(format!("0.0.0.0:{port}")))
    );
    bench.close(id);
    bench.expect(event::CLOSE, id);
}

#[test]
fn connections_that_came_before_start_are_accepted_after_it() {
    let mut bench = Bench::new();
    let id = bench
        .net
        .listen(&bench.node, bench.me, "127.0.0.1", 0, 32)
        .unwrap();
    let port = bench.expect(event::CONNECT, id).ud as u16;
    let early: Vec<_> = (0..5)
        .map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    assert!(bench.settle().is_empty());
    bench.start(id);
    bench.expect(event::CONNECT, id);
    for _ in &early {
        bench.expect(event::ACCEPT, id);
    }
    assert_eq!(bench.row(id).unwrap().accept, 5);
}

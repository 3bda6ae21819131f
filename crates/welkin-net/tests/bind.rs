//! Descriptors of the program's own.

mod bench;

use std::fs::File;
use std::io::{Read, Seek, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use bench::{Bench, pattern};
use welkin_net::{SocketKind, event};

const REFUSED: &str = "reach skynet socket number limit";

fn bind(bench: &mut Bench, fd: &impl AsRawFd) -> i32 {
    let id = bench.net.bind(&bench.node, bench.me, fd.as_raw_fd());
    assert_eq!(bench.expect(event::CONNECT, id).text(), "binding");
    id
}

/// A file without a name, with this in it.
fn file(content: &[u8]) -> File {
    let name = std::env::temp_dir().join(format!(
        "welkin-net-bind-{}-{}",
        std::process::id(),
        content.len()
    ));
    let mut file = File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&name)
        .unwrap();
    std::fs::remove_file(name).unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let mut bench = Bench::new();
    let (reader, mut writer) = pipe().unwrap();
    let id = bind(&mut bench, &reader);
    assert_eq!(bench.row(id).unwrap().kind, SocketKind::Bind);
    writer.write_all(b"hello").unwrap();
    assert_eq!(bench.data(id, 5), b"hello");
    drop(writer);
    bench.expect(event::CLOSE, id);
    bench.close(id);
    assert!(bench.settle().is_empty());
}

#[test]
fn a_bound_socket_is_read_and_written_and_stays_open_after_close() {
    let mut bench = Bench::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let id = bind(&mut bench, &ours);
    theirs.write_all(b"ping").unwrap();
    assert_eq!(bench.data(id, 4), b"ping");
    assert!(bench.send(id, &pattern(100_000)));
    let mut got = vec![0; 100_000];
    theirs.read_exact(&mut got).unwrap();
    assert_eq!(got, pattern(100_000));
    bench.close(id);
    bench.expect(event::CLOSE, id);
    bench.settle();
    theirs.write_all(b"more").unwrap();
    let mut got = [0; 4];
    (&ours).read_exact(&mut got).unwrap(); // blocking again
    assert_eq!(&got, b"more");
    bind(&mut bench, &ours);
}

#[test]
fn a_file_and_a_device_are_read_to_their_end() {
    let mut bench = Bench::new();
    let content = pattern(300_000);
    let id = bind(&mut bench, &file(&content));
    // The file is closed by now, or read: both are fair, so keep one open.
    bench.shutdown(id);
    let kept = file(&content[1..]);
    let id = bind(&mut bench, &kept);
    assert!(bench.data(id, content.len() - 1) == content[1..]);
    bench.expect(event::CLOSE, id);
    let null = File::open("/dev/null").unwrap();
    let id = bind(&mut bench, &null);
    bench.expect(event::CLOSE, id);
    bench.close(id);
    assert!(!bench.send(id, b"x"));
}

#[test]
fn a_file_is_written_before_close_lets_it_go() {
    let mut bench = Bench::new();
    let mut kept = file(b"");
    let writes = kept.try_clone().unwrap();
    let id = bind(&mut bench, &writes);
    let content = pattern(200_000);
    for part in content.chunks(1000) {
        assert!(bench.send(id, part));
    }
    bench.close(id);
    bench.expect(event::CLOSE, id);
    while !bench.net.info().is_empty() {
        std::thread::yield_now();
    }
    kept.rewind().unwrap();
    let mut got = Vec::new();
    kept.read_to_end(&mut got).unwrap();
    // The reader shares the position and finds only ends, so the writes follow each other.
    assert!(got == content);
}

#[test]
fn a_closed_descriptor_is_refused() {
    let mut bench = Bench::new();
    for fd in [-1, 1_000_000] {
        let id = bench.net.bind(&bench.node, bench.me, fd);
        assert_eq!(bench.expect(event::ERROR, id).text(), REFUSED);
        assert!(!bench.send(id, b"x"));
    }
}

#[test]
fn a_descriptor_is_bound_once() {
    let mut bench = Bench::new();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    bind(&mut bench, &ours);
    let id = bench.net.bind(&bench.node, bench.me, ours.as_raw_fd());
    assert_eq!(bench.expect(event::ERROR, id).text(), REFUSED);
}

#[test]
fn a_paused_file_goes_on_where_it_stopped() {
    let mut bench = Bench::new();
    let content = pattern(2_000_000);
    let kept = file(&content);
    let id = bind(&mut bench, &kept);
    let mut got = Vec::new();
    loop {
        bench.pause(id);
        bench.start(id);
        let seen = bench.next(id);
        match seen.kind {
            event::DATA => got.extend(seen.data),
            event::CONNECT => {}
            event::CLOSE => break,
            _ => assert_eq!(seen.text(), "socket closed"),
        }
    }
    assert!(got == content);
}

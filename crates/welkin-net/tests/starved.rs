//! A process without descriptors. Alone in its file: the limit is the whole process's.

mod bench;

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bench::{Bench, patient};
use socket2::{Domain, Socket, Type};
use welkin_net::event;

fn take_all_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn limit_descriptors(count: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: count,
        rlim_max: count,
    };
    // SAFETY: setrlimit reads the struct.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(result, 0);
}

fn client(socket: Socket, port: u16) -> TcpStream {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    socket
        .connect_timeout(&address.into(), Duration::from_secs(60))
        .unwrap();
    patient(socket.into())
}

#[test]
fn without_descriptors_connections_are_turned_away_and_later_ones_accepted() {
    limit_descriptors(200);
    let mut bench = Bench::new();
    let (listener, port) = bench.listener();
    let early: Vec<Socket> = (0..3)
        .map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap())
        .collect();
    let mut taken = take_all_descriptors();
    for socket in early {
        let mut peer = client(socket, port);
        assert_eq!(
            bench.expect(event::ERROR, listener).text(),
            "Too many open files"
        );
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
        // Its own descriptor comes free here; take it too.
        drop(peer);
        taken.extend(take_all_descriptors());
    }
    drop(taken);
    let (id, mut peer) = bench.accepted(listener, port);
    assert!(bench.send(id, b"x"));
    peer.read_exact(&mut [0; 1]).unwrap();

    // A node that never got its reserve rests and tries again.
    let spare = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let mut taken = take_all_descriptors();
    taken.truncate(taken.len() - 3); // a poller, its copy, a waker
    let mut poor = Bench::new();
    taken.truncate(taken.len() - 1);
    let (listener, port) = poor.listener();
    let _peer = client(spare, port);
    assert!(poor.settle().is_empty());
    drop(taken);
    // It may find a reserve while there is nothing else, and turn this one away.
    if poor.next(listener).kind != event::ACCEPT {
        poor.accepted(listener, port);
    }
}

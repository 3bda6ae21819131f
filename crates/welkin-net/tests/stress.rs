//! Many connections that end in every way there is. Alone in its file: it counts the process's
//! descriptors.

mod bench;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use bench::{Bench, patient, reset};
use welkin_net::{Priority, event};
use welkin_runtime::Payload;

const CLIENTS: u64 = 4;
const CONNECTIONS_EACH: u64 = 250;

/// xorshift: the same numbers from the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// One client: connects, says something, listens or not, and ends politely or not. A server that ends
/// first may make any of this fail.
fn client(seed: u64, port: u16) {
    let mut numbers = Numbers(seed);
    for _ in 0..CONNECTIONS_EACH {
        let mut stream = patient(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let said = vec![1; 1 + numbers.below(100_000) as usize];
        let _ = stream.write_all(&said);
        match numbers.below(5) {
            0 => drop(stream),
            1 => reset(stream),
            2 => {
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            }
            3 => {
                let _ = stream.read(&mut [0; 1000]);
                reset(stream);
            }
            _ => {
                let _ = stream.read(&mut [0; 10]);
            }
        }
    }
}

/// What the owner has heard of a socket.
#[derive(Default)]
struct Life {
    failed: bool,
    closed: bool,
}

#[test]
fn every_socket_closes_once_and_every_descriptor_comes_back() {
    let mut bench = Bench::new();
    let (listener, port) = bench.listener();
    let before = descriptors();
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|seed| std::thread::spawn(move || client(seed * 7919, port)))
        .collect();
    let mut numbers = Numbers(42);
    let mut lives: HashMap<i32, Life> = HashMap::new();
    let mut closed = 0;
    while closed < CLIENTS * CONNECTIONS_EACH {
        let seen = bench.next_of_any();
        let id = seen.id;
        if id == listener {
            assert_eq!(seen.kind, event::ACCEPT);
            lives.insert(seen.ud, Life::default());
            bench.start(seen.ud);
            continue;
        }
        let life = lives.get_mut(&id).expect("no event of an unknown socket");
        match seen.kind {
            event::DATA => {
                assert!(!life.closed, "DATA behind CLOSE");
                act(&bench, &mut numbers, id, seen.data.len());
            }
            event::CLOSE => {
                assert!(!life.closed, "two CLOSEs");
                life.closed = true;
                closed += 1;
                bench.close(id);
            }
            // These two answer a `start` that came too late; others come once.
            event::ERROR if ["socket closed", "invalid socket"].contains(&seen.text()) => {}
            event::ERROR => {
                assert!(!life.failed, "a second error: {}", seen.text());
                life.failed = true;
            }
            _ => {}
        }
    }
    for client in clients {
        client.join().unwrap();
    }
    while bench.net.info().len() > 1 {
        std::thread::yield_now(); // what is being flushed to nobody ends by itself
    }
    assert_eq!(descriptors(), before);
}

fn act(bench: &Bench, numbers: &mut Numbers, id: i32, count: usize) {
    match numbers.below(8) {
        0 => bench.close(id),
        1 => bench.shutdown(id),
        choice => {
            if choice == 2 {
                bench.pause(id);
                bench.start(id);
            }
            // Always an answer: some clients wait for one.
            let answer = Payload::copy_from(&vec![2; count]);
            let low = numbers.below(2) == 0;
            let priority = if low { Priority::Low } else { Priority::High };
            bench.net.send(&bench.node, id, answer, priority);
        }
    }
}

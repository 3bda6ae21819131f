//! Large payloads are made of blocks that were kept, and what is kept goes back to the system.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::thread;

use support::{launch, start, stop};
use welkin_runtime::{Flow, Node, Payload, PayloadBuf};

const MIB: usize = 1 << 20;

/// Resident memory, in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages = statm.split(' ').nth(1).unwrap();
    pages.parse::<usize>().unwrap() * 4096
}

#[test]
fn a_large_block_is_used_again_and_goes_back_to_the_system_when_it_is_not() {
    let bytes = vec![7; MIB];
    let node = Node::builder().workers(1).build();
    launch(&node, |_, _| Flow::Done);
    let first = Payload::copy_from(&bytes);
    let at = first.as_ptr();
    drop(first);
    let second = Payload::copy_from(&bytes);
    assert_eq!(second.as_ptr(), at);
    drop(second);

    let before = resident();
    let many: Vec<_> = (0..40).map(|_| Payload::copy_from(&bytes)).collect();
    assert!(resident() > before + 32 * MIB);
    drop(many);
    // What is more than the store takes is free at once.
    assert!(resident() < before + 20 * MIB);
    let running = start(&node);
    // The monitor sweeps, also of a node where nothing happens.
    while resident() > before + 4 * MIB {
        thread::yield_now();
    }
    stop(&node, running);
}

#[test]
fn a_buffer_that_grows_into_a_kept_block_keeps_its_bytes() {
    for _ in 0..3 {
        let mut buffer = PayloadBuf::new();
        for n in 0..200_000_u32 {
            buffer.extend(&n.to_le_bytes());
        }
        buffer.extend_ahead(b"end", MIB);
        let room = buffer.spare(MIB).len();
        assert!(room >= MIB);
        let payload = buffer.finish();
        let numbers = payload.as_bytes().chunks_exact(4).zip(0_u32..);
        assert!(
            numbers
                .take(200_000)
                .all(|(bytes, n)| bytes == n.to_le_bytes())
        );
        assert!(payload.as_bytes().ends_with(b"end"));
    }
}

//! The queue without Lua: what one event's bytes give.

use super::*;

fn fed(queue: &mut Queue, bytes: &[u8]) -> Result<Vec<u8>, bool> {
    let package = queue.take(7, Payload::copy_from(bytes));
    package.map(|package| package.as_bytes().to_vec())
}

fn popped(queue: &mut Queue) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| queue.pop())
        .inspect(|(fd, _)| assert_eq!(*fd, 7))
        .map(|(_, package)| package.as_bytes().to_vec())
        .collect()
}

#[test]
fn one_package_is_handed_on_without_the_queue() {
    let mut queue = Queue::default();
    assert_eq!(fed(&mut queue, b"\0\x05hello"), Ok(b"hello".to_vec()));
    assert_eq!(fed(&mut queue, b"\0\0"), Ok(Vec::new()));
    assert_eq!(fed(&mut queue, b"\0"), Err(false));
    assert_eq!(fed(&mut queue, b"\x02a"), Err(false));
    assert_eq!(fed(&mut queue, b"b"), Ok(b"ab".to_vec()));
    assert!(queue.parts.is_empty() && queue.ready.is_empty());
}

#[test]
fn a_package_in_its_own_block_ends_with_a_nul() {
    let package = without_header(Payload::copy_from(b"\0\x03abc"));
    // SAFETY: the block had six bytes, of which this is the fourth.
    assert_eq!(unsafe { package.as_ptr().add(3).read() }, 0);
    assert_eq!(package.as_bytes(), b"abc");
}

#[test]
fn several_wait_in_order_and_a_part_stays() {
    let mut queue = Queue::default();
    assert_eq!(fed(&mut queue, b"\0\x01a\0\0\0\x02bc"), Err(true));
    assert_eq!(popped(&mut queue), [&b"a"[..], b"", b"bc"]);
    assert_eq!(fed(&mut queue, b"\0\x01a\0"), Err(true));
    assert_eq!(popped(&mut queue), [b"a"]);
    assert_eq!(fed(&mut queue, b"\x01b\0\x01c"), Err(true));
    assert_eq!(popped(&mut queue), [b"b", b"c"]);
}

#[test]
fn connections_do_not_mix_and_a_closed_one_is_forgotten() {
    let mut queue = Queue::default();
    assert_eq!(fed(&mut queue, b"\0\x02a"), Err(false));
    let other = queue.take(8, Payload::copy_from(b"\0\x01x")).unwrap();
    assert_eq!(other.as_bytes(), b"x");
    queue.forget(7);
    assert_eq!(fed(&mut queue, b"\0\x01b"), Ok(b"b".to_vec()));
}

#[test]
fn a_package_of_all_lengths_arrives_in_two_events() {
    for length in [1, 63, 64, 255, 256, 65535] {
        let mut bytes = (length as u16).to_be_bytes().to_vec();
        bytes.resize(2 + length, 9);
        for cut in [1, 2, 1 + length] {
            let mut queue = Queue::default();
            assert_eq!(fed(&mut queue, &bytes[..cut]), Err(false), "{length} {cut}");
            assert_eq!(fed(&mut queue, &bytes[cut..]), Ok(vec![9; length]));
        }
    }
}

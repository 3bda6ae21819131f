//! Messages between services: order, errors of dead ones, limits, timers, names.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use support::{launch, logger, next, recorder, send, signal, start, stop};
use welkin_runtime::{Address, Context, Flow, Message, Node, Payload, Remote, kind};

fn number(message: &Message) -> u32 {
    u32::from_le_bytes(message.payload.as_bytes().try_into().expect("four bytes"))
}

fn reply(cx: &Context<'_>, to: Address, session: i32, value: u32) {
    let message = Message {
        source: cx.slot.address(),
        session,
        kind: kind::RESPONSE,
        payload: Payload::copy_from(&value.to_le_bytes()),
    };
    let _ = cx.node.post(to, message);
}

/// `pairs` pairs that count each other up to `rounds`.
fn ping_pong(workers: usize, pairs: usize, rounds: u32) {
    let node = Node::builder().workers(workers).build();
    let (done, finished) = signal();
    for _ in 0..pairs {
        let echo = launch(&node, |cx, message| {
            reply(cx, message.source, message.session, number(&message));
            Flow::Done
        });
        let done = done.clone();
        let caller = launch(&node, move |cx, message| {
            let n = number(&message) + 1;
            if n == rounds {
                done.send(()).unwrap();
            } else {
                let session = cx.slot.next_session();
                send(cx.node, cx.slot.address(), echo, session, &n.to_le_bytes());
            }
            Flow::Done
        });
        send(&node, Address::NONE, caller, 0, &0u32.to_le_bytes());
    }
    let running = start(&node);
    (0..pairs).for_each(|_| next(&finished));
    stop(&node, running);
}

#[test]
fn a_pair_plays_ping_pong_on_one_worker() {
    ping_pong(1, 1, 20_000);
}

#[test]
fn pairs_play_ping_pong_on_two_and_on_four_workers() {
    ping_pong(2, 5, 20_000);
    ping_pong(4, 3, 20_000);
}

#[test]
fn messages_of_one_sender_arrive_in_order() {
    const SENDERS: usize = 4;
    const EACH: u32 = 20_000;
    let node = Node::builder().workers(4).build();
    let (done, finished) = signal();
    let mut last = std::collections::HashMap::new();
    let mut count = 0;
    let receiver = launch(&node, move |_, message| {
        let before = last.insert(message.source, number(&message));
        assert_eq!(before.map_or(0, |n| n + 1), number(&message));
        count += 1;
        if count == SENDERS * EACH as usize {
            done.send(()).unwrap();
        }
        Flow::Done
    });
    for _ in 0..SENDERS {
        let mut n = 0u32;
        let sender = launch(&node, move |cx, _| {
            for _ in 0..100 {
                send(cx.node, cx.slot.address(), receiver, 0, &n.to_le_bytes());
                n += 1;
            }
            if n < EACH {
                send(cx.node, Address::NONE, cx.slot.address(), 0, b"");
            }
            Flow::Done
        });
        send(&node, Address::NONE, sender, 0, b"");
    }
    let running = start(&node);
    next(&finished);
    stop(&node, running);
}

#[test]
fn a_ring_passes_its_tokens_on() {
    const MEMBERS: usize = 200;
    let node = Node::builder().workers(2).build();
    let (done, finished) = signal();
    let first = Arc::new(AtomicU32::new(0));
    let mut to = Address::NONE;
    for _ in 0..MEMBERS {
        let (next_member, first, done) = (to, Arc::clone(&first), done.clone());
        to = launch(&node, move |cx, message| {
            let left = number(&message);
            let next_member = match next_member {
                Address::NONE => Address(first.load(Ordering::Relaxed)),
                other => other,
            };
            match left {
                0 => done.send(()).unwrap(),
                left => {
                    send(
                        cx.node,
                        Address::NONE,
                        next_member,
                        0,
                        &(left - 1).to_le_bytes(),
                    );
                }
            }
            Flow::Done
        });
    }
    first.store(to.0, Ordering::Relaxed);
    for _ in 0..10 {
        send(&node, Address::NONE, to, 0, &20_000u32.to_le_bytes());
    }
    let running = start(&node);
    (0..10).for_each(|_| next(&finished));
    stop(&node, running);
}

#[test]
fn each_message_of_a_dead_mailbox_is_answered_with_an_error() {
    let node = Node::builder().workers(2).build();
    let (caller, answers) = recorder(&node);
    let victim = launch(&node, |cx, _| {
        assert!(cx.node.kill(cx.slot.address()));
        Flow::Done
    });
    for session in 0..200 {
        assert!(send(&node, caller, victim, session, b""));
    }
    let running = start(&node);
    for session in 1..200 {
        assert_eq!(next(&answers), (victim, session, kind::ERROR, Vec::new()));
    }
    assert!(!send(&node, caller, victim, 200, b"late"));
    stop(&node, running);
}

#[test]
fn a_full_mailbox_refuses_requests_but_not_responses() {
    let node = Node::builder().workers(1).mailbox_max(4).build();
    let lines = logger(&node);
    let (caller, answers) = recorder(&node);
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let busy = launch(&node, move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        Flow::Done
    });
    for session in 1..7 {
        assert!(send(&node, caller, busy, session, b""));
    }
    send(&node, caller, busy, 0, b"");
    assert!(
        node.post(busy, Message::bare(caller, 9, kind::RESPONSE))
            .is_ok()
    );
    let running = start(&node);
    assert_eq!(next(&answers), (busy, 5, kind::ERROR, Vec::new()));
    assert_eq!(next(&answers), (busy, 6, kind::ERROR, Vec::new()));
    while !next(&lines).contains("is full (welkin_mailbox_max = 4), messages refused: 1") {}
    stop(&node, running);
    assert_eq!(handled.load(Ordering::Relaxed), 5);
}

#[test]
fn timers_fire_by_deadline_then_in_the_order_of_setting() {
    let node = Node::builder().workers(2).build();
    let (timed, answers) = recorder(&node);
    let slot = node.slot(timed).unwrap();
    let ticks = [3, 1, 2, 1, 0, 3, -1, 1];
    let sessions: Vec<i32> = ticks
        .iter()
        .map(|&ticks| node.timeout(&slot, ticks))
        .collect();
    assert_eq!(sessions, [1, 2, 3, 4, 5, 6, 7, 8]);
    let running = start(&node);
    let fired: Vec<i32> = ticks.iter().map(|_| next(&answers).1).collect();
    assert_eq!(fired, [5, 7, 2, 4, 8, 3, 1, 6]);
    stop(&node, running);
}

#[test]
fn a_timer_never_fires_early_and_wakes_a_sleeping_node() {
    let node = Node::builder().workers(2).build();
    let (timed, answers) = recorder(&node);
    let running = start(&node);
    let slot = node.slot(timed).unwrap();
    for ticks in [4, 1, 7, 2] {
        let before = Node::hpc();
        let session = node.timeout(&slot, ticks);
        assert_eq!(
            next(&answers),
            (Address::NONE, session, kind::RESPONSE, Vec::new())
        );
        assert!(Node::hpc() - before > i64::from(ticks - 1) * 10_000_000);
    }
    stop(&node, running);
}

#[test]
fn overload_is_logged_once_with_the_length() {
    let node = Node::builder().workers(1).build();
    let lines = logger(&node);
    let victim = launch(&node, |_, _| Flow::Done);
    for _ in 0..5000 {
        send(&node, Address::NONE, victim, 0, b"");
    }
    let running = start(&node);
    let overload = format!("[{victim}] error: May overload, message queue length = 4999");
    while next(&lines) != overload {}
    stop(&node, running);
    assert!(!lines.try_iter().any(|line| line.contains("overload")));
}

#[test]
fn other_nodes_are_reached_through_the_remote_hook() {
    struct Hook(std::sync::mpsc::Sender<(Vec<u8>, i32)>);
    impl Remote for Hook {
        fn post(&self, _: &Node, to: Address, message: Message) {
            self.0
                .send((to.to_string().into_bytes(), message.session))
                .unwrap();
        }
        fn post_name(&self, _: &Node, name: &[u8], message: Message) {
            self.0.send((name.to_vec(), message.session)).unwrap();
        }
    }
    let node = Node::builder().harbor(1).build();
    let (sent, received) = signal();
    let there = Address(0x0200_0001);
    assert!(!send(&node, Address::NONE, there, 1, b"no hook yet"));
    node.set_remote(Arc::new(Hook(sent)));
    assert!(send(&node, Address::NONE, there, 2, b""));
    assert!(!send(
        &node,
        Address::NONE,
        Address(2),
        3,
        b"local and unknown"
    ));
    let name = b"A_NAME_OF_MORE_THAN_16_BYTES";
    assert!(
        node.post_name(name, Message::bare(Address::NONE, 4, kind::LUA))
            .is_ok()
    );
    assert!(
        node.post(there, Message::bare(Address::NONE, 5, kind::SYSTEM))
            .is_err()
    );
    assert_eq!(next(&received), (b":02000001".to_vec(), 2));
    assert_eq!(next(&received), (name[..16].to_vec(), 4));
}

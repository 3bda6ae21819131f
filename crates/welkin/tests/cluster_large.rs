//! Large messages between nodes: what comes is what was sent, and their memory goes back to the system.

mod attack;
mod cluster;
mod support;

use cluster::{Caller, Peer};

#[test]
fn large_calls_and_their_answers_are_whole_and_leave_no_memory() {
    let far = Peer::far(0, "");
    let mut caller = Caller::start(&far.address(), &far.address(), "");
    assert_eq!(caller.ask("larges 1"), "ok=10 nothing=0 failed=0 wrong=0");
    let before = [&far, &caller.peer].map(|peer| (peer.descriptors(), peer.memory("VmRSS")));
    assert_eq!(caller.ask("larges 10"), "ok=100 nothing=0 failed=0 wrong=0");
    caller.check_near();
    assert_eq!(caller.ask("collect"), "collected ok");
    for (peer, (descriptors, memory)) in [&far, &caller.peer].into_iter().zip(before) {
        peer.await_idle(descriptors, memory);
    }
}

//! Workers: blocking calls, preemption, slow services, a driver's events, and many wake-ups.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use parking_lot::Mutex;
use support::{closure, launch, launch_service, next, recorder, send, signal, start, stop};
use welkin_runtime::{Address, Driver, Flow, Message, Node, blocking, kind, preempt};

#[test]
fn a_blocking_call_leaves_its_worker_to_others() {
    let node = Node::builder().workers(1).build();
    let (release, released) = channel::<()>();
    let (done, finished) = signal();
    let released = Mutex::new(released);
    let blocked = launch(&node, move |_, message| {
        let released = &released;
        blocking(|| released.lock().recv().unwrap());
        done.send(message.session).unwrap();
        Flow::Done
    });
    let releaser = launch(&node, move |_, _| {
        release.send(()).unwrap();
        Flow::Done
    });
    for session in 1..50 {
        send(&node, Address::NONE, blocked, session, b"");
        send(&node, Address::NONE, releaser, 0, b"");
    }
    let running = start(&node);
    let order: Vec<i32> = (1..50).map(|_| next(&finished)).collect();
    assert_eq!(order, (1..50).collect::<Vec<_>>());
    stop(&node, running);
}

#[test]
fn many_blocking_calls_wait_together() {
    const CALLERS: usize = 40;
    let node = Node::builder().workers(2).build();
    let barrier = Arc::new(Barrier::new(CALLERS));
    let (done, finished) = signal();
    for _ in 0..CALLERS {
        let (barrier, done) = (Arc::clone(&barrier), done.clone());
        let caller = launch(&node, move |_, _| {
            let answer = blocking(|| barrier.wait().is_leader());
            done.send(answer).unwrap();
            Flow::Done
        });
        send(&node, Address::NONE, caller, 0, b"");
    }
    let running = start(&node);
    let leaders = (0..CALLERS).filter(|_| next(&finished)).count();
    assert_eq!(leaders, 1);
    stop(&node, running);
}

#[test]
fn a_panic_in_a_blocking_call_ends_only_its_service() {
    let node = Node::builder().workers(1).build();
    let (caller, answers) = recorder(&node);
    let bad = launch(&node, |_, _| {
        blocking(|| panic!("in a blocking call"));
        Flow::Done
    });
    send(&node, caller, bad, 1, b"");
    send(&node, caller, bad, 2, b"");
    let running = start(&node);
    assert_eq!(next(&answers), (bad, 2, kind::ERROR, Vec::new()));
    stop(&node, running);
}

#[test]
fn a_receiver_is_not_held_back_by_a_sender_that_computes() {
    let node = Node::builder().workers(2).build();
    let reached = Arc::new(AtomicBool::new(false));
    let (done, finished) = signal();
    let reach = Arc::clone(&reached);
    let receiver = launch(&node, move |_, _| {
        reach.store(true, Ordering::Relaxed);
        Flow::Done
    });
    let sender = launch(&node, move |cx, _| {
        send(cx.node, Address::NONE, receiver, 0, b"");
        while !reached.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        done.send(()).unwrap();
        Flow::Done
    });
    send(&node, Address::NONE, sender, 0, b"");
    let running = start(&node);
    next(&finished);
    stop(&node, running);
}

/// A service that computes until told to stop, and gives up as Lua would: when signalled.
fn busy(stopped: Arc<AtomicBool>) -> support::Closure {
    fn compute(stopped: &AtomicBool) -> Flow {
        preempt::enter_lua();
        while !stopped.load(Ordering::Relaxed) {
            if SIGNALLED.swap(false, Ordering::Relaxed) {
                preempt::leave_lua();
                return Flow::Preempted;
            }
        }
        preempt::leave_lua();
        Flow::Done
    }
    static SIGNALLED: AtomicBool = AtomicBool::new(false);
    preempt::set_handler(|| SIGNALLED.store(true, Ordering::Relaxed));
    let again = Arc::clone(&stopped);
    let mut service = closure(move |_, _| compute(&stopped));
    service.resume = Box::new(move |_| compute(&again));
    service
}

#[test]
fn a_busy_service_gives_way_to_others_and_to_timers() {
    let node = Node::builder().workers(1).build();
    let stopped = Arc::new(AtomicBool::new(false));
    let hog = launch_service(&node, busy(Arc::clone(&stopped)), None);
    let (other, answers) = recorder(&node);
    send(&node, Address::NONE, hog, 0, b"");
    let running = start(&node);
    let slot = node.slot(other).unwrap();
    for _ in 0..20 {
        send(&node, Address::NONE, other, 1, b"");
        assert_eq!(next(&answers).2, kind::LUA);
        node.timeout(&slot, 1);
        assert_eq!(next(&answers).2, kind::RESPONSE);
    }
    stopped.store(true, Ordering::Relaxed);
    stop(&node, running);
}

#[test]
fn a_busy_service_that_is_killed_answers_its_mailbox_before_its_message_ends() {
    let node = Node::builder().workers(1).build();
    let stopped = Arc::new(AtomicBool::new(false));
    let mut service = busy(stopped);
    let (begun, begins) = signal();
    let mut handle = service.handle;
    service.handle = Box::new(move |cx, message| {
        begun.send(()).unwrap();
        handle(cx, message)
    });
    let hog = launch_service(&node, service, None);
    let (caller, answers) = recorder(&node);
    send(&node, caller, hog, 1, b"");
    send(&node, caller, hog, 2, b"");
    let running = start(&node);
    next(&begins);
    node.kill(hog);
    assert_eq!(next(&answers), (hog, 2, kind::ERROR, Vec::new()));
    // It never stops by itself and has no control: it is dropped when its time is over.
    stop(&node, running);
}

/// A driver whose events are addresses pushed by the test.
struct Events {
    events: Mutex<Receiver<Address>>,
    sender: Sender<Address>,
    ended: AtomicUsize,
}

impl Driver for Events {
    fn poll(&self, node: &Node, timeout: Option<Duration>) {
        let events = self.events.lock();
        let first = match timeout {
            Some(timeout) => events.recv_timeout(timeout).ok(),
            None => events.recv().ok(),
        };
        for address in first.into_iter().chain(events.try_iter()) {
            if !address.is_none() {
                let _ = node.post(address, Message::bare(Address::NONE, 0, kind::SOCKET));
            }
        }
    }

    fn wake(&self) {
        self.sender.send(Address::NONE).unwrap();
    }

    fn service_ended(&self, _: &Node, _: Address) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn events_of_a_driver_reach_services_of_idle_and_of_busy_nodes() {
    let (sender, events) = channel();
    let driver = Arc::new(Events {
        events: Mutex::new(events),
        sender: sender.clone(),
        ended: AtomicUsize::new(0),
    });
    let node = Node::builder().workers(2).driver(driver.clone()).build();
    let (receiver, answers) = recorder(&node);
    let running = start(&node);
    for _ in 0..100 {
        sender.send(receiver).unwrap();
        assert_eq!(next(&answers).2, kind::SOCKET);
    }
    // Two services that send to themselves for ever keep both workers busy.
    for _ in 0..2 {
        let rolling = launch(&node, |cx, _| {
            send(cx.node, Address::NONE, cx.slot.address(), 0, b"");
            Flow::Done
        });
        send(&node, Address::NONE, rolling, 0, b"");
    }
    for _ in 0..100 {
        sender.send(receiver).unwrap();
        assert_eq!(next(&answers).2, kind::SOCKET);
    }
    stop(&node, running);
    assert_eq!(driver.ended.load(Ordering::Relaxed), 3);
}

#[test]
fn no_wake_up_is_lost_between_outside_threads_and_sleeping_workers() {
    let node = Node::builder().workers(2).build();
    launch(&node, |_, _| Flow::Done);
    let running = start(&node);
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (receiver, answers) = recorder(&node);
            let node = Arc::clone(&node);
            std::thread::spawn(move || {
                for session in 0..5_000 {
                    send(&node, Address::NONE, receiver, session, b"");
                    assert_eq!(next(&answers).1, session);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    stop(&node, running);
}

#[test]
fn accounting_sees_the_time_of_messages() {
    let node = Node::builder().workers(1).build();
    let (done, finished) = signal();
    let worker = launch(&node, move |cx, _| {
        while cx.slot.message_cpu_ns() < 3_000_000 {
            std::hint::spin_loop();
        }
        done.send((cx.slot.messages(), cx.slot.mailbox_len(), cx.slot.cpu_ns()))
            .unwrap();
        Flow::Done
    });
    for _ in 0..3 {
        send(&node, Address::NONE, worker, 0, b"");
    }
    let running = start(&node);
    let figures: Vec<_> = (0..3).map(|_| next(&finished)).collect();
    for (n, &(messages, waiting, cpu)) in (0u64..).zip(&figures) {
        assert_eq!((messages, waiting as u64), (n + 1, 2 - n));
        assert!(cpu >= 3_000_000 * n);
    }
    stop(&node, running);
}

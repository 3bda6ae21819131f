//! Who sleeps, who searches, who waits for sockets: how work finds an idle worker.
//!
//! A worker without work *searches* the others' queues. When it finds nothing it goes to sleep: the
//! first becomes the *leader* and waits in the driver's poll, with the next timer as its timeout; the
//! others park on a condition variable. Nothing here ticks, so a node without work costs nothing.
//!
//! A push wakes one sleeper, and none while somebody searches: the searcher will find it. Why no
//! wake-up is lost: the pusher writes a queue's length, passes a SeqCst fence, and reads `searching`
//! and `asleep`; a worker that goes to sleep writes these two, passes a SeqCst fence, and reads the
//! lengths. One of the two fences comes first in their total order; so either the pusher sees the
//! sleeper and wakes it, or the sleeper sees the work and stays awake. A searcher that finds work and
//! was the last to search looks again and wakes another (`stop_searching`), because pushes that
//! relied on it may have come.
//!
//! The lock of `State` is held over a condition wait and over reads of lengths, never over a poll or
//! a service.

use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, fence};

/// A deadline that never comes, in nanoseconds.
pub(crate) const NEVER: i64 = i64::MAX;

pub(crate) struct Idle {
    /// Workers that are awake and look for work. Raised by who wakes a worker, or by itself.
    searching: AtomicUsize,
    /// Workers that sleep (parked or in poll) and have not been woken yet.
    asleep: AtomicUsize,
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    /// Workers on the condition variable that nobody has woken yet.
    parked: usize,
    /// Wake-ups given and not yet taken.
    wakes: usize,
    leader: Leader,
    /// Until when the leader sleeps at most, in monotonic nanoseconds.
    leader_until: i64,
    stopped: bool,
}

#[derive(Default, Copy, Clone, Eq, PartialEq)]
enum Leader {
    #[default]
    Nobody,
    Asleep,
    /// Awake and not back yet: woken by somebody, or a busy worker that only looks.
    Awake,
}

/// How a sleep went.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Sleep {
    /// It did not: there is work, or the end. Still searching.
    Work,
    /// The caller leads: it polls until `until` and calls [`Idle::led`].
    Lead { until: i64 },
    /// Parked and woken; searching.
    Woken,
}

/// What a caller of [`Idle::notify`] has to do.
#[must_use]
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Notify {
    Done,
    /// Wake the leader out of its poll.
    WakeLeader,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Idle {
            searching: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            state: Mutex::new(State::default()),
            woken: Condvar::default(),
        }
    }

    /// There is work that another worker could do. Call after the push.
    pub(crate) fn notify(&self) -> Notify {
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) != 0 || self.asleep.load(Ordering::Relaxed) == 0 {
            return Notify::Done;
        }
        let mut state = self.state.lock();
        if self.searching.load(Ordering::Relaxed) != 0 {
            return Notify::Done;
        }
        self.wake_one(&mut state)
    }

    /// Wakes a sleeper even if somebody searches: there is a thing only a loop's head does (a timer
    /// is due, a thread wants its role back, sockets have no leader).
    pub(crate) fn notify_any(&self) -> Notify {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) == 0 {
            return Notify::Done;
        }
        self.wake_one(&mut self.state.lock())
    }

    fn wake_one(&self, state: &mut State) -> Notify {
        if state.parked > 0 {
            state.parked -= 1;
            state.wakes += 1;
            self.wake_counted();
            self.woken.notify_one();
            return Notify::Done;
        }
        if state.leader == Leader::Asleep {
            state.leader = Leader::Awake;
            self.wake_counted();
            return Notify::WakeLeader;
        }
        Notify::Done
    }

    fn wake_counted(&self) {
        self.searching.fetch_add(1, Ordering::Relaxed);
        self.asleep.fetch_sub(1, Ordering::Relaxed);
    }

    /// The calling worker has nothing to do and begins to look around.
    pub(crate) fn start_searching(&self) {
        self.searching.fetch_add(1, Ordering::Relaxed);
    }

    /// The calling worker found something. True: it was the last to search, so it must look whether
    /// there is more and notify.
    pub(crate) fn stop_searching(&self) -> bool {
        let last = self.searching.fetch_sub(1, Ordering::Relaxed) == 1;
        fence(Ordering::SeqCst);
        last
    }

    /// The calling worker, which searches, found nothing. `has_work` looks at all queues once more;
    /// `deadline` gives the next timer, in monotonic nanoseconds. The second value: the leader sleeps
    /// too long for that timer and must be woken; it is sent before parking by `wake_leader`.
    pub(crate) fn sleep(
        &self,
        has_work: impl Fn() -> bool,
        deadline: impl Fn() -> i64,
        wake_leader: impl FnOnce(),
    ) -> Sleep {
        let mut state = self.state.lock();
        self.asleep.fetch_add(1, Ordering::Relaxed);
        self.searching.fetch_sub(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if state.stopped || has_work() {
            self.wake_counted();
            return Sleep::Work;
        }
        if state.leader == Leader::Nobody {
            state.leader = Leader::Asleep;
            state.leader_until = deadline();
            return Sleep::Lead {
                until: state.leader_until,
            };
        }
        // Under the lock: the leader fixed its timeout under it too, before or after our timer.
        if state.leader == Leader::Asleep && deadline() < state.leader_until {
            state.leader = Leader::Awake;
            self.wake_counted();
            wake_leader();
        }
        state.parked += 1;
        while state.wakes == 0 && !state.stopped {
            state = self.woken.wait(state);
        }
        if state.wakes > 0 {
            state.wakes -= 1;
        } else {
            state.parked -= 1;
            self.wake_counted();
        }
        Sleep::Woken
    }

    /// The leader is back from its poll; it searches from here.
    pub(crate) fn led(&self) {
        let mut state = self.state.lock();
        if state.leader == Leader::Asleep {
            self.wake_counted();
        }
        state.leader = Leader::Nobody;
    }

    /// A busy worker asks to look at the sockets. True: it may, and calls [`Idle::looked`] after.
    pub(crate) fn try_look(&self) -> bool {
        let mut state = self.state.lock();
        let free = state.leader == Leader::Nobody;
        if free {
            state.leader = Leader::Awake;
        }
        free
    }

    /// The look is over.
    pub(crate) fn looked(&self) {
        self.state.lock().leader = Leader::Nobody;
    }

    /// Whether nobody watches the sockets although a worker is parked that could.
    pub(crate) fn lacks_leader(&self) -> bool {
        let state = self.state.lock();
        state.leader == Leader::Nobody && state.parked > 0
    }

    /// Whether a worker waits in poll.
    pub(crate) fn has_leader(&self) -> bool {
        self.state.lock().leader != Leader::Nobody
    }

    /// A timer was set from outside of the workers.
    pub(crate) fn notify_timer(&self, deadline: i64) -> Notify {
        let mut state = self.state.lock();
        if state.leader == Leader::Asleep && deadline < state.leader_until {
            state.leader = Leader::Awake;
            self.wake_counted();
            return Notify::WakeLeader;
        }
        Notify::Done
    }

    /// Nobody sleeps from now on. The caller also wakes the driver.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.woken.notify_all();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sched::queue::RunQueue;
    use std::sync::Arc;

    /// A driver: `wake` makes a wait, or the next one, return.
    #[derive(Default)]
    struct Poll {
        woken: Mutex<bool>,
        wake: Condvar,
    }

    impl Poll {
        fn wait(&self) {
            let mut woken = self.woken.lock();
            while !*woken {
                woken = self.wake.wait(woken);
            }
            *woken = false;
        }

        fn wake(&self) {
            *self.woken.lock() = true;
            self.wake.notify_one();
        }
    }

    #[derive(Clone)]
    struct Node {
        idle: Arc<Idle>,
        queue: Arc<RunQueue<u32>>,
        poll: Arc<Poll>,
    }

    impl Node {
        fn new() -> Node {
            Node {
                idle: Arc::new(Idle::new()),
                queue: Arc::new(RunQueue::new()),
                poll: Arc::default(),
            }
        }

        fn push(&self, item: u32) {
            self.queue.push_back(item);
            if self.idle.notify() == Notify::WakeLeader {
                self.poll.wake();
            }
        }

        /// Takes one item, sleeping until there is one. A lost wake-up is a deadlock, which loom sees.
        fn take(&self) -> u32 {
            self.idle.start_searching();
            loop {
                if let Some(item) = self.queue.pop() {
                    if self.idle.stop_searching()
                        && !self.queue.is_empty()
                        && self.idle.notify() == Notify::WakeLeader
                    {
                        self.poll.wake();
                    }
                    return item;
                }
                let slept =
                    self.idle
                        .sleep(|| !self.queue.is_empty(), || NEVER, || self.poll.wake());
                if let Sleep::Lead { .. } = slept {
                    self.poll.wait();
                    self.idle.led();
                }
            }
        }
    }

    #[test]
    fn a_push_wakes_the_leader_or_is_seen_by_it() {
        loom::model(|| {
            let node = Node::new();
            let worker = {
                let node = node.clone();
                loom::thread::spawn(move || node.take())
            };
            node.push(1);
            assert_eq!(worker.join().unwrap(), 1);
        });
    }

    #[test]
    fn two_pushes_reach_two_sleepers() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let node = Node::new();
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let node = node.clone();
                    loom::thread::spawn(move || node.take())
                })
                .collect();
            node.push(1);
            node.push(2);
            let sum: u32 = workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .sum();
            assert_eq!(sum, 3);
        });
    }
}

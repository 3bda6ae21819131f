//! Run queues: which services have something to do.
//!
//! Each worker has a [`RunQueue`]: a *next slot* for the service that the running one has sent to
//! first, and a first-in first-out deque behind it. A pair that talks to and fro stays on one worker and
//! wakes nobody; who is answered goes on when the one that answers is through, as with an exit after the
//! answer. Other workers take from the deque; the next slot they take only when it has not moved
//! for a while ([`RunQueue::steal_stale_next`]), because a service that sends and then computes would
//! otherwise hold its receiver back.
//!
//! [`SharedQueue`] is for what comes from outside of the workers, and for the slow services.
//!
//! Lengths are mirrored in atomics, written under the lock, for those who only look. Who looks before
//! going to sleep pairs with who pushes by the fences in `idle.rs`. A queue cannot grow beyond the
//! number of services: each is on one queue at most once.

use std::collections::VecDeque;

use crate::sync::{AtomicU32, AtomicUsize, Mutex, Ordering};

/// So many services may run from the next slot in a row before the deque has its turn.
const NEXT_RUNS_MAX: u32 = 16;

/// The queue of one worker.
pub(crate) struct RunQueue<T> {
    inner: Mutex<Inner<T>>,
    /// Length of the deque.
    len: AtomicUsize,
    /// Changes with each change of the next slot; odd while it is taken.
    next_version: AtomicU32,
}

struct Inner<T> {
    next: Option<T>,
    next_runs: u32,
    deque: VecDeque<T>,
}

impl<T> RunQueue<T> {
    pub(crate) fn new() -> Self {
        RunQueue {
            inner: Mutex::new(Inner {
                next: None,
                next_runs: 0,
                deque: VecDeque::new(),
            }),
            len: AtomicUsize::new(0),
            next_version: AtomicU32::new(0),
        }
    }

    /// Owner: puts `item` into the next slot, or behind what is there already. True: it is in the deque,
    /// so there is work that another worker could do.
    pub(crate) fn push_next(&self, item: T) -> bool {
        let mut inner = self.inner.lock();
        if inner.next.is_none() {
            inner.next = Some(item);
            let version = self.next_version.load(Ordering::Relaxed);
            self.next_version
                .store(version.wrapping_add(1), Ordering::Relaxed);
            return false;
        }
        inner.deque.push_back(item);
        self.len.store(inner.deque.len(), Ordering::Relaxed);
        true
    }

    /// Puts `item` at the back of the deque.
    pub(crate) fn push_back(&self, item: T) {
        let mut inner = self.inner.lock();
        inner.deque.push_back(item);
        self.len.store(inner.deque.len(), Ordering::Relaxed);
    }

    /// Owner: what to run now.
    pub(crate) fn pop(&self) -> Option<T> {
        self.pop_ahead(|_| {})
    }

    /// As [`RunQueue::pop`]; `ahead` is shown who comes next, unless something else does, under the lock.
    pub(crate) fn pop_ahead(&self, ahead: impl FnOnce(&VecDeque<T>)) -> Option<T> {
        let mut inner = self.inner.lock();
        if inner.next.is_some() {
            let version = self.next_version.load(Ordering::Relaxed);
            self.next_version
                .store(version.wrapping_add(1), Ordering::Relaxed);
            if inner.next_runs < NEXT_RUNS_MAX || inner.deque.is_empty() {
                inner.next_runs += 1;
                ahead(&inner.deque);
                return inner.next.take();
            }
            let next = inner.next.take();
            inner.deque.extend(next);
        }
        inner.next_runs = 0;
        let item = inner.deque.pop_front();
        self.len.store(inner.deque.len(), Ordering::Relaxed);
        ahead(&inner.deque);
        item
    }

    /// Takes half of the deque (the older half, at least one): the first is returned, the others go
    /// to `thief`.
    pub(crate) fn steal_into(&self, thief: &RunQueue<T>) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut taken = {
            let mut inner = self.inner.lock();
            let half = inner.deque.len().div_ceil(2);
            let taken: VecDeque<T> = inner.deque.drain(..half).collect();
            self.len.store(inner.deque.len(), Ordering::Relaxed);
            taken
        };
        let first = taken.pop_front();
        if !taken.is_empty() {
            let mut inner = thief.inner.lock();
            inner.deque.append(&mut taken);
            thief.len.store(inner.deque.len(), Ordering::Relaxed);
        }
        first
    }

    /// The state of the next slot to compare with later; `None` when it is empty.
    pub(crate) fn next_version(&self) -> Option<u32> {
        let version = self.next_version.load(Ordering::Relaxed);
        (version % 2 == 1).then_some(version)
    }

    /// Takes the next slot if it has not changed since `version` was read.
    pub(crate) fn steal_stale_next(&self, version: u32) -> Option<T> {
        let mut inner = self.inner.lock();
        if self.next_version.load(Ordering::Relaxed) != version {
            return None;
        }
        let item = inner.next.take();
        if item.is_some() {
            self.next_version
                .store(version.wrapping_add(1), Ordering::Relaxed);
        }
        item
    }

    /// Length of the deque.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Owner: whether there is more than this worker takes next.
    pub(crate) fn has_several(&self) -> bool {
        self.len() + usize::from(self.next_version().is_some()) > 1
    }

    /// Whether the deque is empty (whatever is in the next slot).
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A queue that all workers share.
pub(crate) struct SharedQueue<T> {
    queue: Mutex<VecDeque<T>>,
    len: AtomicUsize,
}

impl<T> SharedQueue<T> {
    pub(crate) fn new() -> Self {
        SharedQueue {
            queue: Mutex::new(VecDeque::new()),
            len: AtomicUsize::new(0),
        }
    }

    pub(crate) fn push(&self, item: T) {
        let mut queue = self.queue.lock();
        queue.push_back(item);
        self.len.store(queue.len(), Ordering::Relaxed);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue.lock();
        let item = queue.pop_front();
        self.len.store(queue.len(), Ordering::Relaxed);
        item
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    /// Runs `f` for each item, in order, under the lock.
    pub(crate) fn for_each(&self, f: impl FnMut(&T)) {
        self.queue.lock().iter().for_each(f);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn services_run_in_the_order_in_which_they_were_sent_to() {
        let queue = RunQueue::new();
        assert!(!queue.push_next(1));
        assert!(queue.push_next(2));
        assert!(queue.push_next(3));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn a_pair_cannot_keep_the_deque_waiting() {
        let queue = RunQueue::new();
        queue.push_back(99);
        let runs = std::iter::from_fn(|| {
            queue.push_next(1);
            queue.pop()
        })
        .take_while(|&item| item == 1)
        .count();
        assert_eq!(runs, NEXT_RUNS_MAX as usize);
    }

    #[test]
    fn who_comes_next_is_shown_in_order_whatever_is_popped() {
        let queue = RunQueue::new();
        for item in 1..5 {
            queue.push_next(item);
        }
        let mut shown = Vec::new();
        while queue.pop_ahead(|next| shown.push(next.clone())).is_some() {}
        let lens: Vec<_> = shown.iter().map(VecDeque::len).collect();
        assert_eq!(shown[0], [2, 3, 4]);
        assert_eq!(lens, [3, 2, 1, 0, 0]);
    }

    #[test]
    fn a_thief_takes_the_older_half() {
        let (queue, thief) = (RunQueue::new(), RunQueue::new());
        (0..5).for_each(|n| queue.push_back(n));
        assert_eq!(queue.steal_into(&thief), Some(0));
        assert_eq!((thief.len(), queue.len()), (2, 2));
        assert_eq!(queue.pop(), Some(3));
    }

    #[test]
    fn only_a_next_slot_that_stands_still_is_stolen() {
        let queue = RunQueue::new();
        assert_eq!(queue.next_version(), None);
        queue.push_next(1);
        let seen = queue.next_version().unwrap();
        queue.pop();
        queue.push_next(2);
        assert_eq!(queue.steal_stale_next(seen), None);
        let seen = queue.next_version().unwrap();
        assert_eq!(queue.steal_stale_next(seen), Some(2));
        assert_eq!(queue.pop(), None);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn each_item_is_taken_by_one_worker() {
        loom::model(|| {
            let queue = Arc::new(RunQueue::new());
            queue.push_next(1u32);
            queue.push_next(2);
            let seen = queue.next_version();
            let thief = {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || {
                    let own = RunQueue::new();
                    let stolen = queue.steal_into(&own);
                    let stale = seen.and_then(|version| queue.steal_stale_next(version));
                    [stolen, stale, own.pop()]
                })
            };
            let mut taken = vec![queue.pop(), queue.pop()];
            queue.push_next(3);
            taken.push(queue.pop());
            taken.extend(thief.join().unwrap());
            taken.extend([queue.pop(), queue.pop()]);
            let mut taken: Vec<u32> = taken.into_iter().flatten().collect();
            taken.sort_unstable();
            assert_eq!(taken, [1, 2, 3]);
        });
    }
}

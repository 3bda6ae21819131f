//! Calls that block: the thread leaves its role to a spare one meanwhile.
//!
//! So as many services run as there are workers, whatever some of them wait for. A thread that comes
//! back waits until a worker between two visits gives it its role; that worker's thread becomes a
//! spare. The number of threads is limited: beyond [`THREADS_MAX`] a call blocks its worker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::node::Node;
use crate::os;
use crate::preempt;
use crate::sched::role::{self, Here, Role};
use crate::sched::{Paused, worker};

/// Worker threads at most, those in blocking calls included.
const THREADS_MAX: usize = 1024;
/// Spare threads that are kept; one more ends.
const SPARES_MAX: usize = 64;

/// Where a thread without role waits for one.
#[derive(Default)]
pub(crate) struct Seat {
    given: Mutex<Option<Given>>,
    changed: Condvar,
}

#[derive(Copy, Clone)]
enum Given {
    Role(usize),
    Stop,
}

impl Seat {
    pub(crate) fn give(&self, index: usize) {
        self.put(Given::Role(index));
    }

    fn put(&self, what: Given) {
        let mut given = self.given.lock();
        // A role is never given to a thread that was told to stop: it would be lost, but so is all.
        if !matches!(*given, Some(Given::Stop)) {
            *given = Some(what);
        }
        self.changed.notify_one();
    }

    /// The role given; `None`: the node stops.
    pub(crate) fn wait(&self) -> Option<usize> {
        let mut given = self.given.lock();
        loop {
            match *given {
                Some(Given::Role(index)) => {
                    *given = None;
                    return Some(index);
                }
                Some(Given::Stop) => return None,
                None => self.changed.wait(&mut given),
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct Handover {
    seats: Mutex<Seats>,
    /// Mirror of `returning.len()`, for the loop's head.
    returning: AtomicUsize,
}

#[derive(Default)]
struct Seats {
    spare: Vec<Arc<Seat>>,
    /// Threads back from a blocking call, in order.
    returning: VecDeque<Arc<Seat>>,
    threads: Vec<JoinHandle<()>>,
    alive: usize,
    stopped: bool,
}

impl Handover {
    /// Whether a thread waits to have a role back.
    pub(crate) fn is_wanted(&self) -> bool {
        self.returning.load(Ordering::Relaxed) > 0
    }

    /// Gives the role to the first thread that wants one back. False: there was none.
    pub(crate) fn give_back(&self, index: usize) -> bool {
        let mut seats = self.seats.lock();
        let Some(seat) = seats.returning.pop_front() else {
            return false;
        };
        self.returning
            .store(seats.returning.len(), Ordering::Relaxed);
        drop(seats);
        seat.give(index);
        true
    }

    /// The calling thread has no role any more. False: there are spares enough and it may end.
    pub(crate) fn become_spare(&self, seat: &Arc<Seat>) -> bool {
        let mut seats = self.seats.lock();
        let wanted = seats.spare.len() < SPARES_MAX && !seats.stopped;
        if wanted {
            seats.spare.push(Arc::clone(seat));
        } else {
            seats.alive -= 1;
        }
        wanted
    }

    /// Finds a thread for the role: one that comes back, a spare, or a new one. False: the limit is
    /// reached or the system gives no thread.
    pub(crate) fn find_thread(&self, node: &Arc<Node>, index: usize) -> bool {
        if self.give_back(index) {
            return true;
        }
        let mut seats = self.seats.lock();
        if let Some(seat) = seats.spare.pop() {
            drop(seats);
            seat.give(index);
            return true;
        }
        if seats.alive >= THREADS_MAX || seats.stopped {
            return false;
        }
        let seat = Arc::new(Seat::default());
        seat.give(index);
        let Ok(thread) = worker::spawn(Arc::clone(node), seat, seats.alive) else {
            return false;
        };
        seats.alive += 1;
        seats.threads.push(thread);
        true
    }

    /// Waits in line for a role. `None`: the node stops.
    fn wait_for_role(&self, node: &Node, seat: &Arc<Seat>) -> Option<usize> {
        {
            let mut seats = self.seats.lock();
            if seats.stopped {
                return None;
            }
            seats.returning.push_back(Arc::clone(seat));
            self.returning
                .store(seats.returning.len(), Ordering::Relaxed);
        }
        node.sched.wake_any();
        seat.wait()
    }

    /// No thread waits from now on.
    pub(crate) fn stop(&self) {
        let mut seats = self.seats.lock();
        seats.stopped = true;
        let waiting = std::mem::take(&mut seats.spare);
        let returning = std::mem::take(&mut seats.returning);
        self.returning.store(0, Ordering::Relaxed);
        for seat in waiting.into_iter().chain(returning) {
            seat.put(Given::Stop);
        }
    }

    /// Waits for the end of all threads.
    pub(crate) fn join(&self) {
        loop {
            let Some(thread) = self.seats.lock().threads.pop() else {
                return;
            };
            // A panic of a worker thread has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Runs `f`, which may block, and lets another thread do the calling worker's work meanwhile. On
/// threads that are no workers `f` just runs. Afterwards this thread has a role again, perhaps
/// another one.
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let _away = Away::leave();
    f()
}

/// A thread that has left its role; dropping it (also by a panic) gets one back.
struct Away {
    here: Here,
    old: Role,
    paused: Paused,
    in_lua: bool,
}

impl Away {
    /// `None`: not a worker, or there is no other thread to be had.
    fn leave() -> Option<Away> {
        let old = role::get();
        if old.node == 0 || !old.in_service {
            return None;
        }
        let here = role::here()?;
        let in_lua = preempt::suspend();
        let sched = &here.node.sched;
        let paused = sched.workers[old.index].pause();
        role::clear();
        if !sched.handover.find_thread(&here.node, old.index) {
            take_role(&here, old, old.index, paused);
            preempt::restore(in_lua);
            return None;
        }
        Some(Away {
            here,
            old,
            paused,
            in_lua,
        })
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let handover = &self.here.node.sched.handover;
        // When the node stops, roles mean nothing any more: any number will do.
        let index = handover
            .wait_for_role(&self.here.node, &self.here.seat)
            .unwrap_or(self.old.index);
        take_role(&self.here, self.old, index, self.paused);
        preempt::restore(self.in_lua);
    }
}

/// Goes on with the visit in the role `index`.
fn take_role(here: &Here, old: Role, index: usize, paused: Paused) {
    let worker = &here.node.sched.workers[index];
    worker.unpause(paused, Arc::clone(&here.handle), os::monotonic_ns());
    role::set(Role { index, ..old });
}

//! The scheduler: which service runs next, on which worker.
//!
//! A service with messages is on exactly one of these queues, or with a worker:
//! - the queue of the worker that gave it work (`queue.rs`), where most go;
//! - `outside`, when a thread that is no worker did;
//! - `patient`, for services whose messages are not worth waking a worker (the logger);
//! - `slow`, when it used up its slice at its last visit. Slow services get a bounded share of each
//!   worker while others wait, so short work never stands behind long work.
//!
//! `worker.rs` is the loop of a worker, `visit.rs` what it does with one service, `idle.rs` how it
//! sleeps and is woken, `monitor.rs` the thread that watches over slices, `handover.rs` what happens
//! around blocking calls, `meter.rs` the CPU accounting.

pub(crate) mod bell;
pub(crate) mod handover;
pub(crate) mod idle;
pub(crate) mod meter;
pub(crate) mod monitor;
pub(crate) mod queue;
pub(crate) mod role;
pub(crate) mod tidy;
pub(crate) mod visit;
pub(crate) mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

use parking_lot::{Condvar, Mutex};

use crate::message::Address;
use crate::os::ThreadHandle;
use crate::service::Driver;
use crate::slot::Slot;
use handover::Handover;
use idle::{Idle, Notify};
use monitor::Monitor;
use queue::{RunQueue, SharedQueue};
use role::Role;

pub(crate) struct Sched {
    /// Tells the nodes of one process apart; not 0.
    pub(crate) id: u64,
    pub(crate) workers: Box<[Worker]>,
    pub(crate) outside: SharedQueue<Arc<Slot>>,
    pub(crate) patient: SharedQueue<Arc<Slot>>,
    pub(crate) slow: SharedQueue<Arc<Slot>>,
    pub(crate) idle: Idle,
    pub(crate) monitor: Monitor,
    pub(crate) handover: Handover,
    pub(crate) driver: Arc<dyn Driver>,
    /// Whether the driver has sockets that want to be polled; the built-in one has none.
    pub(crate) has_sockets: bool,
    /// When a busy worker last looked at the sockets.
    looked_ns: AtomicI64,
    stopped: AtomicBool,
    /// For the thread in `Node::run`.
    running: Mutex<bool>,
    run_over: Condvar,
}

/// A role.
#[repr(align(128))]
pub(crate) struct Worker {
    pub(crate) queue: RunQueue<Arc<Slot>>,
    /// Who runs it, for the monitor's signals. The lock is held while a signal is sent.
    pub(crate) thread: Mutex<Option<Arc<ThreadHandle>>>,
    /// Messages started and ended: odd within a message. Written by the worker.
    version: AtomicU64,
    /// Whose visit it is, 0 between visits. Written by the worker.
    address: AtomicU32,
    /// When that visit began, in monotonic nanoseconds. Written by the worker.
    since_ns: AtomicI64,
    /// The visit is to end with the current message. Set by the monitor.
    yield_now: AtomicBool,
    /// Another worker is to be woken when the present message is over: the running service has sent to
    /// several. Set and taken by the worker; by the monitor, if the message lasts.
    owes_wake: AtomicBool,
    /// Not asleep. Written by the worker.
    awake: AtomicBool,
}

/// A visit whose thread has left its role.
#[derive(Copy, Clone)]
pub(crate) struct Paused {
    address: Address,
    in_message: bool,
}

impl Sched {
    pub(crate) fn new(workers: usize, driver: Option<Arc<dyn Driver>>) -> Sched {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let has_sockets = driver.is_some();
        Sched {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            workers: (0..workers.max(1)).map(|_| Worker::new()).collect(),
            outside: SharedQueue::new(),
            patient: SharedQueue::new(),
            slow: SharedQueue::new(),
            idle: Idle::new(),
            monitor: Monitor::new(),
            handover: Handover::default(),
            driver: driver.unwrap_or_else(|| Arc::new(bell::Bell::default())),
            has_sockets,
            looked_ns: AtomicI64::new(0),
            stopped: AtomicBool::new(false),
            running: Mutex::new(true),
            run_over: Condvar::new(),
        }
    }

    /// The calling thread's role on this node, if it has one.
    pub(crate) fn role(&self) -> Option<Role> {
        Some(role::get()).filter(|role| role.node == self.id)
    }

    /// Puts a slot that has just become runnable on a queue.
    pub(crate) fn schedule(&self, slot: Arc<Slot>) {
        if slot.is_slow() {
            return self.schedule_slow(slot);
        }
        let role = self.role();
        if slot.patient && role.is_some() {
            return self.patient.push(slot);
        }
        match role {
            Some(role) if role.in_service => {
                // Not at once: the system may let the woken thread run in place of this one, and who
                // was answered must not find the one that answers in the middle of its message.
                let worker = &self.workers[role.index];
                if worker.queue.push_next(slot) {
                    worker.owes_wake.store(true, Ordering::Relaxed);
                }
            }
            // From the timers or the driver: the loop looks at the queue right after, and wakes
            // another worker only for more than one.
            Some(role) => self.workers[role.index].queue.push_back(slot),
            None => {
                self.outside.push(slot);
                self.notify();
            }
        }
    }

    pub(crate) fn schedule_slow(&self, slot: Arc<Slot>) {
        self.slow.push(slot);
        self.notify();
    }

    /// Wakes another worker if the running service has given work to several.
    pub(crate) fn pay_wake(&self, worker: &Worker) {
        if worker.owes_wake.load(Ordering::Relaxed) {
            worker.owes_wake.store(false, Ordering::Relaxed);
            self.notify();
        }
    }

    /// There is work that another worker could do.
    pub(crate) fn notify(&self) {
        self.wake(self.idle.notify());
    }

    /// Some sleeping worker must look around.
    pub(crate) fn wake_any(&self) {
        self.wake(self.idle.notify_any());
    }

    /// Every sleeping worker must look around.
    pub(crate) fn wake_all(&self) {
        for _ in &self.workers {
            self.wake_any();
        }
    }

    pub(crate) fn wake(&self, notify: Notify) {
        if notify == Notify::WakeLeader {
            self.driver.wake();
        }
    }

    /// Whether a worker that goes to sleep would miss something.
    pub(crate) fn has_work(&self) -> bool {
        self.has_fast_work()
            || !self.patient.is_empty()
            || !self.slow.is_empty()
            || self.handover.is_wanted()
            || self.is_stopped()
    }

    fn has_fast_work(&self) -> bool {
        !self.outside.is_empty() || self.workers.iter().any(|worker| !worker.queue.is_empty())
    }

    /// Whether something else than its current visit waits for this worker.
    pub(crate) fn others_wait(&self, index: usize) -> bool {
        let worker = &self.workers[index];
        worker.yield_now.load(Ordering::Relaxed)
            || !worker.queue.is_empty()
            || worker.queue.next_version().is_some()
            || !self.outside.is_empty()
            || !self.patient.is_empty()
            || !self.slow.is_empty()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Lets all threads of the node end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        self.idle.stop();
        self.driver.wake();
        self.handover.stop();
        self.monitor.unpark();
        *self.running.lock() = false;
        self.run_over.notify_all();
    }

    /// Returns when [`Sched::stop`] has been called.
    pub(crate) fn wait_for_stop(&self) {
        let mut running = self.running.lock();
        while *running {
            self.run_over.wait(&mut running);
        }
    }

    /// After the workers have ended: what is still on a queue.
    pub(crate) fn take_queued(&self) -> Option<Arc<Slot>> {
        let mut workers = self.workers.iter();
        self.outside
            .pop()
            .or_else(|| self.patient.pop())
            .or_else(|| self.slow.pop())
            .or_else(|| workers.find_map(|worker| worker.queue.pop()))
    }
}

impl Worker {
    fn new() -> Worker {
        Worker {
            queue: RunQueue::new(),
            thread: Mutex::new(None),
            version: AtomicU64::new(0),
            address: AtomicU32::new(0),
            since_ns: AtomicI64::new(0),
            yield_now: AtomicBool::new(false),
            owes_wake: AtomicBool::new(false),
            awake: AtomicBool::new(false),
        }
    }

    /// Begins a visit.
    pub(crate) fn enter(&self, address: Address, now_ns: i64) {
        self.since_ns.store(now_ns, Ordering::Relaxed);
        self.yield_now.store(false, Ordering::Relaxed);
        self.address.store(address.0, Ordering::Release);
    }

    /// Ends a visit.
    pub(crate) fn leave(&self) {
        self.address.store(0, Ordering::Release);
    }

    /// Starts or ends a message. Only the worker writes, so no read-modify-write is needed.
    pub(crate) fn step(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
    }

    /// The thread leaves the role in the middle of a visit.
    pub(crate) fn pause(&self) -> Paused {
        *self.thread.lock() = None;
        let paused = Paused {
            address: Address(self.address.load(Ordering::Relaxed)),
            in_message: self.version() % 2 == 1,
        };
        self.leave();
        if paused.in_message {
            self.step();
        }
        paused
    }

    /// A thread takes the role to go on with a visit.
    pub(crate) fn unpause(&self, paused: Paused, handle: Arc<ThreadHandle>, now_ns: i64) {
        *self.thread.lock() = Some(handle);
        if paused.in_message {
            self.step();
        }
        self.enter(paused.address, now_ns);
    }

    /// Whose visit it is, and since when.
    pub(crate) fn visit(&self) -> Option<(Address, i64)> {
        let address = Address(self.address.load(Ordering::Acquire));
        (!address.is_none()).then(|| (address, self.since_ns.load(Ordering::Relaxed)))
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    pub(crate) fn is_asked_to_yield(&self) -> bool {
        self.yield_now.load(Ordering::Relaxed)
    }

    pub(crate) fn ask_to_yield(&self) {
        self.yield_now.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::Relaxed)
    }
}

//! The thread that watches over the workers.
//!
//! While a worker is awake it looks about every millisecond: who has used up a slice while others
//! wait is preempted; a next slot that stands still is handed on; timers and sockets that nobody
//! attends to get a worker; a service that was ended in the middle of a message may go on for
//! [`GRACE_NS`] and is stopped then. Every five seconds it raises the alarm for messages that last
//! from look to look. While all workers sleep it is parked: a standing tick would cost a part of a
//! core for nothing.
//!
//! Everything it reads is a hint that may be a moment old; a preemption that hits the next visit by
//! mistake only shortens that.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::message::Address;
use crate::node::Node;
use crate::os;
use crate::payload::blocks;
use crate::preempt;
use crate::sched::{Sched, Worker};
use crate::slot::Slot;

const TICK: Duration = Duration::from_millis(1);
/// Ticks without any worker awake before the monitor parks, so that a node with a little to do does
/// not pay for a wake-up each time.
const LINGER_TICKS: u32 = 4;
/// Slice while short work waits: of a service that is known to be slow, and of any other.
const SLICE_SLOW_NS: i64 = 500_000;
const SLICE_NS_MIN: i64 = 1_000_000;
/// Ticks that parked workers leave the sockets without a leader while others are busy.
const LEADERLESS_TICKS: u32 = 2;
/// Age at which nobody's look at the sockets makes them "waiting".
const UNLOOKED_NS: i64 = 1_000_000;
/// Worker time that an ended service has to finish its message.
const GRACE_NS: i64 = 1_000_000_000;
/// Room kept for ended services that are to be watched.
const DYING_SPARE: usize = 1024;
/// How often long messages are looked for.
const ALARM_NS: i64 = 5_000_000_000;

#[derive(Default)]
pub(crate) struct Monitor {
    parked: AtomicBool,
    woken: Mutex<bool>,
    changed: Condvar,
    /// Services that were ended while scheduled or running.
    dying: Mutex<Vec<Dying>>,
}

struct Dying {
    slot: Arc<Slot>,
    /// Worker time since it was ended, in nanoseconds, as seen from tick to tick.
    ran_ns: i64,
}

impl Monitor {
    pub(crate) fn new() -> Monitor {
        Monitor::default()
    }

    /// For workers that wake up, after a SeqCst fence.
    pub(crate) fn unpark_if_parked(&self) {
        if self.parked.load(Ordering::Relaxed) {
            self.unpark();
        }
    }

    pub(crate) fn unpark(&self) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }

    /// An ended service may still be in the middle of a message.
    pub(crate) fn watch_dying(&self, slot: Arc<Slot>) {
        self.dying.lock().push(Dying { slot, ran_ns: 0 });
    }

    /// Until a worker wakes up, or to `until_ns` at the latest.
    fn park(&self, sched: &Sched, until_ns: Option<i64>) {
        *self.woken.lock() = false;
        self.parked.store(true, Ordering::Relaxed);
        // Pairs with the fence of a worker that wakes up.
        fence(Ordering::SeqCst);
        if !sched.is_anyone_awake() && !sched.is_stopped() {
            let mut woken = self.woken.lock();
            while !*woken {
                let Some(until_ns) = until_ns else {
                    self.changed.wait(&mut woken);
                    continue;
                };
                let left = until_ns - os::monotonic_ns();
                if left <= 0 {
                    break;
                }
                let left = Duration::from_nanos(left.cast_unsigned());
                self.changed.wait_for(&mut woken, left);
            }
        }
        self.parked.store(false, Ordering::Relaxed);
    }
}

impl Sched {
    fn is_anyone_awake(&self) -> bool {
        self.workers.iter().any(Worker::is_awake)
    }
}

/// The monitor's thread.
pub(crate) fn run(node: &Arc<Node>) {
    let sched = &node.sched;
    let mut watch = Watch::new(node);
    let mut idle_ticks = 0;
    while !sched.is_stopped() {
        if sched.is_anyone_awake() {
            idle_ticks = 0;
        } else {
            idle_ticks += 1;
        }
        if idle_ticks > LINGER_TICKS {
            let due_ns = [node.tidy.due_ns(), blocks::due_ns()];
            let due_ns = due_ns.into_iter().flatten().min();
            sched.monitor.park(sched, due_ns);
            idle_ticks = 0;
            watch.last_ns = os::monotonic_ns();
        }
        thread::sleep(TICK);
        watch.tick();
    }
}

/// What the monitor remembers from tick to tick.
struct Watch<'a> {
    node: &'a Arc<Node>,
    last_ns: i64,
    next_alarm_ns: i64,
    /// The next slot of each worker at the last tick.
    next_versions: Vec<Option<u32>>,
    leaderless_ticks: u32,
    /// Long messages that were asked where they are, by worker: address, the service's number of
    /// messages, and the age at which it is asked again.
    asked: Vec<(Address, u64, i64)>,
    /// Messages in progress at the last look: address and the service's number of messages.
    in_progress: HashMap<Address, u64>,
}

/// What waits for a worker.
#[derive(Copy, Clone)]
struct Waiting {
    fast: bool,
    slow: bool,
}

impl<'a> Watch<'a> {
    fn new(node: &'a Arc<Node>) -> Watch<'a> {
        let now = os::monotonic_ns();
        Watch {
            node,
            last_ns: now,
            next_alarm_ns: now + ALARM_NS,
            next_versions: vec![None; node.sched.workers.len()],
            leaderless_ticks: 0,
            asked: vec![(Address::NONE, 0, 0); node.sched.workers.len()],
            in_progress: HashMap::new(),
        }
    }

    fn tick(&mut self) {
        let now = os::monotonic_ns();
        if self.node.tidy.begin(now) {
            self.node.slots.shrink();
            self.node.sched.wake_all();
        }
        if blocks::sweep(now) {
            self.node.memory_freed();
        }
        self.hand_on_stale_next();
        self.attend(now);
        let waiting = self.waiting(now);
        for worker in &self.node.sched.workers {
            self.watch_slice(worker, waiting, now);
        }
        if self.node.slow_ns > 0 {
            self.watch_slow(now);
        }
        self.watch_dying(now - self.last_ns);
        if now >= self.next_alarm_ns {
            self.next_alarm_ns = now + ALARM_NS;
            self.look_for_endless();
        }
        self.last_ns = now;
    }

    /// A service that was sent to by one that computes since is given to whoever has time.
    fn hand_on_stale_next(&mut self) {
        let sched = &self.node.sched;
        for (worker, last) in sched.workers.iter().zip(&mut self.next_versions) {
            sched.pay_wake(worker);
            let version = worker.queue.next_version();
            if let Some(version) = version
                && *last == Some(version)
                && let Some(slot) = worker.queue.steal_stale_next(version)
            {
                worker.queue.push_back(slot);
                sched.notify();
            }
            *last = version;
        }
    }

    /// Patient services, timers and sockets that nobody attends to while all that are awake are busy.
    fn attend(&mut self, now: i64) {
        let sched = &self.node.sched;
        if !sched.patient.is_empty() {
            sched.notify();
        }
        if now >= self.node.timers.next_ns() {
            sched.wake_any();
        }
        if sched.has_sockets && sched.idle.lacks_leader() {
            self.leaderless_ticks += 1;
            if self.leaderless_ticks >= LEADERLESS_TICKS {
                sched.wake_any();
            }
        } else {
            self.leaderless_ticks = 0;
        }
    }

    fn waiting(&self, now: i64) -> Waiting {
        let sched = &self.node.sched;
        let next_waits = sched
            .workers
            .iter()
            .any(|worker| worker.queue.next_version().is_some());
        let unlooked = sched.has_sockets
            && now - sched.looked_ns.load(Ordering::Relaxed) > UNLOOKED_NS
            && !sched.idle.has_leader();
        let fast = next_waits
            || unlooked
            || sched.has_fast_work()
            || sched.handover.is_wanted()
            || now >= self.node.timers.next_ns();
        Waiting {
            fast,
            slow: !sched.slow.is_empty() || !sched.patient.is_empty(),
        }
    }

    fn watch_slice(&self, worker: &Worker, waiting: Waiting, now: i64) {
        let preempt_ns = i64::from(self.node.preempt_ms()) * 1_000_000;
        let Some((address, since)) = worker.visit() else {
            return;
        };
        // No slot: it has been ended and its last message goes on. Who waits for it must be told.
        let slow = self.node.slots.with(address, |slot| {
            let signalled = slot.control().is_some_and(|control| control.has_signal());
            (slot.is_slow(), signalled)
        });
        if let Some((_, true)) = slow {
            return preempt_worker(worker);
        }
        if preempt_ns == 0 {
            return;
        }
        let slow = slow.map(|(slow, _)| slow);
        let short = (preempt_ns / 5).max(SLICE_NS_MIN);
        let slice = match (slow, waiting) {
            (None, _) => 0,
            (Some(true), Waiting { fast: true, .. }) => SLICE_SLOW_NS,
            (Some(false), Waiting { fast: true, .. })
            | (Some(true), Waiting { slow: true, .. }) => short,
            (Some(false), Waiting { slow: true, .. }) => preempt_ns,
            _ => return,
        };
        if now - since >= slice {
            preempt_worker(worker);
        }
    }

    /// Asks messages that last long where they are: when they become slow, and at each doubling of
    /// that age, as they may be in native code at the time.
    fn watch_slow(&mut self, now: i64) {
        for (worker, asked) in self.node.sched.workers.iter().zip(&mut self.asked) {
            let Some((address, _)) = worker.visit() else {
                continue;
            };
            let at = |slot: &Arc<Slot>| (slot.messages(), slot.since_ns());
            let Some((message, since)) = self.node.slots.with(address, at) else {
                continue;
            };
            if (asked.0, asked.1) != (address, message) {
                *asked = (address, message, self.node.slow_ns);
            }
            if now - since >= asked.2 && worker.version() % 2 == 1 {
                asked.2 = (now - since) * 2;
                if let Some(thread) = &*worker.thread.lock() {
                    preempt::interrupt(thread);
                }
            }
        }
    }

    fn watch_dying(&self, elapsed_ns: i64) {
        let mut overdue = Vec::new();
        let mut dying = self.node.sched.monitor.dying.lock();
        dying.retain_mut(|dying| {
            if self.is_running(dying.slot.address()) {
                dying.ran_ns += elapsed_ns;
                if dying.ran_ns > GRACE_NS && !dying.slot.has_last_words() {
                    overdue.push(Arc::clone(&dying.slot));
                }
            }
            !dying.slot.is_gone()
        });
        // After very many have ended at once.
        if dying.is_empty() && dying.capacity() > DYING_SPARE {
            *dying = Vec::new();
        }
        drop(dying);
        // Without the lock: what is called here may end services itself.
        for slot in overdue {
            self.stop_overdue(&slot);
        }
    }

    fn is_running(&self, address: Address) -> bool {
        let mut visits = self.node.sched.workers.iter().filter_map(Worker::visit);
        visits.any(|(visited, _)| visited == address)
    }

    fn stop_overdue(&self, slot: &Slot) {
        if let Some(control) = slot.control() {
            control.kill();
        }
        if slot.set_overdue() {
            self.node.log(
                Address::NONE,
                format!(
                    "service {} was ended in the middle of a message from {} and has gone on with it \
                     for a second{}; it is stopped now",
                    slot.address(),
                    slot.source(),
                    place(slot)
                ),
            );
        }
    }

    /// Messages that were in progress at the last look too, running or preempted.
    fn look_for_endless(&mut self) {
        let node = self.node;
        let mut seen = HashMap::new();
        let mut alarms = Vec::new();
        let mut look = |slot: &Arc<Slot>, version: u64| {
            let messages = slot.messages();
            if self.in_progress.get(&slot.address()) == Some(&messages)
                && seen.get(&slot.address()) != Some(&messages)
            {
                alarms.push((Arc::clone(slot), version));
            }
            seen.insert(slot.address(), messages);
        };
        for worker in &node.sched.workers {
            let (visit, version) = (worker.visit(), worker.version());
            if version % 2 == 1
                && let Some(slot) = visit.and_then(|(address, _)| node.slots.get(address))
            {
                look(&slot, version);
            }
        }
        let mut waiting = Vec::new();
        node.sched
            .slow
            .for_each(|slot| waiting.push(Arc::clone(slot)));
        for slot in waiting.iter().filter(|slot| slot.mailbox.is_preempted()) {
            // No worker is in it at the moment; its own count of starts and ends stands in.
            look(slot, slot.messages() * 2 - 1);
        }
        self.in_progress = seen;
        for (slot, version) in alarms {
            self.alarm(&slot, version);
        }
    }

    fn alarm(&self, slot: &Slot, version: u64) {
        let (from, to) = (slot.source(), slot.address());
        slot.set_endless();
        self.node.log(
            Address::NONE,
            format!(
                "error: A message from [ {from} ] to [ {to} ] maybe in an endless loop (version = {version})"
            ),
        );
        let others = if self.node.preempt_ms() == 0 {
            "its worker does nothing else meanwhile, as welkin_preempt_ms is 0"
        } else {
            "other services go on as far as it is Lua code that runs"
        };
        self.node.log(
            Address::NONE,
            format!(
                "service {to} is in the same message from {from} for more than 5 s{}; {others}. To stop \
                 the message: `signal {to}` in the debug console (it fails with an error at the line \
                 where it is); to end the service: `kill {to}`",
                place(slot)
            ),
        );
    }
}

impl Node {
    /// Lets the service note where it is, if a worker is in a message of it: [`Control::describe`] tells
    /// it a moment later. One that can be preempted is.
    ///
    /// [`Control::describe`]: crate::Control::describe
    pub fn ask_where(&self, address: Address) {
        for worker in &self.sched.workers {
            let visits = worker
                .visit()
                .is_some_and(|(visited, _)| visited == address);
            if visits && let Some(thread) = &*worker.thread.lock() {
                preempt::interrupt(thread);
            }
        }
    }
}

pub(crate) fn preempt_worker(worker: &Worker) {
    worker.ask_to_yield();
    if let Some(thread) = &*worker.thread.lock() {
        preempt::interrupt(thread);
    }
}

/// ", now at chat.lua:88", or nothing when the service cannot say.
fn place(slot: &Slot) -> String {
    match slot.control().map(|control| control.describe()) {
        Some(place) if !place.is_empty() => format!(", now at {place}"),
        _ => String::new(),
    }
}

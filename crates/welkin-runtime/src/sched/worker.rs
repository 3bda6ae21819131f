//! The loop of a worker: timers, sockets, the next service, sleep.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::message::{Address, Message};
use crate::node::Node;
use crate::os;
use crate::preempt;
use crate::sched::handover::Seat;
use crate::sched::idle::{NEVER, Sleep};
use crate::sched::role::{self, Here, Role};
use crate::sched::{Sched, Worker};
use crate::slot::Slot;
use crate::warm;

/// Stack of a worker: C modules and deep Lua recursion need room; only what is used is paged in.
const STACK_BYTES: usize = 8 << 20;
/// A busy worker looks at the sockets after so many visits or so much time.
const LOOK_VISITS: u32 = 64;
const LOOK_NS: i64 = 1_000_000;
/// What comes from outside, and what is patient, is looked at first after so many picks.
const OUTSIDE_PICKS: u32 = 32;
/// While others wait, slow services get one part in this many plus one of a worker's time.
const FAST_PARTS: i64 = 3;
/// How far the account between fast and slow time may go either way.
const CREDIT_NS_MAX: i64 = 3_000_000;
/// A next slot of another worker that stands still for so long is taken.
const STALE_NS: i64 = 30_000;
/// What ran so long ago is taken to have left the processor's cache: others have used a few MiB since. To
/// fetch what is there already would be half of the work of a short message.
const COLD_NS: i64 = 1_000_000;

/// What a worker thread carries from visit to visit.
pub(super) struct Loop {
    pub(super) node: Arc<Node>,
    /// Messages of the current visit; empty between visits.
    pub(super) batch: VecDeque<Message>,
    /// The monotonic clock as last read.
    pub(super) now_ns: i64,
    /// A service that has more to do while nobody else had; still marked as scheduled.
    current: Option<Arc<Slot>>,
    searching: bool,
    picks: u32,
    visits_since_look: u32,
    /// Fast time not yet matched by slow time.
    credit_ns: i64,
    /// The last round of giving memory back that this thread took part in.
    tidied: u32,
}

/// Starts a worker thread; it waits at `seat` for a role.
pub(super) fn spawn(node: Arc<Node>, seat: Arc<Seat>, number: usize) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(format!("worker-{number}"))
        .stack_size(STACK_BYTES)
        .spawn(move || thread_main(node, seat))
}

fn thread_main(node: Arc<Node>, seat: Arc<Seat>) {
    let registered = preempt::Registered::new();
    let handle = registered.handle();
    role::set_here(Some(Here {
        node: Arc::clone(&node),
        seat: Arc::clone(&seat),
        handle: Arc::clone(&handle),
    }));
    let mut work = Loop::new(Arc::clone(&node));
    while let Some(index) = seat.wait() {
        *node.sched.workers[index].thread.lock() = Some(Arc::clone(&handle));
        role::set(Role {
            node: node.sched.id,
            index,
            in_service: false,
        });
        work.run();
        role::clear();
        if node.sched.is_stopped() || !node.sched.handover.become_spare(&seat) {
            break;
        }
    }
    role::set_here(None);
}

impl Loop {
    fn new(node: Arc<Node>) -> Loop {
        Loop {
            node,
            batch: VecDeque::new(),
            now_ns: os::monotonic_ns(),
            current: None,
            searching: false,
            picks: 0,
            visits_since_look: 0,
            credit_ns: 0,
            tidied: 0,
        }
    }

    /// Works until the role is given away or the node stops; the thread has left the role then.
    fn run(&mut self) {
        self.wake_up();
        while !self.node.sched.is_stopped() {
            if self.node.sched.handover.is_wanted() && self.give_role_away() {
                return;
            }
            if self.now_ns >= self.node.timers.next_ns() {
                self.fire_timers();
            }
            self.look_at_sockets();
            match self.pick() {
                Some(slot) => self.visit_picked(slot),
                None => self.idle(),
            }
        }
        let worker = self.role();
        *worker.thread.lock() = None;
        worker.awake.store(false, Ordering::Relaxed);
    }

    /// The role this thread has at the moment; it may be another after a call into a service.
    pub(super) fn role(&self) -> &Worker {
        &self.sched().workers[role::get().index]
    }

    fn sched(&self) -> &Sched {
        &self.node.sched
    }

    fn visit_picked(&mut self, slot: Arc<Slot>) {
        let (start, slow) = (self.now_ns, slot.is_slow());
        role::set_in_service(true);
        self.current = self.visit(slot);
        role::set_in_service(false);
        let took = self.now_ns - start;
        let change = if slow { -FAST_PARTS * took } else { took };
        self.credit_ns = (self.credit_ns + change).clamp(-CREDIT_NS_MAX, CREDIT_NS_MAX);
        self.visits_since_look += 1;
    }

    /// The next service to visit; none: start searching.
    fn pick(&mut self) -> Option<Arc<Slot>> {
        if let Some(slot) = self.current.take() {
            if !self.sched().others_wait(role::get().index) {
                return Some(slot);
            }
            self.role().queue.push_back(slot);
            if self.role().queue.has_several() {
                self.sched().notify();
            }
        }
        self.picks = self.picks.wrapping_add(1);
        let picked = self.pick_queued();
        if picked.is_some() {
            self.stop_searching();
        }
        picked
    }

    fn pick_queued(&self) -> Option<Arc<Slot>> {
        let sched = self.sched();
        if self.picks.is_multiple_of(OUTSIDE_PICKS)
            && let Some(slot) = sched.outside.pop().or_else(|| sched.patient.pop())
        {
            return Some(slot);
        }
        if self.credit_ns >= 0
            && let Some(slot) = sched.slow.pop()
        {
            return Some(slot);
        }
        self.role()
            .queue
            .pop_ahead(|next| fetch_ahead(next, self.now_ns))
            .or_else(|| sched.outside.pop())
            .or_else(|| sched.patient.pop())
            .or_else(|| sched.slow.pop())
    }

    fn stop_searching(&mut self) {
        if !std::mem::take(&mut self.searching) {
            return;
        }
        if self.sched().idle.stop_searching() && self.sched().has_work() {
            self.sched().notify();
        }
    }

    fn idle(&mut self) {
        if !self.searching {
            self.searching = true;
            self.sched().idle.start_searching();
        }
        if let Some(slot) = self.search() {
            self.stop_searching();
            self.now_ns = os::monotonic_ns();
            return self.visit_picked(slot);
        }
        self.node.tidy.take_part(&mut self.tidied);
        self.role().awake.store(false, Ordering::Relaxed);
        let sched = self.sched();
        let slept = sched.idle.sleep(
            || sched.has_work(),
            || self.node.timers.next_ns(),
            || sched.driver.wake(),
        );
        if let Sleep::Lead { until } = slept {
            self.poll(timeout_until(until));
            sched.idle.led();
        }
        self.wake_up();
    }

    /// The worker is awake from here; the monitor must watch.
    fn wake_up(&mut self) {
        self.role().awake.store(true, Ordering::Relaxed);
        // Pairs with the monitor's fence before it parks: one of the two sees the other.
        fence(Ordering::SeqCst);
        self.sched().monitor.unpark_if_parked();
        self.now_ns = os::monotonic_ns();
        self.visits_since_look = 0;
    }

    /// Takes work from other workers.
    fn search(&self) -> Option<Arc<Slot>> {
        let sched = self.sched();
        let own = role::get().index;
        let others = sched.workers.len();
        // Each worker begins behind itself, so that thieves do not all go to the same victim.
        let mut victims = (1..others).map(|step| (own + step) % others);
        victims
            .find_map(|victim| sched.workers[victim].queue.steal_into(&self.role().queue))
            .or_else(|| self.search_stale_next(own))
    }

    /// Watches the next slots of the others for a moment and takes one that stands still.
    fn search_stale_next(&self, own: usize) -> Option<Arc<Slot>> {
        let sched = self.sched();
        let (victim, version) = sched
            .workers
            .iter()
            .enumerate()
            .filter(|&(index, _)| index != own)
            .find_map(|(_, worker)| Some((worker, worker.queue.next_version()?)))?;
        let end = os::monotonic_ns() + STALE_NS;
        while os::monotonic_ns() < end {
            if sched.has_work() || victim.queue.next_version() != Some(version) {
                return None;
            }
            std::hint::spin_loop();
        }
        victim.queue.steal_stale_next(version)
    }

    fn fire_timers(&mut self) {
        let node = &self.node;
        node.timers.fire(&node.clock, self.now_ns, |to, session| {
            node.post_timeout(to, session);
        });
        self.share();
    }

    fn look_at_sockets(&mut self) {
        if self.visits_since_look == 0 || !self.sched().has_sockets {
            return;
        }
        let looked = self.sched().looked_ns.load(Ordering::Relaxed);
        if self.now_ns - looked < LOOK_NS && self.visits_since_look < LOOK_VISITS {
            return;
        }
        self.visits_since_look = 0;
        self.sched().looked_ns.store(self.now_ns, Ordering::Relaxed);
        if !self.sched().idle.try_look() {
            return;
        }
        self.poll(Some(Duration::ZERO));
        self.sched().idle.looked();
        self.now_ns = os::monotonic_ns();
        self.share();
    }

    /// A panic in the driver must not cost the worker.
    fn poll(&self, timeout: Option<Duration>) {
        self.node
            .guarded(Address::NONE, "while sockets were polled", || {
                self.sched().driver.poll(&self.node, timeout);
            });
    }

    /// After timers or sockets have put services on the own queue: others may help with all but one.
    fn share(&self) {
        if !self.searching && self.role().queue.len() > 1 {
            self.sched().notify();
        }
    }

    /// Gives the role to a thread that is back from a blocking call.
    fn give_role_away(&mut self) -> bool {
        if let Some(slot) = self.current.take() {
            self.role().queue.push_back(slot);
        }
        self.stop_searching();
        let index = role::get().index;
        *self.role().thread.lock() = None;
        if self.sched().handover.give_back(index) {
            return true;
        }
        let handle = role::here().map(|here| here.handle);
        *self.role().thread.lock() = handle;
        false
    }
}

/// While the present service runs, the memory of the next comes into the cache if it was used too long ago
/// to be there, and the slot of the one behind, so that it can be looked at by then.
fn fetch_ahead(next: &VecDeque<Arc<Slot>>, now_ns: i64) {
    if let Some(slot) = next.get(1) {
        warm::fetch_value(Arc::as_ptr(slot));
    }
    if let Some(slot) = next.front()
        && now_ns - slot.since_ns() > COLD_NS
    {
        slot.fetch();
    }
}

fn timeout_until(until_ns: i64) -> Option<Duration> {
    if until_ns == NEVER {
        return None;
    }
    let left = until_ns - os::monotonic_ns();
    Some(Duration::from_nanos(left.max(0).cast_unsigned()))
}

//! The life of services and of the node: launch, kill, abort, run.
//!
//! A service that is ended leaves the table at once: nobody finds it any more, its names are free.
//! The worker that has it, or the next one that gets it, answers what is in its mailbox and drops it
//! (`sched/visit.rs`). A service in the middle of a message finishes that, within limits that the
//! monitor sets.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use crate::message::{Address, Message, kind};
use crate::node::Node;
use crate::sched::monitor;
use crate::sched::visit::panic_text;
use crate::service::{Context, LaunchError, Module, NewService, Service};
use crate::slot::Slot;

impl Node {
    /// Makes a service of the module; its init runs on the calling thread. `None`: there is no such
    /// module, it made none, or the service ended itself meanwhile.
    pub fn launch(self: &Arc<Self>, module: &[u8], args: &[u8]) -> Option<Address> {
        let name = std::str::from_utf8(module).ok()?;
        let maker = self.modules.read().get(name).cloned()?;
        if self.aborting.load(Ordering::SeqCst) {
            return None;
        }
        let slot = self.new_slot(name, &*maker)?;
        match self.create(&slot, &*maker, args) {
            Ok(new) => self.open(&slot, new, name, args),
            Err(error) => {
                if error == LaunchError::Failed {
                    self.log(slot.address(), format!("error: launch {name} FAILED"));
                }
                self.retire(slot.address());
                for message in slot.mailbox.drain() {
                    self.answer_error(slot.address(), &message);
                }
                self.finish_service(&slot, None, false);
                None
            }
        }
    }

    fn new_slot(&self, name: &str, module: &dyn Module) -> Option<Arc<Slot>> {
        let counts = !module.background();
        if counts {
            self.alive.fetch_add(1, Ordering::SeqCst);
        }
        let slot = self
            .slots
            .insert(|address| Slot::new(address, counts, module.patient()));
        if slot.is_none() {
            if counts {
                self.service_gone();
            }
            self.log(
                Address::NONE,
                format!(
                    "error: launch {name} failed: all {} addresses of the node are in use",
                    Address::NUMBER_MASK
                ),
            );
        }
        slot
    }

    fn create(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        module: &dyn Module,
        args: &[u8],
    ) -> Result<NewService, LaunchError> {
        let cx = Context { node: self, slot };
        catch_unwind(AssertUnwindSafe(|| module.create(&cx, args))).unwrap_or_else(|panic| {
            let text = format!(
                "error: init panicked: {}. Standard error has file and line",
                panic_text(&*panic)
            );
            self.log(slot.address(), text);
            Err(LaunchError::Failed)
        })
    }

    fn open(&self, slot: &Arc<Slot>, new: NewService, name: &str, args: &[u8]) -> Option<Address> {
        let address = slot.address();
        let ended = slot.is_ended();
        if !ended {
            // The logger's own line has no logger to go to, and is not written.
            let line = [b"LAUNCH ", name.as_bytes(), b" ", args].concat();
            let _ = self.try_log(address, &line);
        }
        slot.set_control(new.control);
        if slot.mailbox.open(new.service) {
            self.sched.schedule(Arc::clone(slot));
        }
        // A launch that began before an abort and was not seen by it.
        if self.aborting.load(Ordering::SeqCst) {
            self.retire(address);
        }
        (!ended).then_some(address)
    }

    /// Ends a service. The monitor service hears of it, also (as in skynet) when there is no such
    /// service; the result is false then.
    pub fn kill(&self, address: Address) -> bool {
        let killed = self.retire(address);
        let monitor = self.monitor_address();
        if !monitor.is_none() {
            drop(self.post(monitor, Message::bare(address, 0, kind::CLIENT)));
        }
        killed
    }

    /// Takes a service out of the table and lets a worker end it.
    fn retire(&self, address: Address) -> bool {
        let Some(slot) = self.slots.remove(address) else {
            return false;
        };
        self.names.forget(address);
        slot.set_ended();
        if slot.mailbox.close() {
            self.sched.schedule(slot);
        } else {
            self.sched.monitor.watch_dying(slot);
        }
        true
    }

    /// Ends all services, the logger last, so that the others' last lines are written. [`Node::run`]
    /// returns when they are gone.
    pub fn abort(&self) {
        if self.aborting.swap(true, Ordering::SeqCst) {
            return;
        }
        let logger = self.names.query(b"logger");
        for address in self.services() {
            if Some(address) != logger {
                self.retire(address);
            }
        }
        self.end_logger();
    }

    /// While aborting: lets the logger write what it has, and end, once it is the last.
    fn end_logger(&self) {
        if !self.aborting.load(Ordering::SeqCst) || self.alive.load(Ordering::SeqCst) > 1 {
            return;
        }
        let logger = self
            .names
            .query(b"logger")
            .and_then(|logger| self.slot(logger));
        if let Some(logger) = logger.filter(|logger| logger.counts) {
            logger.set_last_words();
            self.retire(logger.address());
        }
    }

    /// The service is dropped here, on a worker or, when the node stops, on the thread of `run`.
    pub(crate) fn finish_service(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        service: Option<Box<dyn Service>>,
        panicked: bool,
    ) {
        let (address, cx) = (slot.address(), Context { node: self, slot });
        self.guarded(address, "while it ended", || {
            if let Some(mut service) = service {
                if !panicked {
                    service.ended(&cx);
                }
                drop(service);
            }
        });
        self.guarded(address, "while its sockets were closed", || {
            self.sched.driver.service_ended(self, address);
        });
        if slot.is_tapped() {
            self.taps.lock().remove(&slot.address());
        }
        if self.mailbox_max > 0 {
            self.refusals.forget(slot.address());
        }
        self.tidy.want();
        if slot.set_gone() && slot.counts {
            self.service_gone();
        }
    }

    /// Runs `f` and turns a panic into a log line.
    pub(crate) fn guarded(&self, who: Address, when: &str, f: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
            let text = format!(
                "error: {who} panicked {when}: {}. Other services go on; standard error has file and line",
                panic_text(&*panic)
            );
            self.log(who, text);
        }
    }

    fn service_gone(&self) {
        if self.alive.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Before `run` a service may fail and another take its place.
            if self.running.load(Ordering::SeqCst) {
                self.sched.stop();
            }
        } else {
            self.end_logger();
        }
    }

    /// Runs the node: starts monitor and workers, and returns when no service is left (those of
    /// background modules are ended then). Once for each node.
    ///
    /// # Panics
    /// When the system gives no threads.
    pub fn run(self: &Arc<Self>) {
        self.running.store(true, Ordering::SeqCst);
        if self.alive.load(Ordering::SeqCst) > 0 {
            let node = Arc::clone(self);
            let monitor = thread::Builder::new()
                .name("monitor".to_owned())
                .spawn(move || monitor::run(&node))
                .expect("a thread for the monitor");
            for index in 0..self.workers() {
                let started = self.sched.handover.find_thread(self, index);
                // Services may have come to their end while the workers start.
                let needed = !self.sched.is_stopped();
                assert!(
                    started || !needed,
                    "no thread for worker {index}: see the limits of the system"
                );
            }
            self.sched.wait_for_stop();
            self.sched.handover.join();
            // A panic there has been reported by the panic hook.
            let _ = monitor.join();
        }
        self.end_background();
    }

    /// After the workers: ends what did not keep the node alive.
    fn end_background(self: &Arc<Self>) {
        self.aborting.store(true, Ordering::SeqCst);
        for address in self.services() {
            self.retire(address);
        }
        while let Some(slot) = self.sched.take_queued() {
            let turn = slot.mailbox.begin(&mut Default::default(), usize::MAX);
            self.finish_service(&slot, turn.service, false);
        }
    }
}

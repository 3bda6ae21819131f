//! A node: its services and what they share.
//!
//! The type and its accessors are here; what it does is in `post.rs` (messages, log lines), `life.rs`
//! (launch, kill, abort), `command.rs` (text commands) and `sched/`. Each field is shared by all
//! threads and locks for itself; no two of these locks are held at once, except that a mailbox is
//! filled under its table shard's read lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::{Mutex, RwLock};

use crate::clock::Clock;
use crate::env::{Env, EnvExists};
use crate::message::Address;
use crate::names::Names;
use crate::os;
use crate::payload::blocks;
use crate::post::Refusals;
use crate::sched::Sched;
use crate::sched::tidy::Tidy;
use crate::service::{Driver, Module, Remote, Tap, TapFactory};
use crate::slot::Slot;
use crate::table::Table;
use crate::timer::Timers;

/// A set of services with their workers, always behind an [`Arc`].
pub struct Node {
    pub(crate) slots: Table<Slot>,
    pub(crate) names: Names,
    env: Env,
    pub(crate) modules: RwLock<HashMap<String, Arc<dyn Module>>>,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    pub(crate) sched: Sched,
    pub(crate) remote: OnceLock<Arc<dyn Remote>>,
    pub(crate) refusals: Refusals,
    pub(crate) tap_factory: Option<Box<dyn TapFactory>>,
    pub(crate) taps: Mutex<HashMap<Address, Box<dyn Tap>>>,
    pub(crate) tidy: Tidy,
    /// Who hears of ended services (command `MONITOR`); 0: nobody.
    pub(crate) monitor: AtomicU32,
    /// Services that keep the node alive and are not gone.
    pub(crate) alive: AtomicUsize,
    pub(crate) aborting: AtomicBool,
    /// `run` has been called.
    pub(crate) running: AtomicBool,
    harbor: u8,
    profile: bool,
    preempt_ms: u32,
    pub(crate) slow_ns: i64,
    pub(crate) mailbox_max: usize,
}

/// Settings of a new node.
#[must_use]
pub struct NodeBuilder {
    workers: usize,
    harbor: u8,
    profile: bool,
    driver: Option<Arc<dyn Driver>>,
    preempt_ms: u32,
    slow_ms: u32,
    mailbox_max: usize,
    tap_factory: Option<Box<dyn TapFactory>>,
    tidy: Option<fn()>,
}

impl NodeBuilder {
    /// Services that run at once, at least 1. Default: one for each core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The node's id in its harbor network, 0 without one (default).
    pub fn harbor(mut self, id: u8) -> Self {
        self.harbor = id;
        self
    }

    /// Whether CPU time is measured (default: yes).
    pub fn profile(mut self, profile: bool) -> Self {
        self.profile = profile;
        self
    }

    /// The source of socket events. Default: none.
    pub fn driver(mut self, driver: Arc<dyn Driver>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// How long a service may run while others wait, in milliseconds; 0: as long as it likes.
    /// Default: 5.
    pub fn preempt_ms(mut self, ms: u32) -> Self {
        self.preempt_ms = ms;
        self
    }

    /// CPU time of a message from which on it is asked where it is, in milliseconds; 0: none is
    /// (default).
    pub fn slow_ms(mut self, ms: u32) -> Self {
        self.slow_ms = ms;
        self
    }

    /// Messages that one mailbox holds at most; 0: no limit (default).
    pub fn mailbox_max(mut self, messages: usize) -> Self {
        self.mailbox_max = messages;
        self
    }

    /// Who opens message dumps (commands `LOGON`, `LOGOFF`). Default: nobody.
    pub fn tap_factory(mut self, factory: Box<dyn TapFactory>) -> Self {
        self.tap_factory = Some(factory);
        self
    }

    /// What each worker calls, on its own thread and between services, some time after services have
    /// ended: the place to give memory back to the system. At most once a second. Default: nothing.
    pub fn tidy(mut self, give_back: fn()) -> Self {
        self.tidy = Some(give_back);
        self
    }

    /// The node. Its time begins here; nothing runs before [`Node::run`].
    pub fn build(self) -> Arc<Node> {
        blocks::settle();
        Arc::new(Node {
            slots: Table::new(self.harbor),
            names: Names::default(),
            env: Env::default(),
            modules: RwLock::default(),
            clock: Clock::start(),
            timers: Timers::new(),
            sched: Sched::new(self.workers, self.driver),
            remote: OnceLock::new(),
            refusals: Refusals::default(),
            tap_factory: self.tap_factory,
            taps: Mutex::default(),
            tidy: Tidy::new(self.tidy),
            monitor: AtomicU32::new(0),
            alive: AtomicUsize::new(0),
            aborting: AtomicBool::new(false),
            running: AtomicBool::new(false),
            harbor: self.harbor,
            profile: self.profile,
            preempt_ms: self.preempt_ms,
            slow_ns: i64::from(self.slow_ms) * 1_000_000,
            mailbox_max: self.mailbox_max,
        })
    }
}

impl Node {
    /// Begins the settings of a node.
    pub fn builder() -> NodeBuilder {
        NodeBuilder {
            workers: thread::available_parallelism().map_or(1, usize::from),
            harbor: 0,
            profile: true,
            driver: None,
            preempt_ms: 5,
            slow_ms: 0,
            mailbox_max: 0,
            tap_factory: None,
            tidy: None,
        }
    }

    /// Makes a kind of service known by name; a later one of the same name replaces it.
    pub fn register_module(&self, name: &str, module: Arc<dyn Module>) {
        self.modules.write().insert(name.to_owned(), module);
    }

    /// Sets the way to other nodes, once; later calls are without effect.
    pub fn set_remote(&self, remote: Arc<dyn Remote>) {
        let _ = self.remote.set(remote);
    }

    /// Gives `address` the local name `name` (without dot). False: it is taken.
    pub fn name_register(&self, name: &[u8], address: Address) -> bool {
        self.names.register(name, address)
    }

    /// Whose local name (without dot) this is.
    pub fn name_query(&self, name: &[u8]) -> Option<Address> {
        self.names.query(name)
    }

    /// What the service at `address` is called, for people: its program's name, else its first local
    /// name (without dot). `None`: it has neither, or is gone.
    pub fn service_name(&self, address: Address) -> Option<String> {
        let slot = self.slot(address)?;
        let program = slot.control().map_or("", |control| control.name());
        if !program.is_empty() {
            return Some(program.to_owned());
        }
        let name = self.names.of(address)?;
        Some(String::from_utf8_lossy(&name).into_owned())
    }

    /// A value of the node environment.
    pub fn env_get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.env.get(key)
    }

    /// Adds a value to the node environment; one that exists cannot be changed.
    pub fn env_set(&self, key: &[u8], value: &[u8]) -> Result<(), EnvExists> {
        self.env.set(key, value)
    }

    /// Hundredths of a second since [`Node::start_time`]: it begins at 0 to 99 and is monotonic.
    pub fn now(&self) -> i64 {
        self.clock.tick(os::monotonic_ns())
    }

    /// Unix time of the node's start, whole seconds.
    pub fn start_time(&self) -> i64 {
        self.clock.start_s()
    }

    /// Nanoseconds of the monotonic clock, from an arbitrary start.
    pub fn hpc() -> i64 {
        os::monotonic_ns()
    }

    /// The slot behind an address, as long as the service lives.
    pub fn slot(&self, address: Address) -> Option<Arc<Slot>> {
        self.slots.get(address)
    }

    /// The addresses of all services, ascending.
    pub fn services(&self) -> Vec<Address> {
        self.slots.addresses()
    }

    /// The service that hears of ended ones; [`Address::NONE`] without one.
    pub fn monitor_address(&self) -> Address {
        Address(self.monitor.load(Ordering::Relaxed))
    }

    /// Sets who hears of ended services.
    pub fn set_monitor_address(&self, address: Address) {
        self.monitor.store(address.0, Ordering::Relaxed);
    }

    /// The node's id in its harbor network.
    pub fn harbor(&self) -> u8 {
        self.harbor
    }

    /// Whether the address belongs to another node.
    pub fn is_remote(&self, address: Address) -> bool {
        address.harbor() != self.harbor && address.harbor() != 0
    }

    /// How many services run at once.
    pub fn workers(&self) -> usize {
        self.sched.workers.len()
    }

    /// Much memory that was no service's has been freed: it may go back to the system, as after the end
    /// of services.
    pub fn memory_freed(&self) {
        self.tidy.want();
    }

    /// Whether CPU time is measured.
    pub fn profile(&self) -> bool {
        self.profile
    }

    /// The slice of a service while others wait, in milliseconds; 0: no preemption.
    pub fn preempt_ms(&self) -> u32 {
        self.preempt_ms
    }
}

//! What programs want to be called for by the node itself: its end, its draining, the number of players
//! (`welkin.on_exit`, `on_drain`, `online`).
//!
//! The functions live in their services; here is only who has some. To run them the node sends the
//! service a debug message `("welkin.hook", which, ticket)`, which `lualib/welkin/hooks.lua` takes in a
//! coroutine, so they may block. The service reports by native functions (`bindings/hooks.rs`) under the
//! ticket, not by an answer: nobody but the asking thread waits for it, and that is no service.
//!
//! Who registers is a table, so it is as large as there are services with hooks. Each service is asked
//! for one thing at most once at a time, so tickets are bounded likewise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use welkin_codec::seri::Writer;
use welkin_runtime::{Address, Message, Node, Payload, kind};

/// What a function is called for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Hook {
    /// The end of a node that drains.
    Exit,
    /// The beginning of draining.
    Drain,
    /// The number of players.
    Online,
}

impl Hook {
    /// Its name between here and `welkin/hooks.lua`.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Exit => "exit",
            Hook::Drain => "drain",
            Hook::Online => "online",
        }
    }

    /// The hook of that name.
    pub fn named(name: &[u8]) -> Option<Hook> {
        let all = [Hook::Exit, Hook::Drain, Hook::Online];
        all.into_iter().find(|hook| hook.name().as_bytes() == name)
    }
}

/// The hooks of a node.
#[derive(Debug, Default)]
pub struct Hooks {
    state: Mutex<State>,
    changed: Condvar,
    /// Somebody has registered, ever: until then the end of services costs nothing.
    used: AtomicBool,
    ready: AtomicBool,
    draining: AtomicBool,
    start_failed: AtomicBool,
    /// Errors of programs in messages, since the start.
    errors: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    exit: BTreeSet<Address>,
    drain: BTreeSet<Address>,
    online: BTreeSet<Address>,
    /// Who is at work, and numbers that were not fetched yet.
    asked: BTreeMap<u64, Asked>,
    last_ticket: u64,
}

/// A service that was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The service.
    pub address: Address,
    /// For what.
    pub hook: Hook,
    /// The function that runs, by the place where it begins: `chat.lua:12`. Empty: none has begun.
    pub function: String,
    /// Where it was when that was asked: `save at chat.lua:20`.
    pub at: Option<String>,
    number: Number,
}

/// What a question for players brought.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Number {
    Awaited,
    /// It did not come in time; it is thrown away when it does.
    Unwanted,
    Said(Option<u64>),
}

impl State {
    fn set(&mut self, hook: Hook) -> &mut BTreeSet<Address> {
        match hook {
            Hook::Exit => &mut self.exit,
            Hook::Drain => &mut self.drain,
            Hook::Online => &mut self.online,
        }
    }

    fn done(&mut self, ticket: u64, number: Option<u64>) {
        let Some(asked) = self.asked.get_mut(&ticket) else {
            return;
        };
        match asked.number {
            Number::Awaited if asked.hook == Hook::Online => asked.number = Number::Said(number),
            _ => drop(self.asked.remove(&ticket)),
        }
    }
}

impl Hooks {
    /// The service has a function for `hook` from now on.
    pub fn register(&self, address: Address, hook: Hook) {
        self.used.store(true, Ordering::Relaxed);
        self.state.lock().set(hook).insert(address);
    }

    /// The service has ended: what it was asked is over.
    pub fn forget(&self, address: Address) {
        if !self.used.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state.lock();
        for hook in [Hook::Exit, Hook::Drain, Hook::Online] {
            state.set(hook).remove(&address);
        }
        let asked = state.asked.iter();
        let own = asked.filter(|(_, asked)| asked.address == address);
        for ticket in own.map(|(ticket, _)| *ticket).collect::<Vec<_>>() {
            state.done(ticket, None);
        }
        self.changed.notify_all();
    }

    /// How many services want to hear of the end or of draining.
    pub fn count(&self) -> usize {
        let state = self.state.lock();
        state.exit.union(&state.drain).count()
    }

    /// The services with a function for `hook`, in the order of their start as far as addresses tell it;
    /// true: it is asked for, false: it is at work since it was asked before.
    pub fn with(&self, hook: Hook) -> Vec<(Address, bool)> {
        let mut state = self.state.lock();
        let asked = state.asked.values();
        let at_work = asked.filter(|asked| asked.hook == hook && !asked.is_said());
        let at_work: BTreeSet<Address> = at_work.map(|asked| asked.address).collect();
        let all = state.set(hook).iter();
        all.map(|address| (*address, !at_work.contains(address)))
            .collect()
    }

    /// The service started last of those with exit hooks; it has none any more after this.
    pub fn take_last_exit(&self) -> Option<Address> {
        self.state.lock().exit.pop_last()
    }

    /// Asks a service; the ticket under which it reports.
    pub fn ask(&self, node: &Node, address: Address, hook: Hook) -> u64 {
        let ticket = {
            let mut state = self.state.lock();
            state.last_ticket += 1;
            let ticket = state.last_ticket;
            state.asked.insert(ticket, Asked::new(address, hook));
            ticket
        };
        if !send(node, address, hook.name(), ticket) {
            self.done(ticket, None);
        }
        ticket
    }

    /// Asks the service of a ticket where its function is.
    pub fn locate(&self, node: &Node, ticket: u64, address: Address) {
        // One that has ended meanwhile is nowhere.
        let _ = send(node, address, "where", ticket);
    }

    /// The service has begun a function, or says where it is.
    pub fn note(&self, ticket: u64, function: &str, at: Option<&str>) {
        let mut state = self.state.lock();
        if let Some(asked) = state.asked.get_mut(&ticket) {
            function.clone_into(&mut asked.function);
            asked.at = at.map(String::from);
            self.changed.notify_all();
        }
    }

    /// The service is through.
    pub fn done(&self, ticket: u64, number: Option<u64>) {
        self.state.lock().done(ticket, number);
        self.changed.notify_all();
    }

    /// Waits until nobody is at work for `hook` any more whose answer is wanted, or `until`.
    pub fn wait(&self, hook: Hook, until: Instant) -> bool {
        self.wait_for(until, |state| {
            // The last first: who is slow is found early, so that thousands are not looked at again
            // and again.
            let mut asked = state.asked.values().rev();
            !asked.any(|asked| asked.hook == hook && asked.number == Number::Awaited)
        })
    }

    /// Waits until all that are at work have said where they are, or `until`.
    pub fn wait_located(&self, until: Instant) {
        self.wait_for(until, |state| {
            let mut asked = state.asked.values();
            asked.all(|asked| asked.hook == Hook::Online || asked.at.is_some())
        });
    }

    fn wait_for(&self, until: Instant, over: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state.lock();
        while !over(&state) {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return over(&state);
            }
        }
        true
    }

    /// What the service of a ticket said, once; from one that has not said it yet it is not wanted any
    /// more.
    pub fn take_number(&self, ticket: u64) -> Option<u64> {
        let mut state = self.state.lock();
        let asked = state.asked.get_mut(&ticket)?;
        match asked.number {
            Number::Said(number) => {
                state.asked.remove(&ticket);
                number
            }
            _ => {
                asked.number = Number::Unwanted;
                None
            }
        }
    }

    /// Who is still at an exit or drain hook, by ticket.
    pub fn unfinished(&self) -> Vec<(u64, Asked)> {
        let state = self.state.lock();
        let asked = state.asked.iter();
        asked
            .filter(|(_, asked)| asked.hook != Hook::Online)
            .map(|(ticket, asked)| (*ticket, asked.clone()))
            .collect()
    }

    /// `welkin.ready()` was called.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The node drains, or does so no more.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// What `welkin.draining()` says.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// A message ended with an error of the program.
    pub fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// How many did.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The node's start service did not start.
    pub fn set_start_failed(&self) {
        self.start_failed.store(true, Ordering::Relaxed);
    }

    /// Whether it did not.
    pub fn is_start_failed(&self) -> bool {
        self.start_failed.load(Ordering::Relaxed)
    }
}

impl Asked {
    fn new(address: Address, hook: Hook) -> Asked {
        Asked {
            address,
            hook,
            function: String::new(),
            at: None,
            number: Number::Awaited,
        }
    }

    fn is_said(&self) -> bool {
        matches!(self.number, Number::Said(_))
    }
}

/// False: there is no such service.
fn send(node: &Node, to: Address, what: &str, ticket: u64) -> bool {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    // Names of a few letters are never too long.
    let _ = writer.string(b"welkin.hook");
    let _ = writer.string(what.as_bytes());
    writer.integer(ticket.cast_signed());
    let message = Message {
        source: Address::NONE,
        session: 0,
        kind: kind::DEBUG,
        payload: Payload::copy_from(&bytes),
    };
    node.post(to, message).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAST: fn() -> Instant = Instant::now;

    #[test]
    fn exit_hooks_are_taken_from_the_last_service_to_the_first_and_once() {
        let hooks = Hooks::default();
        for address in [9, 8, 12] {
            hooks.register(Address(address), Hook::Exit);
        }
        hooks.register(Address(20), Hook::Drain);
        assert_eq!(hooks.count(), 4);
        let taken = std::iter::from_fn(|| hooks.take_last_exit());
        assert_eq!(taken.map(|a| a.0).collect::<Vec<_>>(), [12, 9, 8]);
        hooks.register(Address(8), Hook::Exit);
        assert_eq!(hooks.take_last_exit(), Some(Address(8)));
    }

    #[test]
    fn a_service_that_is_gone_is_waited_for_no_more() {
        let (hooks, node) = (Hooks::default(), Node::builder().build());
        hooks.register(Address(8), Hook::Drain);
        hooks.ask(&node, Address(8), Hook::Drain);
        assert!(
            hooks.wait(Hook::Drain, PAST()),
            "there never was such a one"
        );
        hooks.forget(Address(8));
        assert!(hooks.with(Hook::Drain).is_empty());
        assert_eq!(hooks.count(), 0);
    }

    #[test]
    fn who_is_at_work_is_not_asked_again() {
        let hooks = Hooks::default();
        hooks.register(Address(8), Hook::Online);
        let ask = || {
            let asked = Asked::new(Address(8), Hook::Online);
            hooks.state.lock().asked.insert(1, asked);
        };
        ask();
        assert_eq!(hooks.with(Hook::Online), [(Address(8), false)]);
        assert!(!hooks.wait(Hook::Online, PAST()));
        hooks.done(1, Some(5));
        assert!(hooks.wait(Hook::Online, PAST()));
        assert_eq!(hooks.with(Hook::Online), [(Address(8), true)]);
        assert_eq!(hooks.take_number(1), Some(5));
        assert_eq!(hooks.take_number(1), None);
        ask();
        assert_eq!(hooks.take_number(1), None, "not wanted any more");
        assert!(hooks.wait(Hook::Online, PAST()));
        assert_eq!(hooks.with(Hook::Online), [(Address(8), false)]);
        hooks.done(1, Some(5));
        assert_eq!(hooks.with(Hook::Online), [(Address(8), true)]);
    }
}

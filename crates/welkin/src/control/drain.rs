//! Draining: not ready, drain hooks, listeners closed, exit hooks, the end.
//!
//! All of it has `welkin_exit_ms` together. Drain hooks of all services run at the same time and are
//! waited for in the first half; who is not through then goes on beside the exit hooks, which run one
//! service after the other, last started first. Who is still at work when the time is over is asked
//! where, named in the log, and costs the exit status 1; the node ends without them. That end is orderly
//! (services are ended, the log is written), but only for [`END_MS_MAX`].

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use welkin_codec::control::LIST_MAX;
use welkin_lua::hooks::{Asked, Hook};
use welkin_net::SocketKind;
use welkin_runtime::Address;

use super::{Control, End, Phase, Stop};

/// How long services may say where their hooks are, after the time is over.
const LOCATE_MS_MAX: u64 = 200;
/// How long clients of `stop` have to be told the end.
const TELL_MS_MAX: u64 = 500;
/// How long services have to end. The monitor stops a loop in Lua after one second.
const END_MS_MAX: u64 = 3_000;

impl Control {
    /// The node is to end: begins to drain, or says that there is no need.
    pub(super) fn stop(self: &Arc<Self>) -> Stop {
        let mut told = self.told.lock();
        if told.phase != Phase::Serving {
            return Stop::Before;
        }
        if !self.manual && self.hooks.count() == 0 {
            return Stop::Plain;
        }
        let control = Arc::clone(self);
        let drains = thread::Builder::new().name("drain".to_owned());
        if drains.spawn(move || control.drain_and_end()).is_err() {
            // Without a thread nothing can be waited for.
            return Stop::Plain;
        }
        told.phase = Phase::Stopping;
        Stop::Begun
    }

    /// `welkin drain`: not ready, drain hooks run, the node goes on. Who is still at work when their
    /// time is over.
    pub(super) fn drain(&self) -> Vec<String> {
        let until = Instant::now() + self.exit;
        self.begin_draining();
        self.hooks.wait(Hook::Drain, until);
        let unfinished = self.hooks.unfinished();
        let lines = unfinished.iter().map(|(_, asked)| self.describe(asked));
        lines.take(LIST_MAX).collect()
    }

    /// Ready again; false: the node ends.
    pub(super) fn undrain(&self) -> bool {
        let told = self.told.lock();
        if told.phase != Phase::Serving {
            return false;
        }
        if self.hooks.is_draining() {
            self.hooks.set_draining(false);
            self.say("the node drains no more");
        }
        true
    }

    /// Waits until the node has drained to its end.
    pub(super) fn wait_for_end(&self) -> (u8, Vec<String>) {
        let mut told = self.told.lock();
        loop {
            if let Phase::Ended(end) = &told.phase {
                return (end.status, end.unfinished.clone());
            }
            self.changed.wait(&mut told);
        }
    }

    /// A connection will pass on the end, or has done so.
    pub(super) fn count_waiting(&self, more: bool) {
        let mut told = self.told.lock();
        match more {
            true => told.waiting += 1,
            false => told.waiting -= 1,
        }
        self.changed.notify_all();
    }

    fn begin_draining(&self) {
        if self.hooks.is_draining() {
            return;
        }
        self.hooks.set_draining(true);
        self.say("the node drains");
        for (address, free) in self.hooks.with(Hook::Drain) {
            if free {
                self.hooks.ask(&self.node, address, Hook::Drain);
            }
        }
    }

    fn drain_and_end(self: &Arc<Self>) {
        let began = Instant::now();
        let until = began + self.exit;
        self.say(format!(
            "the node is to end: its hooks have {} ms (welkin_exit_ms); a second signal ends it at once",
            self.exit.as_millis()
        ));
        self.begin_draining();
        self.hooks.wait(Hook::Drain, began + self.exit / 2);
        self.close_listeners();
        let never_ran = self.run_exit_hooks(until);
        self.hooks.wait(Hook::Drain, until);
        let end = self.outcome(&never_ran);
        let status = end.status;
        self.told.lock().phase = Phase::Ended(end);
        self.changed.notify_all();
        self.wait_until_told();
        self.node.abort();
        // The process ends in the middle of this, unless a service cannot be ended.
        thread::sleep(Duration::from_millis(END_MS_MAX));
        self.end_hard(status);
    }

    fn close_listeners(&self) {
        for socket in self.net.info() {
            if socket.kind == SocketKind::Listen {
                self.net.close(&self.node, Address::NONE, socket.id);
            }
        }
    }

    /// Runs the exit hooks; the services whose hooks were not begun in time.
    fn run_exit_hooks(&self, until: Instant) -> Vec<Address> {
        while let Some(address) = self.hooks.take_last_exit() {
            self.hooks.ask(&self.node, address, Hook::Exit);
            if !self.hooks.wait(Hook::Exit, until) {
                let never_ran = self.hooks.with(Hook::Exit).into_iter();
                return never_ran.map(|(address, _)| address).collect();
            }
        }
        Vec::new()
    }

    /// Names who is not through.
    fn outcome(&self, never_ran: &[Address]) -> End {
        if self.hooks.unfinished().is_empty() && never_ran.is_empty() {
            return End::default();
        }
        for (ticket, asked) in self.hooks.unfinished() {
            self.hooks.locate(&self.node, ticket, asked.address);
            // One in a loop hears no message.
            self.node.ask_where(asked.address);
        }
        self.hooks
            .wait_located(Instant::now() + Duration::from_millis(LOCATE_MS_MAX));
        let ms = self.exit.as_millis();
        let mut lines: Vec<String> = Vec::new();
        for (_, asked) in self.hooks.unfinished() {
            lines.push(format!(
                "{} still runs after {ms} ms (welkin_exit_ms)",
                self.describe(&asked)
            ));
        }
        for address in never_ran {
            lines.push(format!(
                "the exit hooks of {} were not run: others took all of the {ms} ms (welkin_exit_ms)",
                self.who(*address)
            ));
        }
        for line in &lines {
            self.say(format!("error: {line}; the node ends without it"));
        }
        lines.truncate(LIST_MAX);
        End {
            status: u8::from(!lines.is_empty()),
            unfinished: lines,
        }
    }

    fn wait_until_told(&self) {
        let until = Instant::now() + Duration::from_millis(TELL_MS_MAX);
        let mut told = self.told.lock();
        while told.waiting > 0 && !self.changed.wait_until(&mut told, until).timed_out() {}
    }

    /// `the exit hook chat.lua:12 of service :0000000a chat, in save at chat.lua:20,`
    fn describe(&self, asked: &Asked) -> String {
        let hook = match asked.function.as_str() {
            "" => format!("the {} hook (not begun)", asked.hook.name()),
            function => format!("the {} hook {function}", asked.hook.name()),
        };
        let place = match &asked.at {
            Some(at) if !at.is_empty() => format!(", now in {at},"),
            Some(_) => String::new(),
            // It answers nothing: where the monitor last saw it.
            None => self.last_seen(asked.address),
        };
        format!("{hook} of service {}{place}", self.who(asked.address))
    }

    fn last_seen(&self, address: Address) -> String {
        let slot = self.node.slot(address);
        let Some(control) = slot.as_ref().and_then(|slot| slot.control()) else {
            return String::new();
        };
        match (control.describe(), control.function().0) {
            (place, _) if place.is_empty() => String::new(),
            (place, function) if function.is_empty() => format!(", last seen at {place},"),
            (place, function) => format!(", last seen in {function} at {place},"),
        }
    }

    /// `:0000000a chat`
    fn who(&self, address: Address) -> String {
        match self.node.service_name(address) {
            Some(name) => format!("{address} {name}"),
            None => address.to_string(),
        }
    }

    pub(super) fn say(&self, text: impl Into<Vec<u8>>) {
        self.node.log(Address::NONE, text);
    }
}

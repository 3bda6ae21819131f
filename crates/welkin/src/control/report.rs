//! The answer to `status`: looked up from outside, so that no service has to run for it, but for those
//! that count players, which get [`ONLINE_MS_MAX`].

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use welkin_codec::control::{LIST_MAX, Online, Queue, Sockets, Status, Stuck, Totals};
use welkin_lua::hooks::Hook;
use welkin_net::SocketKind;
use welkin_runtime::{Address, Node, Slot};

use super::{Control, Phase};

/// How long services have to count their players.
const ONLINE_MS_MAX: u64 = 1_000;
/// How long services have to note where they are.
const NOTE_MS: u64 = 20;
/// From when on a message is taken for one that does not end.
const STUCK_NS: i64 = 5_000_000_000;

impl Control {
    pub(super) fn report(&self) -> Status {
        let slots = self.node.services();
        let slots = slots.into_iter().filter_map(|at| self.node.slot(at));
        let slots: Vec<Arc<Slot>> = slots.collect();
        let stuck = self.stuck(&slots);
        let online = self.online();
        let reason = self.unready().or_else(|| self.held_up(&stuck));
        let since = self.node.start_time();
        Status {
            node: self.name.clone(),
            start_key: self.start_key.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: reason.is_none(),
            reason: reason.unwrap_or_default(),
            draining: self.hooks.is_draining(),
            stopping: self.told.lock().phase != Phase::Serving,
            since,
            uptime_s: (self.node.now() / 100).unsigned_abs(),
            services: slots.len() as u64,
            hooked: self.hooks.count() as u64,
            online: sum(&online),
            online_by: online
                .iter()
                .take(LIST_MAX)
                .map(|by| self.online_by(by))
                .collect(),
            memory: resident_bytes(),
            lua_memory: slots.iter().map(|slot| memory(slot)).sum(),
            sockets: self.sockets(),
            queue: self.longest_queue(&slots),
            stuck: stuck.into_iter().take(LIST_MAX).collect(),
            totals: self.totals(&slots),
            console: self.console(),
        }
    }

    fn name_of(&self, slot: &Slot) -> String {
        self.node.service_name(slot.address()).unwrap_or_default()
    }

    fn stuck(&self, slots: &[Arc<Slot>]) -> Vec<Stuck> {
        let now = Node::hpc();
        let lasts = |slot: &&Arc<Slot>| slot.is_busy() && now - slot.since_ns() > STUCK_NS;
        let stuck: Vec<_> = slots.iter().filter(lasts).collect();
        for slot in &stuck {
            self.node.ask_where(slot.address());
        }
        if !stuck.is_empty() {
            // They note it when they get to their next instruction, and tell nobody.
            thread::sleep(Duration::from_millis(NOTE_MS));
        }
        let stuck = stuck.into_iter().map(|slot| {
            let control = slot.control();
            Stuck {
                service: slot.address().to_string(),
                name: self.name_of(slot),
                function: control.map(|c| c.function().0).unwrap_or_default(),
                at: control.map(|c| c.describe()).unwrap_or_default(),
                ms: (now - slot.since_ns()).unsigned_abs() / 1_000_000,
            }
        });
        stuck.collect()
    }

    /// Nobody gets a worker when as many services as there are workers do not give theirs back.
    fn held_up(&self, stuck: &[Stuck]) -> Option<String> {
        let first = stuck.first()?;
        (stuck.len() >= self.node.workers()).then(|| {
            format!(
                "all workers are in messages that do not end, one of them in service {} {} {}",
                first.service, first.name, first.at
            )
        })
    }

    /// The players of each service that counts some; one that is still at the question of somebody
    /// before is not asked again.
    fn online(&self) -> Vec<(Address, Option<u64>)> {
        // Who asks at the same time would find them all at work.
        let _one_at_a_time = self.counting.lock();
        let until = Instant::now() + Duration::from_millis(ONLINE_MS_MAX);
        let all = self.hooks.with(Hook::Online).into_iter();
        let ask = |(address, free): (Address, bool)| {
            let ticket = free.then(|| self.hooks.ask(&self.node, address, Hook::Online));
            (address, ticket)
        };
        let asked: Vec<(Address, Option<u64>)> = all.map(ask).collect();
        self.hooks.wait(Hook::Online, until);
        let number = |ticket: u64| self.hooks.take_number(ticket);
        let asked = asked.into_iter();
        asked
            .map(|(address, ticket)| (address, ticket.and_then(number)))
            .collect()
    }

    fn online_by(&self, (address, online): &(Address, Option<u64>)) -> Online {
        Online {
            service: address.to_string(),
            name: self.node.service_name(*address).unwrap_or_default(),
            online: *online,
        }
    }

    fn sockets(&self) -> Sockets {
        let mut sockets = Sockets::default();
        for socket in self.net.info() {
            match socket.kind {
                SocketKind::Listen => sockets.listen += 1,
                SocketKind::Tcp => sockets.established += 1,
                SocketKind::Udp => sockets.udp += 1,
                SocketKind::Closing => sockets.closing += 1,
                SocketKind::Bind => {}
            }
        }
        sockets
    }

    /// `service/bootstrap.lua` notes it.
    fn console(&self) -> Option<u16> {
        let port = self.node.env_get(b"welkin_console_port")?;
        String::from_utf8(port).ok()?.parse().ok()
    }

    fn totals(&self, slots: &[Arc<Slot>]) -> Totals {
        let (rx, tx) = welkin_net::traffic();
        Totals {
            messages: slots.iter().map(|slot| slot.messages()).sum(),
            rx,
            tx,
            errors: self.hooks.errors(),
        }
    }

    fn longest_queue(&self, slots: &[Arc<Slot>]) -> Option<Queue> {
        let lengths = slots.iter().map(|slot| (slot.mailbox_len(), slot));
        let (messages, slot) = lengths.max_by_key(|(messages, _)| *messages)?;
        (messages > 0).then(|| Queue {
            service: slot.address().to_string(),
            name: self.name_of(slot),
            messages: messages as u64,
        })
    }
}

fn memory(slot: &Slot) -> u64 {
    slot.control().map_or(0, |control| control.memory() as u64)
}

/// `None`: nobody counts, or one of those who do has not answered, and a part is not the whole.
fn sum(online: &[(Address, Option<u64>)]) -> Option<u64> {
    let numbers = online.iter().map(|(_, online)| *online);
    let sum = numbers.reduce(|sum, number| sum?.checked_add(number?));
    sum.flatten()
}

/// Resident memory of this process, in bytes; where the system tells it.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_known_only_when_all_who_count_have_answered() {
        let by = |online| (Address(8), online);
        assert_eq!(sum(&[]), None);
        assert_eq!(sum(&[by(Some(2)), by(Some(3))]), Some(5));
        assert_eq!(sum(&[by(Some(2)), by(None)]), None);
        assert_eq!(sum(&[by(Some(u64::MAX)), by(Some(1))]), None);
    }
}
